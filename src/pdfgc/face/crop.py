"""The square head crop that every network sees, and its way back into the whole picture.

One box serves a whole clip, so the head's travel stays in the frames as motion. Its size follows from the
head's scale in centimetres and its centre from the face's extent; both are medians over the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch

from pdfgc.face.geometry import POSE_SCALE, fit_pose
from pdfgc.face.mesh import FACE_HEIGHT
from pdfgc.face.tracker import Face

HEAD_SIDE = 1.75
"""Side of the crop in face heights."""

LIFT = 0.1
"""How far the crop's centre stands over the face's, in face heights: room for hair."""

LEAST_VISIBLE = 0.7
"""Part of a head crop's side that must lie in the picture for the rest to be left out of the result."""

FACE_POINTS = 468
"""The mesh without the irises."""

SHRINK_FIRST = 0.5
"""Scale below which a picture is first area-averaged: cubic and linear sampling would skip pixels."""

FEATHER = 0.12
"""Width of the soft border of a pasted crop, as a part of its side."""


@dataclass(frozen=True)
class CropBox:
    """A square of a picture, in pixels from the picture's top left corner; it may leave the picture."""

    left: float
    top: float
    side: float


def head_box(faces: Sequence[Face]) -> CropBox:
    """The head crop of a clip (or of one picture: a list of one face).

    Raises:
        ValueError: no face at all.
    """
    if not faces:
        raise ValueError("expected at least one face, got none")
    meshes = np.stack([face.mesh for face in faces])
    pose = fit_pose(torch.from_numpy(meshes))
    pixels_per_cm = float(np.median(np.exp(pose[:, 5].numpy()))) * POSE_SCALE
    height = pixels_per_cm * FACE_HEIGHT
    extent = meshes[:, :FACE_POINTS, :2]
    centre_x, centre_y = np.median((extent.min(1) + extent.max(1)) / 2, axis=0).tolist()
    side = HEAD_SIDE * height
    return CropBox(centre_x - side / 2, centre_y - LIFT * height - side / 2, side)


def visible_square(box: CropBox, width: int, height: int) -> CropBox:
    """The largest square of a box that lies in a picture of `width` x `height`, as near the box's middle as can be.

    A photograph cut close to the head has nothing where the crop leaves it; repeated edge pixels are good enough to
    compute with, not to look at. The box itself comes back when it lies inside, or when too little of it does.
    """
    left, top = max(box.left, 0.0), max(box.top, 0.0)
    right, bottom = min(box.left + box.side, float(width)), min(box.top + box.side, float(height))
    side = min(right - left, bottom - top)
    if side < LEAST_VISIBLE * box.side:
        return box
    middle = box.side / 2
    x = min(max(box.left + middle, left + side / 2), right - side / 2)
    y = min(max(box.top + middle, top + side / 2), bottom - side / 2)
    return CropBox(x - side / 2, y - side / 2, side)


