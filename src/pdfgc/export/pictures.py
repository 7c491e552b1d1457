"""Pictures as exported graphs take and give them: bytes, colours last."""

from __future__ import annotations

import torch
from torch import Tensor


def to_floats(picture: Tensor) -> Tensor:
    """`[B, S, S, 3]` uint8 to `[B, 3, S, S]` in -1..1."""
    return picture.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(pixels: Tensor) -> Tensor:
    """-1..1 to uint8."""
    return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def example_picture(size: int, count: int) -> Tensor:
    """`[count, size, size, 3]` uint8, smooth and coloured."""
    axis = torch.linspace(0, 255, size)
    ramp = torch.stack(
        [axis[:, None].expand(size, size), axis.expand(size, size), axis.flip(0).expand(size, size)]
    )
    return ramp.permute(1, 2, 0).byte()[None].repeat(count, 1, 1, 1)
