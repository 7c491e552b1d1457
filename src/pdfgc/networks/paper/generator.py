"""G: StyleGAN2 (Karras et al., CVPR 2020) that starts from the appearance map and takes its style as it is (spec 2).

The style is not mapped: it is W itself, and the same for all layers. Modulation is done on the activations: scaling a
convolution's inputs by the style and its outputs by the demodulation is the same as one set of weights per sample,
and lets all samples share one convolution. Layers are named as in the authors' release.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (512, 512, 512, 512, 256, 128)
"""Of the maps from 7 to 224 pixels, as published."""

STYLE = 2590
"""Appearance vector and motion codes side by side."""

_SLOPE, _GAIN = 0.2, math.sqrt(2)
_EPS = 1e-8
_BLUR = (1.0, 3.0, 3.0, 1.0)


class Generator(nn.Module):
    """Paints pictures.

    Args:
        style: size of the style.
        channels: of the maps, one entry per scale, coarse to fine; the map that it starts from has the first.
        start: side of the map that it starts from in pixels; each scale doubles it.

    Attributes:
        size: side of the pictures in pixels.
    """

    def __init__(self, *, style: int = STYLE, channels: Sequence[int] = CHANNELS, start: int = 7) -> None:
        super().__init__()
        self.size = start << (len(channels) - 1)
        self.conv1 = _StyledConv(channels[0], channels[0], style, up=False)
        self.to_rgb1 = _ToPicture(channels[0], style)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        self.noises = nn.Module()
        self.noises.register_buffer("noise_0", standard_normal(1, 1, start, start))
        for number, (before, after) in enumerate(pairwise(channels)):
            self.convs.append(_StyledConv(before, after, style, up=True))
            self.convs.append(_StyledConv(after, after, style, up=False))
            self.to_rgbs.append(_ToPicture(after, style))
            side = start << (number + 1)
            for index in (2 * number + 1, 2 * number + 2):
                self.noises.register_buffer(f"noise_{index}", standard_normal(1, 1, side, side))

    def forward(self, start: Tensor, style: Tensor) -> Tensor:
        """Paints.

        The noise is fresh in training and the stored one otherwise, so pictures are repeatable. (The authors draw it
        at the first call and keep it for the video.)

        Args:
            start: `[B, channels[0], start, start]`, the appearance map.
            style: `[B, style]`.

        Returns:
            `[B, 3, size, size]` in -1..1.
        """
        x = self.conv1(start, style, self._noise(0))
        picture = self.to_rgb1(x, style)
        for number, to_rgb in enumerate(self.to_rgbs):
            for index in (2 * number, 2 * number + 1):
                x = self.convs[index](x, style, self._noise(index + 1))
            picture = to_rgb(x, style) + double(picture)
        return torch.tanh(picture)

    def _noise(self, index: int) -> Tensor:
        stored = self.noises.get_buffer(f"noise_{index}")
        return torch.randn_like(stored) if self.training else stored


class _Modulation(nn.Module):
    """Style to a scale per channel: a linear layer at an equalised learning rate."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(standard_normal(channels, style))
        self.bias = nn.Parameter(torch.ones(channels))

    def forward(self, style: Tensor) -> Tensor:
        return F.linear(style, self.weight * self.weight.shape[1] ** -0.5, self.bias)


class ModulatedConv(nn.Module):
    """A convolution whose weights the style scales, by scaling its input and its output.

    Args:
        inputs: channels.
        outputs: channels.
        style: size of the style.
        side: of the kernel.
        demodulate: brings every output channel back to unit deviation.
        up: doubles the map: a transposed convolution, then a blur.
    """

    def __init__(
        self, inputs: int, outputs: int, style: int, *, side: int, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(standard_normal(1, outputs, inputs, side, side))
        self.modulation = _Modulation(style, inputs)
        self.demodulate = demodulate
        self.up = up

    def forward(self, x: Tensor, style: Tensor, gain: float = 1.0) -> Tensor:
        """`[B, inputs, H, W]` and `[B, style]` to `[B, outputs, H, W]`, twice the side where it doubles.

        Under autocast maps stay in 16 bits, and what scales them is rounded to these as well.

        Args:
            x, style: as above.
            gain: what a demodulated result is multiplied by; without demodulation there is none.
        """
        weight = self.scaled_weight()
        scale = self.modulation(style)
        x = x * scale.to(x.dtype)[:, :, None, None]
        if self.up:
            x = blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), pad=(1, 1))
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            power = F.linear(scale.square(), weight.square().sum((2, 3)))
            x = x * (gain * (power + _EPS).rsqrt()).to(x.dtype)[:, :, None, None]
        return x

    def scaled_weight(self) -> Tensor:
        """`[outputs, inputs, side, side]` at the equalised learning rate's scale."""
        weight = self.weight[0]
        return weight * weight[0].numel() ** -0.5


class _StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, style: int, *, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, style, side=3, up=up)
        self.noise = _NoiseWeight()
        self.activate = _Bias(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        # The rectifier's gain comes before it: maps are gone through once less.
        x = self.conv(x, style, gain=_GAIN)
        for added in (self.noise.weight * noise, self.activate.bias):
            x = x.add_((_GAIN * added).to(x.dtype))
        return F.leaky_relu_(x, _SLOPE)


class _ToPicture(nn.Module):
    """A map to red, green and blue, modulated and not demodulated."""

    def __init__(self, inputs: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, style, side=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return self.conv(x, style) + self.bias


class _NoiseWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class _Bias(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))


def standard_normal(*shape: int) -> Tensor:
    """As `torch.randn`; where tensors are only described (device `meta`), without drawing numbers.

    For describing drawn numbers torch imports parts of its compiler, which takes longer than reading the weights that
    come in their place.
    """
    numbers = torch.empty(shape)
    return numbers if numbers.is_meta else numbers.normal_()


def blur_kernel(like: Tensor) -> Tensor:
    """`[4, 4]` binomial low pass for doubled maps: it sums to 4, so that zeros in between cost no brightness."""
    line = like.new_tensor(_BLUR)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum() * 4


def blur(x: Tensor, *, pad: tuple[int, int]) -> Tensor:
    """Every channel of `[B, C, H, W]` under `blur_kernel`, with `pad` zeros before and after."""
    channels = x.shape[1]
    before, after = pad
    kernel = blur_kernel(x).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=channels)


def double(picture: Tensor) -> Tensor:
    """`[B, C, H, W]` at twice the side: zeros in between, then the low pass."""
    batch, channels, height, width = picture.shape
    spread = picture.new_zeros(batch, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = picture
    return blur(spread.reshape(batch, channels, 2 * height, 2 * width), pad=(2, 1))
