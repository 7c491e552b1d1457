"""Upright face crops for networks that look at one face, differentiable in the picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def face_crops(pictures: Tensor, meshes: Tensor, *, room: float, side: int) -> Tensor:
    """Squares about faces.

    Args:
        pictures: `[B, 3, S, S]`.
        meshes: `[B, 478, 3]` in crop units of the pictures; no gradient reaches them.
        room: side of the square over the longer side of the face's bounding box.
        side: of the result in pixels.

    Returns:
        `[B, 3, side, side]` float32; beyond the picture its edge pixels repeat.
    """
    with torch.no_grad():
        low, high = meshes[:, :468, :2].amin(1), meshes[:, :468, :2].amax(1)
        theta = torch.zeros(len(meshes), 2, 3, device=pictures.device)
        theta[:, 0, 0] = theta[:, 1, 1] = room / 2 * (high - low).amax(1)
        theta[:, :, 2] = (low + high) / 2
        grid = F.affine_grid(theta, [len(meshes), 3, side, side], align_corners=False)
    return F.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)
