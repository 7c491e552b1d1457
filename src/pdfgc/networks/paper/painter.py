"""The generator laid out for painting many frames of one portrait, fast.

The same sums as `Generator.forward` in evaluation, in an order that costs less:

- styles of all layers come from one matrix product per batch, in float32, and so do the demodulations (the sum over a
  kernel's taps of its squared weights is kept);
- the rectifier's gain, noise and biases are folded into constants, and steps on a map are done in place;
- float32 convolutions are done on a CPU with a quarter or a fifth of the multiplications, 9/16 where they double the
  map (`winograd`), and rectified while a strip of the map is at hand;
- colours are read off a map while it is made, or by one small matrix product per sample, without a scaled copy of it;
- weights and maps lie channels-last, in 16 bits where the device is faster so, except the coarse scales, a tenth of the
  arithmetic, whose rounding errors reach every pixel; colours are summed in float32;
- coarse scales are painted for the whole batch at once, which amortises the weights; fine ones, whose maps are large,
  a few samples at a time, so that they stay in the processor's caches and the allocator's reach (larger blocks are
  fetched from the system and given back every time, a page fault for every 4 kB).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.paper.generator import Generator, ModulatedConv, blur_kernel, double
from pdfgc.networks.winograd import WinogradConv, WinogradDoubling
from pdfgc.networks.winograd_steps import Finish, Readout, Start

_SLOPE, _GAIN = 0.2, 2**0.5
_EPS = 1e-8

_COARSE_SIDE = 28
"""Side in pixels up to which scales are painted in float32. With bfloat16 everywhere pictures were 43 dB from
float32's, so 48 to 51."""

_QUICK_SIDE, _QUICK_CHANNELS = 14, 64
"""From these sizes on Winograd's way costs less than the plain one; of 7 pixels, for one sample, fetching its weights
costs more than it saves."""


@dataclass(frozen=True)
class _Layer:
    """A styled convolution, its constants folded."""

    weight: Tensor
    """`[out, in, 3, 3]`; `[in, out, 3, 3]` where it doubles the map; empty where `quick` stands for it."""
    quick: WinogradConv | WinogradDoubling | None
    """The same convolution in its place."""
    power: Tensor
    """`[out, in]` float32: squared weights summed over the taps."""
    bias: Tensor
    """`[out]` float32, times the rectifier's gain."""
    noise: Tensor
    """`[S, S]` float32, the same for all channels, times the rectifier's gain."""
    constant: Tensor
    """`[1, out, S, S]`: noise and bias together; empty where `quick` stands for the convolution."""
    style: slice
    """Where its scales stand among all layers' scales."""
    up: bool


@dataclass(frozen=True)
class _Colours:
    """The layer that reads the colours off a map."""

    weight: Tensor
    """`[3, in]` float32."""
    bias: Tensor
    """`[1, 3, 1, 1]` float32."""
    style: slice


