"""Drawings of a face mesh: where the eyes, irises, brows, lips and the inside of the mouth are to be.

The generator of preset `small` sees the driving mesh twice: as a flow (`flow.py`), which says where pixels come
from, and as this drawing, which says what belongs where the flow has nothing to offer: an open mouth, a closed lid.
"""

from __future__ import annotations

import cv2
import numpy as np

from pdfgc.face.mesh import (
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
)

OVAL, BROWS, EYES, IRISES, LIPS, MOUTH = range(6)
"""The channels: face oval, brows, eye openings, irises (inside the openings), lips, inside of the mouth."""

SKETCH_CHANNELS = 6

_SUBPIXEL_BITS = 4


def _fill(canvas: np.ndarray, points: np.ndarray, loop: tuple[int, ...]) -> None:
    cv2.fillPoly(canvas, [points[list(loop)]], 255, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)


def draw_sketch(mesh: np.ndarray, size: int) -> np.ndarray:
    """Draw one crop mesh.

    Args:
        mesh: `[478, >=2]` points in crop units, -1..1 across the crop.
        size: side of the drawing in pixels.

    Returns:
        `[SKETCH_CHANNELS, size, size]` uint8, 0 outside and 255 inside, edges anti-aliased.
    """
    pixels = (np.asarray(mesh, np.float64)[:, :2] + 1) * (size / 2) - 0.5
    points = np.round(np.clip(pixels, -4 * size, 4 * size) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    sketch = np.zeros((SKETCH_CHANNELS, size, size), np.uint8)
    oval, brows, eyes, irises, lips, mouth = sketch
    _fill(oval, points, FACE_OVAL)
    for brow in (RIGHT_BROW, LEFT_BROW):
        _fill(brows, points, brow)
    for eye in (RIGHT_EYE, LEFT_EYE):
        _fill(eyes, points, eye)
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        centre, rim = pixels[iris[0]], pixels[list(iris[1:])]
        radius = float(np.linalg.norm(rim - centre, axis=1).mean())
        x, y, r = (int(v * (1 << _SUBPIXEL_BITS)) for v in np.clip((*centre, radius), -4 * size, 4 * size))
        cv2.circle(irises, (x, y), max(r, 0), 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    np.minimum(irises, eyes, out=irises)
    _fill(lips, points, LIPS_OUTER)
    _fill(mouth, points, LIPS_INNER)
    np.minimum(lips, 255 - mouth, out=lips)
    return sketch


def draw_sketches(meshes: np.ndarray, size: int) -> np.ndarray:
    """`[T, 478, >=2]` crop meshes to `[T, SKETCH_CHANNELS, size, size]` uint8 drawings."""
    return np.stack([draw_sketch(mesh, size) for mesh in meshes])
