"""The perceptual loss of the paper: VGG19 features (Simonyan and Zisserman 2015) of both pictures (eq. 7).

The network is written out here; its weights are torchvision's, which the user brings: no package carries them.
Licence of the weights: BSD-3-Clause (torchvision), trained on ImageNet.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.files import sha256_of
from pdfgc.state_dicts import read_tensors

OFFICIAL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"

DIGEST = "dcbb9e9d"
"""How the SHA-256 of torchvision's file begins, by its name."""

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Channels and convolutions of each block, up to `relu5_1`, the last that is used."""

LAYER_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of `relu1_1` .. `relu5_1`, as in pix2pixHD (Wang et al. 2018)."""

_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)


class VGG19Loss(nn.Module):
    """Weighted mean absolute difference of five feature maps.

    Args:
        weights: torchvision's `vgg19-dcbb9e9d.pth`; None leaves the network random, which only tests of shapes and
            gradients want.

    Raises:
        InputError: the file is missing or another one.
    """

    licence = "BSD-3-Clause"
    mean: Tensor
    spread: Tensor

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = 3
        for width, count in BLOCKS:
            for _ in range(count):
                layers.append(nn.Conv2d(previous, width, 3, padding=1))
                previous = width
        self.convolutions = nn.ModuleList(layers)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD)[:, None, None], persistent=False)
        if weights is not None:
            self.load_state_dict(read_torchvision(weights))
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance of each pair `[B, 3, H, W]` of pictures in -1..1: `[B]` float32; y gets no gradient."""
        with torch.no_grad():
            wanted = self.maps(y)
        terms = [
            weight * (a.float() - b.float()).abs().mean((1, 2, 3))
            for weight, a, b in zip(LAYER_WEIGHTS, self.maps(x), wanted, strict=True)
        ]
        return torch.stack(terms).sum(0)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The first rectified map of each block."""
        x = ((pictures + 1) / 2 - self.mean) / self.spread
        maps = []
        remaining = iter(self.convolutions)
        for block, (_, count) in enumerate(BLOCKS):
            if block > 0:
                x = F.max_pool2d(x, 2)
            for number in range(count):
                x = F.relu(next(remaining)(x))
                if number == 0:
                    maps.append(x)
        return maps


def read_torchvision(path: Path) -> dict[str, Tensor]:
    """The convolutions up to `relu5_1` of torchvision's state dict, by this module's names.

    Raises:
        InputError: the file is missing, or is not the registered one.
    """
    if not path.is_file():
        raise InputError(f"expected torchvision's VGG19 weights at {path}, but there is none; get {OFFICIAL}")
    digest = sha256_of(path)
    if not digest.startswith(DIGEST):
        raise InputError(
            f"expected a file whose SHA-256 begins with {DIGEST}, but that of {path} is {digest}"
        )
    return convert(read_tensors(path))


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's names to this module's.

    Raises:
        InputError: a convolution is missing.
    """
    renamed = {}
    place = number = 0
    for _, count in BLOCKS:
        for _ in range(count):
            for part in ("weight", "bias"):
                name = f"features.{place}.{part}"
                if name not in state:
                    raise InputError(f"expected torchvision's VGG19, but {name} is missing")
                renamed[f"convolutions.{number}.{part}"] = state[name]
            place, number = place + 2, number + 1  # a convolution and its rectifier
        place += 1  # pooling
    return renamed
