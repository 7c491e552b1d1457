"""Inception-v3 as FID uses it: the network of 2015-12-05 with the pooling of its TensorFlow graph.

Names of the parts are those of the usual weights `pt_inception-2015-12-05-6726825d.pth` (pytorch-fid, torch-fidelity),
so that their state dict loads as it is. Written out here because those libraries need torchvision.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.files import sha256_of
from pdfgc.state_dicts import load_weights

FEATURE = 2048
SIDE = 299

KNOWN_SHA256_PREFIX = "6726825d"
"""Beginning of the SHA-256 of the usual weights; it stands in their name."""


class Conv(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inside, H, W]` to `[B, outside, H', W']`."""
        return F.relu(self.bn(self.conv(x)))


def _row(inside: int, outside: int, length: int) -> Conv:
    """1 x `length`, the map's size kept."""
    return Conv(inside, outside, (1, length), padding=(0, length // 2))


def _column(inside: int, outside: int, length: int) -> Conv:
    """`length` x 1, the map's size kept."""
    return Conv(inside, outside, (length, 1), padding=(length // 2, 0))


def _average(x: Tensor) -> Tensor:
    """Mean of 3 x 3, the border's own pixels only (as TensorFlow pads)."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class BlockA(nn.Module):
    """35 x 35 maps; `pool` channels from the pooled branch."""

    def __init__(self, inside: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inside, 64, 1)
        self.branch5x5_1 = Conv(inside, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(inside, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(inside, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inside, 35, 35]` to `[B, 224 + pool, 35, 35]`."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(_average(x))], 1)


class BlockB(nn.Module):
    """35 x 35 to 17 x 17 maps."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(inside, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(inside, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inside, 35, 35]` to `[B, inside + 480, 17, 17]`."""
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, F.max_pool2d(x, 3, 2)], 1)


class BlockC(nn.Module):
    """17 x 17 maps, with 7 x 7 convolutions taken apart."""

    def __init__(self, inside: int, middle: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inside, 192, 1)
        self.branch7x7_1 = Conv(inside, middle, 1)
        self.branch7x7_2 = _row(middle, middle, 7)
        self.branch7x7_3 = _column(middle, 192, 7)
        self.branch7x7dbl_1 = Conv(inside, middle, 1)
        self.branch7x7dbl_2 = _column(middle, middle, 7)
        self.branch7x7dbl_3 = _row(middle, middle, 7)
        self.branch7x7dbl_4 = _column(middle, middle, 7)
        self.branch7x7dbl_5 = _row(middle, 192, 7)
        self.branch_pool = Conv(inside, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inside, 17, 17]` to `[B, 768, 17, 17]`."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_average(x))], 1)


class BlockD(nn.Module):
    """17 x 17 to 8 x 8 maps."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(inside, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(inside, 192, 1)
        self.branch7x7x3_2 = _row(192, 192, 7)
        self.branch7x7x3_3 = _column(192, 192, 7)
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inside, 17, 17]` to `[B, inside + 512, 8, 8]`."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class BlockE(nn.Module):
    """8 x 8 maps; the last one pools by the greatest value, the one before by the mean."""

    def __init__(self, inside: int, *, last: bool) -> None:
        super().__init__()
        self.last = last
        self.branch1x1 = Conv(inside, 320, 1)
        self.branch3x3_1 = Conv(inside, 384, 1)
        self.branch3x3_2a = _row(384, 384, 3)
        self.branch3x3_2b = _column(384, 384, 3)
        self.branch3x3dbl_1 = Conv(inside, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = _row(384, 384, 3)
        self.branch3x3dbl_3b = _column(384, 384, 3)
        self.branch_pool = Conv(inside, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, inside, 8, 8]` to `[B, 2048, 8, 8]`."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, 1, 1) if self.last else _average(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class FIDInception(nn.Module):
    """Pictures to the 2048 pooled features whose statistics FID compares."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b, self.Mixed_6c = BlockC(768, 128), BlockC(768, 160)
        self.Mixed_6d, self.Mixed_6e = BlockC(768, 160), BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b, self.Mixed_7c = BlockE(1280, last=False), BlockE(2048, last=True)
        self.fc = nn.Linear(FEATURE, 1008)  # part of the weights' file; FID does not look at it
        self.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """`[B, 3, H, W]` in 0..255 to `[B, 2048]`, resized bilinearly to 299 px as pytorch-fid does."""
        x = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", align_corners=False)
        x = x / 127.5 - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))


def load_inception(path: Path) -> FIDInception:
    """The network with weights of a file, read without running any code that it may carry.

    Args:
        path: `pt_inception-2015-12-05-6726825d.pth` (github.com/mseitzer/pytorch-fid, release `fid_weights`).

    Raises:
        InputError: no such file, or other content than a state dict of these very weights.
    """
    network = FIDInception()
    load_weights(network, path, "FID's Inception weights")
    return network.eval()


def is_published(path: Path) -> bool:
    """Whether a file is the usual one, by the checksum that stands in its name."""
    return sha256_of(path).startswith(KNOWN_SHA256_PREFIX)
