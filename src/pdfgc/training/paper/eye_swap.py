"""The eyes of one frame in the face of another, on pictures (paper section 3.2, eq. 4)."""

from __future__ import annotations

import cv2
import numpy as np

from pdfgc.face.mesh import LEFT_EYE, RIGHT_EYE

_GROWN = 1.7
"""Size of the exchanged region over that of the eye's loop: it takes the lids along, and leaves the brows."""

_TALLER = 1.6
"""How much taller than the loop the region is on top of that, for a shut eye has no height."""

_SOFT = 0.12
"""Width of the region's soft border in eye widths."""


def swap_eyes(face: np.ndarray, face_mesh: np.ndarray, eyes: np.ndarray, eyes_mesh: np.ndarray) -> np.ndarray:
    """A face with the eyes of another picture.

    Each eye region is turned, scaled and shifted so that the corners of the eye meet, given the mean colour of what it
    covers, and blended in.

    Args:
        face, eyes: `[S, S, 3]` uint8; the eyes of the second come into the first.
        face_mesh, eyes_mesh: `[478, 3]` in crop units of the pictures.

    Returns:
        `[S, S, 3]` uint8.
    """
    side = face.shape[0]
    result = face.astype(np.float32)
    for loop in (RIGHT_EYE, LEFT_EYE):
        there, here = (_pixels(mesh, loop, side) for mesh in (eyes_mesh, face_mesh))
        matrix = _similarity(there[[0, 8]], here[[0, 8]])
        brought = cv2.warpAffine(eyes, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE).astype(
            np.float32
        )
        share = _region(here, side)[..., None]
        weight = max(float(share.sum()), 1e-6)
        tint = (share * (result - brought)).sum((0, 1)) / weight
        result += share * (brought + tint - result)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def _pixels(mesh: np.ndarray, loop: tuple[int, ...], side: int) -> np.ndarray:
    return (mesh[list(loop), :2] + 1) * (side / 2) - 0.5


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The `[2, 3]` turn, scale and shift that takes two points to two others."""
    start, end = (complex(*(points[1] - points[0])) for points in (source, target))
    turn = end / start if abs(start) > 1e-6 else complex(1)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, target[0] - linear @ source[0]])


def _region(loop: np.ndarray, side: int) -> np.ndarray:
    """`[S, S]` 0..1: a soft ellipse about an eye."""
    middle = (loop[0] + loop[8]) / 2
    axis = loop[8] - loop[0]
    width = max(float(np.linalg.norm(axis)), 1.0)
    half = _GROWN * width / 2
    y, x = np.mgrid[:side, :side].astype(np.float32)
    along = ((x - middle[0]) * axis[0] + (y - middle[1]) * axis[1]) / width
    across = (-(x - middle[0]) * axis[1] + (y - middle[1]) * axis[0]) / width
    radius = np.sqrt((along / half) ** 2 + (across / (half * _TALLER / 2)) ** 2)
    return np.clip((1 - radius) * half / (_SOFT * width), 0, 1)
