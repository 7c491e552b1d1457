"""MediaPipe's 478-point face mesh: what its indices mean, and what can be read off it.

*Left* and *right* are the subject's own, as in MediaPipe's names: the right eye stands on the image's left.
Loops are listed in order around the shape, each lip and eye loop from the corner on its own image's outer
side (lips: the image's left) over the upper edge to the other corner and back along the lower edge.

The measures take meshes `[..., 478, 3]` in pixels or crop units (x right, y down, z smaller towards the
camera), take off the head pose (`geometry.remove_pose`) and so depend neither on framing nor, to first order,
on the turn of the head. They are plain geometry; stage 3 learns by its own restatement of three of them
(`gestures` of `training.expression_codes`, `lip_gaps` of `training.code_moments`).
"""

from __future__ import annotations

import numpy as np
import torch

from pdfgc.face.geometry import MESH_POINTS, fit_pose, remove_pose

FACE_HEIGHT = 18.1
"""Centimetres from the hair line to the chin of the canonical face."""

LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""Loops from the corner on the image's left; entries 0 and 10 are the corners, 5 and 15 the lips' middles."""

RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
"""Loops from the outer corner: 0 outer corner, 1-7 upper lid, 8 inner corner, 9-15 lower lid backwards."""

RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
"""The centre, then four points of the rim."""

RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
"""Loops from the outer end: 0-4 along the upper edge, 5-9 back along the lower edge."""

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Loop from the top of the forehead by the image's right side to the chin (152, entry 18) and back."""

DLIB_68 = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose: bridge, nostrils
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # lips, outer
    78, 81, 13, 311, 308, 402, 14, 178,  # lips, inner
)  # fmt: skip
"""The mesh point nearest to each of dlib's (iBUG's) 68 landmarks, in their order."""

BLENDSHAPES = (
    "_neutral",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""Names of MediaPipe's 52 scores, in its order."""

LEAST_SCORE = 1e-5
"""Added to a score and to its opposite before odds are taken; larger, and faces at rest, whose score for a smile is
often under 1e-4, would seem to stand still."""

_LID_PAIRS = ((3, 13), (4, 12), (5, 11))  # entries of an eye loop: upper lid over lower lid
_LIP_PAIRS = ((4, 16), (5, 15), (6, 14))  # entries of LIPS_INNER: upper lip over lower lip


def landmarks_68(mesh: np.ndarray) -> np.ndarray:
    """Meshes `[..., 478, C]` to dlib's 68 landmarks `[..., 68, C]`."""
    return mesh[..., DLIB_68, :]


def canonical(mesh: np.ndarray) -> np.ndarray:
    """Meshes `[..., 478, 3]` without their pose: float32, cm of the canonical face, x right, y up, z near."""
    if mesh.shape[-2:] != (MESH_POINTS, 3):
        raise ValueError(f"expected meshes [..., {MESH_POINTS}, 3], got {list(mesh.shape)}")
    points = torch.from_numpy(np.ascontiguousarray(mesh, np.float32))
    return remove_pose(points, fit_pose(points)).numpy()


def mouth_opening(mesh: np.ndarray) -> np.ndarray:
    """Gap between the inner lips, mean of three pairs about the middle: `[...]` cm, about 0 when shut."""
    return _gaps(canonical(mesh), LIPS_INNER, _LIP_PAIRS)


def eye_opening(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gap between the lids over the eye's width: subject's left and right eye, each `[...]`.

    Under 0.1 when shut, about 0.3 when open, 0.4 when wide.
    """
    points = canonical(mesh)
    left, right = (
        _gaps(points, loop, _LID_PAIRS) / _length(points[..., loop[8], :] - points[..., loop[0], :])
        for loop in (LEFT_EYE, RIGHT_EYE)
    )
    return left, right


def gaze(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the eyes look relative to the head, mean of both: horizontal and vertical, each `[...]`.

    Offset of the iris centre from the middle of the eye's corners, along and across the line between them,
    over the eye's width. Horizontal is positive to the image's right, vertical is positive downwards (as
    pose's yaw and pitch); talking people stay within 0.11, and -0.12..0.05.
    """
    points = canonical(mesh)[..., :2]
    offsets = []
    for start, end, iris in ((RIGHT_EYE[0], RIGHT_EYE[8], 468), (LEFT_EYE[8], LEFT_EYE[0], 473)):
        axis = points[..., end, :] - points[..., start, :]  # towards the image's right
        offset = points[..., iris, :] - (points[..., start, :] + points[..., end, :]) / 2
        along = (offset * axis).sum(-1)
        across = offset[..., 0] * axis[..., 1] - offset[..., 1] * axis[..., 0]
        offsets.append(np.stack([along, across]) / (axis**2).sum(-1))
    horizontal, vertical = (offsets[0] + offsets[1]) / 2
    return horizontal, vertical


def smile(mesh: np.ndarray) -> np.ndarray:
    """Distance between the mouth's corners plus their height over the middle of the lips: `[...]` cm.

    Meaningful as a change within one person: mouths differ in width.
    """
    points = canonical(mesh)
    right, left = points[..., LIPS_OUTER[0], :], points[..., LIPS_OUTER[10], :]
    middle = (points[..., LIPS_OUTER[5], 1] + points[..., LIPS_OUTER[15], 1]) / 2
    return _length(left - right) + (left[..., 1] + right[..., 1]) / 2 - middle


def smile_odds(blendshapes: np.ndarray) -> np.ndarray:
    """How far MediaPipe's scores `[..., 52]` are for a smile: log-odds of `mouthSmile`, mean of both sides, `[...]`.

    From -11.5 over 0, a score of a half, to 11.5. It follows a smile better than
    `smile` does, and speech less (docs/decisions.md).
    """
    left, right = (blendshapes[..., BLENDSHAPES.index(f"mouthSmile{side}")] for side in ("Left", "Right"))
    score = (left.astype(np.float64) + right) / 2
    return np.asarray(np.log((score + LEAST_SCORE) / (1 - score + LEAST_SCORE)))


def brow_raise(mesh: np.ndarray) -> np.ndarray:
    """Height of the brows over the corners of the eyes, mean of both sides: `[...]` cm, about 2.

    Meaningful as a change within one person: faces differ.
    """
    height = canonical(mesh)[..., 1]
    corners = [RIGHT_EYE[0], RIGHT_EYE[8], LEFT_EYE[0], LEFT_EYE[8]]
    return height[..., RIGHT_BROW + LEFT_BROW].mean(-1) - height[..., corners].mean(-1)


def _length(vector: np.ndarray) -> np.ndarray:
    return np.sqrt((vector**2).sum(-1))


def _gaps(points: np.ndarray, loop: tuple[int, ...], pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    upper, lower = ([loop[pair[side]] for pair in pairs] for side in (0, 1))
    return _length(points[..., upper, :] - points[..., lower, :]).mean(-1)
