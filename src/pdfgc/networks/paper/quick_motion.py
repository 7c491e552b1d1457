"""E_mot's trunk laid out for looking at many pictures on a processor, fast.

The same sums as `MotionTrunk.forward` in evaluation, in an order that costs less: 3 x 3 convolutions go Winograd's way
(`winograd`), normalise and rectify what they read while they read it, and write where their outputs stand side by side;
convolutions of one pixel are matrix products, onto the map that they are added to. Maps lie channels-last.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.networks.paper.motion import Hourglass, MotionTrunk, ResidualBlock
from pdfgc.networks.winograd import PointwiseConv, WinogradConv, best_steps
from pdfgc.networks.winograd_compiled import CompiledSteps
from pdfgc.networks.winograd_steps import Start

_QUICK_SIDE = 8
"""Pixels of a map's side from which on Winograd's way pays: a tile reaches far beyond smaller ones, and fetching seven
times as many weights costs more than the sums."""


class QuickTrunk:
    """A trunk's weights made ready to look.

    Args:
        trunk: in float32 on the CPU and in evaluation. Most of its weights are copied; layers that are fast as they
            are stay its own.
    """

    def __init__(self, trunk: MotionTrunk) -> None:
        with torch.no_grad():
            self._first = _folded(trunk.conv1, trunk.bn1)
            self._before = _Block(trunk.conv2)
            self._between = [_Block(trunk.conv3), _Block(trunk.conv4)]
            self._hourglass = _Hourglass(trunk.m0, trunk.size // 4)
            self._after = _Block(trunk.top_m_0)
            self._last, self._last_bias = _pointwise(*_folded(trunk.conv_last0, trunk.bn_end0))
            self._heat_maps, self._heat_maps_bias = _pointwise(*_folded(trunk.l0, trunk.bn5))
        self._conv6, self._fc = trunk.conv6, trunk.fc

    @staticmethod
    def pays() -> bool:
        """Whether it is faster than the trunk itself: where Winograd's steps are compiled."""
        return isinstance(best_steps(), CompiledSteps)

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """As `MotionTrunk.forward`: `[B, 3, S, S]` in -1..1 to `[B, feature]`."""
        x = F.relu_(F.conv2d(pictures, *self._first, stride=2, padding=3))
        x = _halved(self._before(_channels_last(x)))
        for block in self._between:
            x = block(x)
        x = self._after(self._hourglass(x))
        for convolution, bias in ((self._last, self._last_bias), (self._heat_maps, self._heat_maps_bias)):
            x = F.relu_(convolution(x).add_(bias))
        x = self._conv6(x.permute(0, 3, 1, 2))
        feature: Tensor = self._fc(F.relu(x.flatten(1)))
        return feature


class _Block:
    """As `motion.ResidualBlock`, `[B, H, W, in]` to `[B, H, W, out]`."""

    def __init__(self, block: ResidualBlock) -> None:
        self._convolutions = [
            (WinogradConv(convolution.weight), _start(norm), len(convolution.weight))
            for norm, convolution in (
                (block.bn1, block.conv1),
                (block.bn2, block.conv2),
                (block.bn3, block.conv3),
            )
        ]
        self._outputs = sum(width for _, _, width in self._convolutions)
        self._shortcut = None if len(block.downsample) == 0 else _Shortcut(block.downsample)

    def __call__(self, x: Tensor) -> Tensor:
        out = x.new_empty(*x.shape[:3], self._outputs)
        read, first = x, 0
        for convolution, start, width in self._convolutions:
            read = convolution(read, start, out=out[..., first : first + width])
            first += width
        return out.add_(x if self._shortcut is None else self._shortcut(x))


class _Shortcut:
    """Normalisation, rectifier, and a convolution of one pixel."""

    def __init__(self, layers: nn.Sequential) -> None:
        norm, _, convolution = layers
        self._scale, self._shift = _affine(norm)  # type: ignore[arg-type]
        self._convolution = PointwiseConv(convolution.get_parameter("weight"))

    def __call__(self, x: Tensor) -> Tensor:
        return self._convolution(F.relu_(torch.addcmul(self._shift, x, self._scale)))


class _Hourglass:
    """As `motion.Hourglass`, of `[B, side, side, C]`."""

    def __init__(self, hourglass: Hourglass, side: int) -> None:
        self._levels = []
        for level in range(1, hourglass.depth + 1):
            outer = side >> (hourglass.depth - level)
            branches = (("b1", outer), ("b2", outer // 2), ("b3", outer // 2))
            self._levels.append([_ready(hourglass.branch(name, level), of) for name, of in branches])
        self._innermost = _ready(hourglass.b2_plus_1, side >> hourglass.depth)

    def __call__(self, x: Tensor) -> Tensor:
        return self._down_and_up(len(self._levels), x)

    def _down_and_up(self, level: int, x: Tensor) -> Tensor:
        past, before, after = self._levels[level - 1]
        low = before(_halved(x))
        low = after(self._down_and_up(level - 1, low) if level > 1 else self._innermost(low))
        up = F.interpolate(low.permute(0, 3, 1, 2), size=x.shape[1:3], mode="bilinear")
        return past(x).add_(_channels_last(up))


def _ready(block: ResidualBlock, side: int) -> Callable[[Tensor], Tensor]:
    """A block as is fastest for maps of a side, `[B, side, side, in]` to `[B, side, side, out]`."""
    if side >= _QUICK_SIDE:
        return _Block(block)
    return lambda x: _channels_last(block(x.permute(0, 3, 1, 2)))


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution and the normalisation after it in one."""
    scale, shift = _affine(norm)
    assert convolution.bias is not None
    weight = convolution.weight * scale[:, None, None, None]
    return weight.contiguous(memory_format=torch.channels_last), torch.addcmul(shift, convolution.bias, scale)


def _pointwise(weight: Tensor, bias: Tensor) -> tuple[PointwiseConv, Tensor]:
    return PointwiseConv(weight), bias


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a normalisation multiplies by and adds in evaluation, `[C]` each."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


def _start(norm: nn.BatchNorm2d) -> Start:
    scale, shift = _affine(norm)
    return Start(scale[None], shift)


def _halved(x: Tensor) -> Tensor:
    """The greatest of every four pixels of `[B, H, W, C]`."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    corners = [x[:, down:height:2, across:width:2] for down in (0, 1) for across in (0, 1)]
    return torch.maximum(torch.maximum(*corners[:2]), torch.maximum(*corners[2:]))


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
