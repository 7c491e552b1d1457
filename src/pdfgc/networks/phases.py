"""Pictures taken apart into four of half their side, so that steps at full and at half size need no shuffling.

The *phases* of a picture are its pixels at even rows and even columns, even rows and odd columns, odd rows and even
columns, odd rows and odd columns, in the order of `torch.nn.functional.pixel_unshuffle`.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.flow import pixel_centres

PHASES = 4


def in_phases(pictures: np.ndarray) -> np.ndarray:
    """`[..., S, S]` to `[..., 4, S/2, S/2]`."""
    return np.stack([pictures[..., row::2, column::2] for row in (0, 1) for column in (0, 1)], -3)


def from_phases(pictures: Tensor) -> np.ndarray:
    """`[B, 3, 4, h, w]` uint8 to `[B, 2 h, 2 w, 3]`."""
    batch, _, _, height, width = pictures.shape
    frames = np.empty((batch, height, 2, width, 2, 3), np.uint8)
    together = pictures.permute(0, 3, 4, 2, 1).contiguous().numpy()  # [B, h, w, 4, 3]
    frames[:] = together.reshape(batch, height, width, 2, 2, 3).swapaxes(2, 3)
    return frames.reshape(batch, 2 * height, 2 * width, 3)


def double_in_phases(maps: Tensor) -> Tensor:
    """Maps `[B, C, h, w]` at twice their size, bilinear, as phases: `[B, C, 4, h, w]`.

    As `interpolate` with `align_corners=False`: a pixel lies a quarter of the way from one value to its neighbour.
    """
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    upper, middle, lower = padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]
    doubled = []
    for row in (torch.lerp(middle, upper, 0.25), torch.lerp(middle, lower, 0.25)):
        left, centre, right = row[..., :-2], row[..., 1:-1], row[..., 2:]
        doubled += [torch.lerp(centre, left, 0.25), torch.lerp(centre, right, 0.25)]
    return torch.stack(doubled, 2)


def centres_in_phases(size: int) -> Tensor:
    """`[2, 4, S/2, S/2]` x, y of a picture's pixels in crop units."""
    centres = pixel_centres(size).permute(2, 0, 1)
    return F.pixel_unshuffle(centres, 2).unflatten(0, (2, PHASES))