def crop(image: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """Cut a box out of a picture; beyond the picture its edge pixels repeat.

    Args:
        image: `[H, W, 3]` uint8.
        box: what to cut.
        size: side of the result.

    Returns:
        `[size, size, 3]` uint8: area-averaged where it shrinks, cubic where it grows.
    """
    scale = size / box.side
    matrix = _matrix(box, scale)
    if scale < SHRINK_FIRST:
        image, back = _shrink(image, scale)
        matrix = matrix @ back
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def crop_mesh(mesh: np.ndarray, box: CropBox) -> np.ndarray:
    """Meshes `[..., 478, 3]` in pixels to crop units: -1..1 across the box, z at the same scale; float32."""
    mesh = np.asarray(mesh, np.float32)
    x = (mesh[..., 0] - box.left) / box.side * 2 - 1
    y = (mesh[..., 1] - box.top) / box.side * 2 - 1
    return np.stack([x, y, mesh[..., 2] / box.side * 2], -1).astype(np.float32)


def paste_back(
    image: np.ndarray, rendered: np.ndarray, box: CropBox, mask: np.ndarray | None = None
) -> np.ndarray:
    """Put a crop back into the picture it came from.

    Args:
        image: `[H, W, 3]` uint8, the whole picture; it is not changed.
        rendered: `[S, S, 3]` uint8, the crop's new content.
        box: the crop's place.
        mask: `[S, S]` float32 0..1, how much of `rendered` shows; `paste_mask(S)` when None.

    Returns:
        `[H, W, 3]` uint8; pixels where the mask is 0 or that lie outside the box are exactly the picture's.
    """
    return Paster(image, box, rendered.shape[0], mask)(rendered)


class Paster:
    """Puts one crop after another back into the same picture: geometry and mask are worked out once.

    Args:
        image: `[H, W, 3]` uint8, the whole picture; it is not changed.
        box: the crops' place.
        size: their side in pixels, S.
        mask: as `paste_back`.
    """

    def __init__(self, image: np.ndarray, box: CropBox, size: int, mask: np.ndarray | None = None) -> None:
        height, width = image.shape[:2]
        left, top = max(int(np.floor(box.left)), 0), max(int(np.floor(box.top)), 0)
        right, bottom = (
            min(int(np.ceil(box.left + box.side)), width),
            min(int(np.ceil(box.top + box.side)), height),
        )
        self._image = image
        self._size = size
        self._outside = left >= right or top >= bottom
        if self._outside:
            return
        self._scale = box.side / size
        self._place = slice(top, bottom), slice(left, right)
        self._area = (right - left, bottom - top)
        self._matrix = cv2.invertAffineTransform(_matrix(box, size / box.side)) - ((0, 0, left), (0, 0, top))
        mask = paste_mask(size) if mask is None else mask.astype(np.float32)
        mask, matrix = self._averaged(mask)
        self._share = cv2.warpAffine(mask, matrix, self._area, flags=cv2.INTER_LINEAR)
        self._rest = 1 - self._share

    def __call__(self, rendered: np.ndarray) -> np.ndarray:
        """The whole picture `[H, W, 3]` uint8, a new one, with a crop `[S, S, 3]` uint8 in it."""
        if rendered.shape != (self._size, self._size, 3):
            raise ValueError(f"expected a square crop [S, S, 3], got {list(rendered.shape)}")
        result = self._image.copy()
        if self._outside:
            return result
        rendered, matrix = self._averaged(rendered)
        flags = cv2.INTER_CUBIC if self._scale > 1 else cv2.INTER_AREA
        new = cv2.warpAffine(rendered, matrix, self._area, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        old = result[self._place]
        result[self._place] = cv2.blendLinear(new, np.ascontiguousarray(old), self._share, self._rest)
        return result

    def _averaged(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crop or mask made ready for a place that is much smaller, and the map of its indices to the place's."""
        if self._scale >= SHRINK_FIRST:
            return pixels, self._matrix
        pixels, back = _shrink(pixels, self._scale)
        return pixels, self._matrix @ back


@lru_cache(maxsize=8)
def paste_mask(size: int) -> np.ndarray:
    """`[size, size]` float32, read-only: 1 in the middle, falling smoothly to 0 at the border."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) / max(FEATHER * size, 1.0)
    ramp = np.clip(distance, 0, 1).astype(np.float32)
    ramp = ramp * ramp * (3 - 2 * ramp)
    mask = ramp[:, None] * ramp[None, :]
    mask.flags.writeable = False
    return mask


def _matrix(box: CropBox, scale: float) -> np.ndarray:
    """Affine map of pixel indices, picture to crop; pixel centres, not corners, lie at whole numbers."""
    shift = 0.5 * (scale - 1)
    return np.array([[scale, 0, shift - box.left * scale], [0, scale, shift - box.top * scale]])


def _shrink(image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Area-average a picture to `scale`; also the `[3, 3]` map from the result's indices to its own."""
    height, width = image.shape[:2]
    small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = width / small_width, height / small_height
    back = np.array([[x, 0, 0.5 * (x - 1)], [0, y, 0.5 * (y - 1)], [0, 0, 1]])
    return cv2.resize(image, (small_width, small_height), interpolation=cv2.INTER_AREA), back
