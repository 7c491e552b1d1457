"""E_mot and its four heads: a picture to the unified motion feature and from it to the factors (spec 2).

The trunk is a face alignment network (Bulat and Tzimiropoulos, ICCV 2017) with one hourglass, whose 68 heat-maps become
512 numbers. Layers are named as in the authors' release.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = {"lips": "mouth", "expression": "emo", "eyes": "eye", "pose": "headpose"}
"""The factors, and what the release calls their layers."""


class MotionTrunk(nn.Module):
    """The unified motion feature of a picture.

    Args:
        size: side of the pictures in pixels, a multiple of 8.
        channels: of the hourglass.
        landmarks: heat-maps.
        feature: size of the feature.
        depth: halvings inside the hourglass.

    Attributes:
        size: as given.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        channels: int = 256,
        landmarks: int = 68,
        feature: int = 512,
        depth: int = 4,
    ) -> None:
        super().__init__()
        self.size = size
        self.conv1 = nn.Conv2d(3, channels // 4, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(channels // 4)
        self.conv2 = ResidualBlock(channels // 4, channels // 2)
        self.conv3 = ResidualBlock(channels // 2, channels // 2)
        self.conv4 = ResidualBlock(channels // 2, channels)
        self.m0 = Hourglass(channels, depth)
        self.top_m_0 = ResidualBlock(channels, channels)
        self.conv_last0 = nn.Conv2d(channels, channels, 1)
        self.bn_end0 = nn.BatchNorm2d(channels)
        self.l0 = nn.Conv2d(channels, landmarks, 1)
        self.bn5 = nn.BatchNorm2d(landmarks)
        self.conv6 = nn.Conv2d(landmarks, 1, 3, stride=2, padding=1)
        self.fc = nn.Linear((size // 8) ** 2, feature)

    def forward(self, pictures: Tensor) -> Tensor:
        """`[B, 3, S, S]` in -1..1 to `[B, feature]`."""
        x = F.relu_(self.bn1(self.conv1(pictures)))
        x = F.max_pool2d(self.conv2(x), 2)
        x = self.top_m_0(self.m0(self.conv4(self.conv3(x))))
        heat_maps = self.l0(F.relu_(self.bn_end0(self.conv_last0(x))))
        x = self.conv6(F.relu_(self.bn5(heat_maps)))
        feature: Tensor = self.fc(F.relu(x.flatten(1)))
        return feature


class MotionEncoder(nn.Module):
    """The trunk and a head per factor.

    Args:
        trunk: makes the unified motion feature.
        codes: size of each factor's code, `{"lips": 500, ...}`.
        feature: size of the trunk's feature and of the heads' layers.
    """

    def __init__(self, trunk: MotionTrunk, codes: dict[str, int], *, feature: int = 512) -> None:
        super().__init__()
        self.model = trunk
        for factor, name in HEADS.items():
            setattr(self, f"to_{name}", _head(feature))
            setattr(self, f"{name}_embed", nn.Sequential(nn.ReLU(), nn.Linear(feature, codes[factor])))

    def head(self, factor: str, motion: Tensor) -> Tensor:
        """A head's own feature `[B, feature]` of the motion feature; that of the lips is the contrastive one."""
        feature: Tensor = self.get_submodule(f"to_{HEADS[factor]}")(motion)
        return feature

    def embed(self, factor: str, feature: Tensor) -> Tensor:
        """A factor's code `[B, D]` of its head's feature."""
        code: Tensor = self.get_submodule(f"{HEADS[factor]}_embed")(feature)
        return code

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """`[B, 3, S, S]` in -1..1 to `{factor: [B, D]}`."""
        return self.codes(self.model(pictures))

    def codes(self, motion: Tensor) -> dict[str, Tensor]:
        """The motion feature `[B, feature]` to `{factor: [B, D]}`."""
        return {factor: self.embed(factor, self.head(factor, motion)) for factor in HEADS}


def _head(feature: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(feature, feature), nn.ReLU(), nn.BatchNorm1d(feature), nn.Linear(feature, feature)
    )


class Hourglass(nn.Module):
    """Halves and restores a map `depth` times, with a branch past each halving."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        for level in range(1, depth + 1):
            for branch in ("b1", "b2", "b3"):
                setattr(self, f"{branch}_{level}", ResidualBlock(channels, channels))
        self.b2_plus_1 = ResidualBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self._down_and_up(self.depth, x)

    def branch(self, name: str, level: int) -> ResidualBlock:
        """Of a level: `b1` past the halving, `b2` before what is inside, `b3` after it."""
        block = self.get_submodule(f"{name}_{level}")
        assert isinstance(block, ResidualBlock)
        return block

    def _down_and_up(self, level: int, x: Tensor) -> Tensor:
        past = self.branch("b1", level)(x)
        low = self.branch("b2", level)(F.max_pool2d(x, 2))
        low = self._down_and_up(level - 1, low) if level > 1 else self.b2_plus_1(low)
        low = self.branch("b3", level)(low)
        return past + F.interpolate(low, size=past.shape[2:], mode="bilinear")


class ResidualBlock(nn.Module):
    """Three convolutions in a row whose outputs stand side by side, with a shortcut; normalised before each."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        widths = (outputs // 2, outputs // 4, outputs // 4)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = _convolution(inputs, widths[0])
        self.bn2 = nn.BatchNorm2d(widths[0])
        self.conv2 = _convolution(widths[0], widths[1])
        self.bn3 = nn.BatchNorm2d(widths[1])
        self.conv3 = _convolution(widths[1], widths[2])
        self.downsample = nn.Sequential()
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(F.relu_(self.bn1(x)))
        second = self.conv2(F.relu_(self.bn2(first)))
        third = self.conv3(F.relu_(self.bn3(second)))
        return torch.cat([first, second, third], 1) + self.downsample(x)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
