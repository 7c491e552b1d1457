"""The square that the paper's networks see, as a part of the head crop that clips are stored as.

VoxCeleb's alignment, cut as the authors' release cuts it before its networks (`[:192, 16:208]` of 224 pixels), shows a
face 0.77 of the square's side high, its middle at 0.50, 0.455 of the square: measured on 40 frames of the authors'
demo inputs, found with this project's tracker. A head crop places a face by the same landmarks, so one part of it
serves all.
"""

from __future__ import annotations

import numpy as np

from pdfgc.face.crop import HEAD_SIDE, LIFT, CropBox

_FACE_HEIGHT, _FACE_MIDDLE = 0.77, 0.455

VIEW_SIDE = 1 / _FACE_HEIGHT / HEAD_SIDE
"""Side of the view over that of the head crop: 0.742."""

VIEW_DOWN = (LIFT + (0.5 - _FACE_MIDDLE) / _FACE_HEIGHT) / HEAD_SIDE
"""How far the view's middle lies below the head crop's, in sides of the head crop: 0.091."""


def view_box(head: CropBox) -> CropBox:
    """The view within a head crop, in the same pixels."""
    side = VIEW_SIDE * head.side
    middle = head.side / 2
    return CropBox(head.left + middle - side / 2, head.top + middle + VIEW_DOWN * head.side - side / 2, side)


def view_mesh(mesh: np.ndarray) -> np.ndarray:
    """Meshes `[..., 478, 3]` from units of the head crop to units of the view: -1..1 across it; float32."""
    moved = mesh - np.array([0.0, 2 * VIEW_DOWN, 0.0])
    return (moved / VIEW_SIDE).astype(np.float32)


def head_mesh(mesh: np.ndarray) -> np.ndarray:
    """The inverse of `view_mesh`."""
    moved = mesh * VIEW_SIDE
    return (moved + np.array([0.0, 2 * VIEW_DOWN, 0.0])).astype(np.float32)
