"""LPIPS v0.1 (Zhang et al., CVPR 2018): how different two pictures look, from ImageNet features.

The networks are written out here (torchvision is not used): five ReLU outputs of AlexNet or VGG16, each
normalised along the channels, their squared difference weighted per channel by the learned heads, mean over
the picture, summed over the layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from pdfgc.weights import locate

Net = Literal["alex", "vgg"]

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation, for pictures in -1..1 (LPIPS' `ScalingLayer`)."""

NORM_FLOOR = 1e-12
"""Added to a squared feature norm: keeps the gradient finite where a feature is all zero."""

SMALLEST_SIDE = {"alex": 31, "vgg": 16}
"""Pixels below which the deepest layer would be empty."""


class AlexFeatures(nn.Module):
    """AlexNet's five convolutions; returns their ReLU outputs."""

    channels = (64, 192, 384, 256, 256)

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]`, ImageNet-normalised, to five maps `[B, C, h, w]`."""
        maps = []
        for index, convolution in enumerate(self.convolutions):
            if index in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(convolution(x))
            maps.append(x)
        return maps


class VGGFeatures(nn.Module):
    """VGG16's thirteen convolutions; returns the last ReLU output of each of the five blocks."""

    channels = (64, 128, 256, 512, 512)
    block_sizes = (2, 2, 3, 3, 3)

    def __init__(self) -> None:
        super().__init__()
        layers, previous = [], 3
        for width, count in zip(self.channels, self.block_sizes, strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(previous, width, 3, padding=1))
                previous = width
        self.convolutions = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """`[B, 3, H, W]`, ImageNet-normalised, to five maps `[B, C, h, w]`."""
        maps, convolutions = [], iter(self.convolutions)
        for block, count in enumerate(self.block_sizes):
            if block > 0:
                x = F.max_pool2d(x, 2, 2)
            for _ in range(count):
                x = F.relu(next(convolutions)(x))
            maps.append(x)
        return maps


class LPIPS(nn.Module):
    """Perceptual distance with frozen weights; differentiable in both pictures.

    Works in any memory format and under bfloat16 autocast: the convolutions run in the autocast type, the
    normalisation, heads and sums in float32. A picture that needs no gradient is run without a graph.

    Args:
        net: `"alex"` (fast; the paper's metric) or `"vgg"` (30 times slower; common as a training loss).
        pretrained: read the published weights (`lpips_alex` or `lpips_vgg` of `pdfgc.weights`); `False`
            leaves them random, which only shape and gradient tests want.
        weights: a safetensors file to read instead of the registered one.

    Raises:
        InputError: the weights are neither in the cache nor reachable.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: Net = "alex", *, pretrained: bool = True, weights: Path | None = None) -> None:
        super().__init__()
        self.net = net
        self.features: AlexFeatures | VGGFeatures = AlexFeatures() if net == "alex" else VGGFeatures()
        self.heads = nn.ParameterList([torch.full((width,), 1.0 / width) for width in self.features.channels])
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)
        if pretrained:
            self.load_state_dict(load_file(weights or locate(f"lpips_{net}")))
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance of each pair.

        Args:
            x, y: `[B, 3, H, W]` in -1..1, RGB, both the same size.

        Returns:
            `[B]` float32, 0 for equal pictures.
        """
        if x.shape != y.shape or x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < SMALLEST_SIDE[self.net]:
            raise ValueError(
                f"expected two [B, 3, H, W] batches of one size, sides >= {SMALLEST_SIDE[self.net]}, "
                f"got {list(x.shape)} and {list(y.shape)}"
            )
        return self.distance(self.maps(x), self.maps(y))

    def maps(self, x: Tensor) -> list[Tensor]:
        """Channel-normalised float32 maps of pictures `[B, 3, H, W]` in -1..1; keep a target's for reuse."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and x.requires_grad):
            maps = self.features((x - self.shift) / self.scale)
            return [_normalise(m.float()) for m in maps]

    def distance(self, x: list[Tensor], y: list[Tensor]) -> Tensor:
        """`[B]` distances between two results of `maps`."""
        terms = [
            ((a - b).square() * head[:, None, None]).sum(1).mean((1, 2))
            for a, b, head in zip(x, y, self.heads, strict=True)
        ]
        return torch.stack(terms).sum(0)


def _normalise(features: Tensor) -> Tensor:
    return features * torch.rsqrt(features.square().sum(1, keepdim=True) + NORM_FLOOR)