class Painter:
    """A generator's weights made ready to paint.

    Args:
        generator: on its device; a copy of its weights is taken.
        dtype: of weights and maps of all but the coarse scales; float32, or what the device computes faster in.
        room: bytes that a map may take; of scales with larger ones fewer samples are painted at a time. 0 for no limit.
    """

    def __init__(self, generator: Generator, dtype: torch.dtype = torch.float32, *, room: int = 0) -> None:
        self.dtype = dtype
        self.room = room
        self._scales: list[tuple[Tensor, Tensor]] = []
        self._length = 0
        with torch.inference_mode():
            styled = [generator.conv1, *generator.convs]
            coloured = [generator.to_rgb1, *generator.to_rgbs]
            self._layers = [self._layer(layer, index, generator) for index, layer in enumerate(styled)]
            self._colours = [self._colour(layer) for layer in coloured]
            self._modulation = torch.cat([weight for weight, _ in self._scales])
            self._modulation_bias = torch.cat([bias for _, bias in self._scales])
            self._blur = blur_kernel(generator.conv1.activate.bias)

    def _modulate(self, conv: ModulatedConv) -> slice:
        weight = conv.modulation.weight
        self._scales.append((weight * weight.shape[1] ** -0.5, conv.modulation.bias))
        part = slice(self._length, self._length + len(weight))
        self._length = part.stop
        return part

    def _layer(self, layer: torch.nn.Module, index: int, generator: Generator) -> _Layer:
        conv: ModulatedConv = layer.conv  # type: ignore[assignment]
        weight = conv.scaled_weight()
        bias: Tensor = layer.get_parameter("activate.bias")
        noise = generator.noises.get_buffer(f"noise_{index}")[0, 0]
        laid_out = weight.transpose(0, 1) if conv.up else weight
        dtype = torch.float32 if noise.shape[-1] <= _COARSE_SIDE else self.dtype
        quick: WinogradConv | WinogradDoubling | None = None
        if dtype == torch.float32 and _is_quick(weight, noise.shape[-1]):
            quick = WinogradDoubling(laid_out) if conv.up else WinogradConv(weight)
            laid_out = laid_out[:0]
        noise, bias = layer.get_parameter("noise.weight") * noise * _GAIN, bias * _GAIN
        constant = (noise + bias)[:, : 0 if quick else None]
        return _Layer(
            weight=laid_out.to(dtype).contiguous(memory_format=torch.channels_last),
            quick=quick,
            power=weight.square().sum((2, 3)),
            bias=bias.flatten(),
            noise=noise,
            constant=constant.to(dtype).contiguous(memory_format=torch.channels_last),
            style=self._modulate(conv),
            up=conv.up,
        )

    def _colour(self, layer: torch.nn.Module) -> _Colours:
        conv: ModulatedConv = layer.conv  # type: ignore[assignment]
        return _Colours(conv.scaled_weight()[:, :, 0, 0], layer.get_parameter("bias"), self._modulate(conv))

    @torch.inference_mode()
    def __call__(self, start: Tensor, style: Tensor) -> Tensor:
        """Paints.

        Args:
            start: `[1 or B, C, side, side]`, the appearance map.
            style: `[B, style]`.

        Returns:
            `[B, 3, size, size]` float32 in -1..1.
        """
        scales = self._modulated(style)
        x = start.expand(len(style), -1, -1, -1).clone(memory_format=torch.channels_last)
        x, picture = self._convolve_and_read(0, x, scales)
        return torch.tanh(self._finer(1, x, picture, scales))

    def _modulated(self, style: Tensor) -> Tensor:
        """All layers' scales `[B, scales]`.

        The weights come first in the product: a few rows times many columns take a processor twice as long.
        """
        scales = torch.addmm(self._modulation_bias[:, None], self._modulation, style.T)
        return scales.T.contiguous()

    def _finer(self, scale: int, x: Tensor, picture: Tensor, scales: Tensor) -> Tensor:
        """The picture at full size of the map and the picture of the scale before `scale`."""
        if scale == len(self._colours):
            return picture
        few = self._at_once(scale, x.shape[-1])
        if len(x) > few:
            parts = zip(x.split(few), picture.split(few), scales.split(few), strict=True)
            return torch.cat([self._finer(scale, *part) for part in parts])
        x = self._convolve(self._layers[2 * scale - 1], x, scales)
        x, colours = self._convolve_and_read(scale, x, scales)
        return self._finer(scale + 1, x, double(picture).add_(colours), scales)

    def _at_once(self, scale: int, side: int) -> int:
        """Samples that are painted together at a scale, whose layer doubles maps of a side."""
        if not self.room:
            return sys.maxsize
        layer = self._layers[2 * scale - 1]
        widest = len(layer.bias) * (2 * side + 1) ** 2 * layer.weight.element_size()
        return max(1, self.room // widest)

    def _convolve(self, layer: _Layer, x: Tensor, scales: Tensor) -> Tensor:
        """One styled convolution of `[B, in, H, W]`, which may be overwritten."""
        if layer.quick is not None:
            return layer.quick(*_quick_inputs(layer, x, scales)).permute(0, 3, 1, 2)
        scale = scales[:, layer.style]
        gain = _gain(layer, scale)
        x = x.to(layer.weight.dtype)
        x = x.mul_(scale[:, :, None, None].to(x))
        if layer.up:
            x = self._low_pass(F.conv_transpose2d(x, layer.weight, stride=2))
        else:
            x = F.conv2d(x, layer.weight, padding=1)
        # one rounding for product and sum together
        torch.addcmul(layer.constant, x, gain[:, :, None, None].to(x), out=x)
        return F.leaky_relu_(x, _SLOPE)

    def _low_pass(self, x: Tensor) -> Tensor:
        """A doubled map `[B, C, 2 H + 1, 2 W + 1]` to `[B, C, 2 H, 2 W]`."""
        return F.conv2d(x, self._blur.to(x).expand(x.shape[1], 1, 4, 4), padding=1, groups=x.shape[1])

    def _convolve_and_read(self, number: int, x: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """The second layer of a scale: its map, and the colours read off that, `[B, 3, H, W]` float32.

        The last scale's map is needed for its colours alone; where it need not be made, what comes back is empty.
        """
        layer, colours = self._layers[2 * number], self._colours[number]
        weight = scales[:, None, colours.style] * colours.weight
        if isinstance(layer.quick, WinogradConv):
            inputs = _quick_inputs(layer, x, scales)
            sums = x.new_zeros(len(x), *x.shape[2:], len(colours.weight), dtype=torch.float32)
            if number == len(self._colours) - 1:
                layer.quick.read(*inputs, Readout(weight, sums))
                x = x[:0]
            else:
                x = layer.quick(*inputs, readout=Readout(weight, sums)).permute(0, 3, 1, 2)
        else:
            x = self._convolve(layer, x, scales)
            flat = x.permute(0, 2, 3, 1).flatten(1, 2)
            sums = torch.bmm(flat, weight.to(x).transpose(1, 2)).float().unflatten(1, x.shape[2:])
        return x, sums.permute(0, 3, 1, 2) + colours.bias


def _gain(layer: _Layer, scale: Tensor) -> Tensor:
    """What a layer's outputs are multiplied by, `[B, out]`: demodulation and the rectifier's gain."""
    return (F.linear(scale.square(), layer.power) + _EPS).rsqrt() * _GAIN


def _quick_inputs(layer: _Layer, x: Tensor, scales: Tensor) -> tuple[Tensor, Start, Finish]:
    """What Winograd's way takes, of `[B, in, H, W]` that lies channels-last and stays as it is."""
    scale = scales[:, layer.style]
    finish = Finish(_gain(layer, scale), layer.bias, noise=layer.noise, slope=_SLOPE)
    return x.float().permute(0, 2, 3, 1), Start(scale), finish


def _is_quick(weight: Tensor, side: int) -> bool:
    """Whether Winograd's way pays for a layer `[out, in, 3, 3]` that makes maps of a side."""
    wide = min(weight.shape[:2]) >= _QUICK_CHANNELS
    return weight.device.type == "cpu" and wide and side >= _QUICK_SIDE
