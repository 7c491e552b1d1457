"""The generator written the slow, obvious way: one set of weights per sample, float32; an oracle for the real one."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.paper.generator import Generator, ModulatedConv


def paint(generator: Generator, start: Tensor, style: Tensor) -> Tensor:
    """What `generator.eval()` paints: `[B, 3, S, S]`."""
    state = generator.state_dict(keep_vars=True)
    x, picture = start, torch.zeros(())
    for index in range(len(generator.convs) + 1):
        name = f"convs.{index - 1}" if index else "conv1"
        layer = generator.get_submodule(name)
        x = modulated(layer.get_submodule("conv"), x, style)  # type: ignore[arg-type]
        x = (
            x
            + state[f"{name}.noise.weight"] * state[f"noises.noise_{index}"]
            + state[f"{name}.activate.bias"]
        )
        x = F.leaky_relu(x, 0.2) * math.sqrt(2)
        if index % 2 == 0:
            name = f"to_rgbs.{index // 2 - 1}" if index else "to_rgb1"
            colours = modulated(generator.get_submodule(f"{name}.conv"), x, style)  # type: ignore[arg-type]
            colours = colours + state[f"{name}.bias"]
            picture = colours + upsampled(picture) if index else colours
    return torch.tanh(picture)


def modulated(conv: ModulatedConv, x: Tensor, style: Tensor) -> Tensor:
    """Weights of every sample, demodulated, then a grouped convolution with a group per sample."""
    batch, inputs, height, width = x.shape
    _, outputs, _, side, _ = conv.weight.shape
    modulation = conv.modulation
    scale = style @ modulation.weight.T / math.sqrt(style.shape[1]) + modulation.bias
    weight = conv.weight / math.sqrt(inputs * side * side) * scale[:, None, :, None, None]
    if conv.demodulate:
        weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    x = x.reshape(1, batch * inputs, height, width)
    if conv.up:
        weight = weight.transpose(1, 2).reshape(batch * inputs, outputs, side, side)
        x = F.conv_transpose2d(x, weight, stride=2, groups=batch)
        x = x.reshape(batch, outputs, 2 * height + 1, 2 * width + 1)
        return filtered(F.pad(x, (1, 1, 1, 1)))
    x = F.conv2d(x, weight.reshape(batch * outputs, inputs, side, side), padding=side // 2, groups=batch)
    return x.reshape(batch, outputs, height, width)


def upsampled(picture: Tensor) -> Tensor:
    """Zeros after every pixel of every line, then the low pass."""
    batch, channels, height, width = picture.shape
    spread = picture.new_zeros(batch, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = picture
    return filtered(F.pad(spread, (2, 1, 2, 1)))


def filtered(x: Tensor) -> Tensor:
    """`[B, C, H, W]` under the binomial low pass of 4 x 4 taps, without padding."""
    line = x.new_tensor([1.0, 3.0, 3.0, 1.0]) / 4
    kernel = (line[:, None] * line)[None, None]
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, 4, 4), groups=channels)
