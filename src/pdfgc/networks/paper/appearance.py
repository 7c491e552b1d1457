"""E_app: who is seen, as a vector and as a map that the generator starts from (spec 2).

ResNeXt50-32x4d in the authors' release, ResNet50 in the paper (He et al. 2016, Xie et al. 2017); layers are named as in
the release, without its two classifiers, which inference never uses.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

AppearanceKind = Literal["resnext50", "resnet50"]

_BLOCKS = (3, 4, 6, 3)
_EXPANSION = 4
_GROUPS = {"resnext50": 32, "resnet50": 1}
_WIDENING = {"resnext50": 2, "resnet50": 1}
"""How many times wider the grouped 3x3 convolutions are than ResNet50's."""


class AppearanceEncoder(nn.Module):
    """A portrait's vector and map.

    Args:
        kind: `resnext50` as released or `resnet50` as in the paper.
        width: channels after the first convolution; 64 is the published one, at which the vector has 2048 entries.
        map_channels: of the map.
    """

    def __init__(
        self, kind: AppearanceKind = "resnext50", *, width: int = 64, map_channels: int = 512
    ) -> None:
        super().__init__()
        self.model = _ResNet(kind, width)
        self.conv1x1 = nn.Conv2d(self.vector_size(width), map_channels, 1)

    @staticmethod
    def vector_size(width: int) -> int:
        """Entries of the vector of an encoder of a width."""
        return width * 8 * _EXPANSION

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, 3, S, S]` in -1..1 to vectors `[B, 32 width]` and maps `[B, map_channels, S/32, S/32]`."""
        last = self.model(pictures)
        return last.mean((2, 3)), self.conv1x1(last)


class _ResNet(nn.Module):
    def __init__(self, kind: AppearanceKind, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        outputs = [(width << number) * _EXPANSION for number in range(len(_BLOCKS))]
        self.layer1 = _layer(kind, _BLOCKS[0], width, outputs[0], stride=1)
        self.layer2 = _layer(kind, _BLOCKS[1], outputs[0], outputs[1], stride=2)
        self.layer3 = _layer(kind, _BLOCKS[2], outputs[1], outputs[2], stride=2)
        self.layer4 = _layer(kind, _BLOCKS[3], outputs[2], outputs[3], stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def _layer(kind: AppearanceKind, blocks: int, inputs: int, outputs: int, *, stride: int) -> nn.Sequential:
    middle = outputs // _EXPANSION * _WIDENING[kind]
    groups = min(_GROUPS[kind], middle)
    first = _Bottleneck(inputs, middle, outputs, stride=stride, groups=groups)
    rest = [_Bottleneck(outputs, middle, outputs, stride=1, groups=groups) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, middle: int, outputs: int, *, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, middle, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))
