"""The generator of preset `small` laid out for painting many frames of one portrait on a CPU in float32.

The same sums as `MeshWarpGenerator.forward`, in an order that costs less:

- a convolution of a map that was doubled by repeating its pixels is a transposed one of four taps instead of nine;
- maps that a convolution reads side by side go through convolutions of their own and are never copied together;
- deep 3 x 3 convolutions are done by Winograd's minimal filtering (`winograd.py`);
- features are warped as sums of four rows of a table, which come out channels-last, as convolutions want them;
- the flow inside lips and lids is worked out where there are triangles, not everywhere;
- what has the frame's full size lies in phases (`phases.py`) until the frame is done.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.networks.flow import pixel_centres
from pdfgc.networks.mesh_warp import (
    FLOW_GRID,
    Context,
    FlowNet,
    Flows,
    MeshWarpGenerator,
    Painter,
    PortraitFeatures,
    blend,
    double,
    resize,
    warp,
)
from pdfgc.networks.phases import PHASES, centres_in_phases, double_in_phases, from_phases, in_phases
from pdfgc.networks.sketch import SKETCH_CHANNELS
from pdfgc.networks.winograd import WinogradConv
from pdfgc.networks.winograd_steps import Finish

_SLOPE = 0.1
_WINOGRAD_CHANNELS, _WINOGRAD_SIDE = 96, 16
"""From these sizes on Winograd's way costs less than the plain one."""


class QuickGenerator:
    """A generator made ready to paint.

    Args:
        generator: on the CPU, in float32; its weights may not change afterwards.
    """

    def __init__(self, generator: MeshWarpGenerator) -> None:
        with torch.inference_mode():
            self._flow = _Flow(generator.flow)
            self._painter = _Painter(generator.painter)

    @torch.inference_mode()
    def __call__(
        self,
        portrait: PortraitFeatures,
        flows: Flows,
        source_sketch: Tensor,
        sketches: np.ndarray,
        triangles: np.ndarray,
    ) -> np.ndarray:
        """Paints.

        Args:
            portrait: features of one portrait, batch 1.
            flows: `MeshWarpGenerator.flows` of T frames.
            source_sketch: `[1, SKETCH_CHANNELS, S, S]` of the portrait's mesh, 0..1.
            sketches: `[T, SKETCH_CHANNELS, S, S]` uint8 of the driving meshes.
            triangles: `[T, S, S]` int16 of the driving meshes, see `triangles.draw_triangles`.

        Returns:
            `[T, S, S, 3]` uint8.
        """
        image, source = resize(portrait.image, FLOW_GRID), resize(source_sketch, FLOW_GRID)
        sketch_4, factor = _averaged(sketches, 4), sketches.shape[-1] // FLOW_GRID
        drawn = sketch_4 if factor == 4 else _averaged(sketches, factor)
        offsets, shown = self._flow(image, flows.grid, source, drawn)
        seams = _Seams(triangles, flows.triangles)
        return self._painter(portrait, offsets, shown, sketches, sketch_4, seams)


class _Flow:
    """`FlowNet`."""

    def __init__(self, network: FlowNet) -> None:
        self._network = network
        self._middle = [_Residual(block) for block in network.middle]
        skips = [down.get_parameter("0.weight").shape[1] for down in reversed(network.down)]
        self._up = [_Joined(up, beside=[skip]) for up, skip in zip(network.up, skips, strict=True)]

    def __call__(
        self, image: Tensor, flows: Tensor, source_sketch: Tensor, sketch: Tensor
    ) -> tuple[Tensor, Tensor]:
        image, source_sketch = (part.expand(len(flows), -1, -1, -1) for part in (image, source_sketch))
        looks = [warp(image, guess) for guess in flows.split(2, 1)]
        x = self._network.stem(_side_by_side([*looks, image, 4 * flows, source_sketch, sketch]))
        skips = []
        for down in self._network.down:
            skips.append(x)
            x = down(x)
        for block in self._middle:
            x = block(x)
        for up, skip in zip(self._up, reversed(skips), strict=True):
            x = up(x, skip)
        return self._network.settle(x, flows, sketch)


class _Painter:
    """`mesh_warp.Painter`."""

    def __init__(self, network: Painter) -> None:
        first, *blocks = network.coarse
        wide = len(network.middle[0].get_parameter("0.bias"))
        self._network = network
        self._coarse = first, [_Context(b) if isinstance(b, Context) else _Residual(b) for b in blocks]
        self._middle = (
            _Joined(network.middle[0], beside=[wide, SKETCH_CHANNELS]),
            _Residual(network.middle[1]),
        )
        beside = [wide // 2, PHASES * (SKETCH_CHANNELS + 3)]
        self._fine = _Joined(network.fine[0], beside=beside), _Residual(network.fine[1])

    def __call__(
        self,
        portrait: PortraitFeatures,
        offsets: Tensor,
        shown: Tensor,
        sketches: np.ndarray,
        sketch_4: Tensor,
        seams: _Seams,
    ) -> np.ndarray:
        size = sketches.shape[-1]
        offset_8, offset_4, offset_2 = (resize(offsets, size // divisor) for divisor in (8, 4, 2))
        first, blocks = self._coarse
        coarsest = [_warped(portrait.coarse, offset_8), F.avg_pool2d(sketch_4, 2), resize(shown, size // 8)]
        x = first(_side_by_side(coarsest))
        for block in blocks:
            x = block(x)
        join, block = self._middle
        x = block(join(x, _warped(portrait.middle, offset_4), sketch_4))
        offset_2 = offset_2 + 0.02 * F.pixel_shuffle(self._network.refine(x), 2)
        offset_1 = seams.put(double_in_phases(offset_2))
        pixels = _pixels(portrait.image, offset_1)
        offset_2 = seams.put_first(offset_2)
        join, block = self._fine
        known = _side_by_side([_sketch_in_phases(sketches), pixels.flatten(1, 2)])
        x = block(join(x, _warped(portrait.fine, offset_2), known))
        paint = self._network.paint(x).contiguous().unflatten(1, (4, PHASES))
        frames, _ = blend(paint, pixels, double_in_phases(resize(shown, size // 2)))
        return from_phases(((frames + 1) * 127.5).round_().clamp_(0, 255).byte())


class _Joined:
    """A convolution, rectified, of a map that is to be doubled and of maps beside it.

    Args:
        layer: the convolution over all of them, 3 x 3, and its rectifier.
        beside: channels of the maps beside the first.
    """

    def __init__(self, layer: nn.Module, *, beside: Sequence[int]) -> None:
        weight, bias = layer.get_parameter("0.weight"), layer.get_parameter("0.bias")
        first, *others = weight.split([weight.shape[1] - sum(beside), *beside], 1)
        self._first, self._bias = _doubling(first), bias
        self._others = [other.contiguous(memory_format=torch.channels_last) for other in others]

    def __call__(self, first: Tensor, *others: Tensor) -> Tensor:
        """`[B, C, h, w]` and maps `[B, *, 2 h, 2 w]` to `[B, out, 2 h, 2 w]`."""
        x = F.conv_transpose2d(first, self._first, self._bias, stride=2, padding=1)
        for other, weight in zip(others, self._others, strict=True):
            x += F.conv2d(other.contiguous(memory_format=torch.channels_last), weight, padding=1)
        return F.leaky_relu_(x, _SLOPE)


def _doubling(weight: Tensor) -> Tensor:
    """What `[out, in, 3, 3]` are for a map before its pixels are repeated: `[in, out, 4, 4]` of a transposed one.

    A repeated pixel meets two of the three taps of one neighbour and all but one of its own; along an axis the four
    taps are `c, b + c, a + b, a` of `a, b, c`.
    """
    summed = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.einsum("ka,lb,oiab->iokl", summed, summed, weight).contiguous(
        memory_format=torch.channels_last
    )


class _Residual:
    """`ResidualBlock`."""

    def __init__(self, block: nn.Module) -> None:
        self._block = block
        first, second = (block.get_parameter(f"{name}.weight") for name in ("first.0", "second"))
        self._quick = (
            (WinogradConv(first), WinogradConv(second)) if len(second) >= _WINOGRAD_CHANNELS else None
        )
        self._biases = block.get_parameter("first.0.bias"), block.get_parameter("second.bias")

    def __call__(self, x: Tensor) -> Tensor:
        if self._quick is None or x.shape[-1] < _WINOGRAD_SIDE:
            return self._block(x)
        first, second = self._quick
        x = x.permute(0, 2, 3, 1)
        rectified = first(x, finish=Finish(bias=self._biases[0], slope=_SLOPE))
        return second(rectified, finish=Finish(bias=self._biases[1], added=x)).permute(0, 3, 1, 2)


class _Context:
    """`mesh_warp.Context`."""

    def __init__(self, network: Context) -> None:
        self._network = network
        self._blocks = [_Residual(block) for block in network.blocks]

    def __call__(self, x: Tensor) -> Tensor:
        deep = self._network.down(x)
        for block in self._blocks:
            deep = block(deep)
        return double(self._network.up(deep), "bilinear").add_(x)


class _Seams:
    """The flow inside the triangles, as `triangles.triangle_flow`, where the portrait shows them.

    Args:
        drawn: `[B, S, S]` int16 from `draw_triangles`.
        maps: `[B, 1 + T, 7]` from `triangle_maps`.
    """

    def __init__(self, drawn: np.ndarray, maps: Tensor) -> None:
        phases = in_phases(drawn)
        places = np.flatnonzero(phases)
        frame, place = np.divmod(places, phases[0].size)
        rows = maps[torch.from_numpy(frame), torch.from_numpy(phases.flat[places].astype(np.int64))]
        there = rows[:, 6] > 0.5
        self._frame, self._place = torch.from_numpy(frame)[there], torch.from_numpy(place)[there]
        x, y = centres_in_phases(drawn.shape[-1]).flatten(1)[:, self._place]
        a, b, c, d, e, f, _ = rows[there].unbind(1)
        self._offsets = torch.stack([a * x + b * y + c, d * x + e * y + f], 1)

    def put(self, offsets: Tensor) -> Tensor:
        """Into offsets in phases, `[B, 2, 4, h, w]`, which are overwritten."""
        offsets.flatten(2)[self._frame, :, self._place] = self._offsets
        return offsets

    def put_first(self, offsets: Tensor) -> Tensor:
        """Into offsets `[B, 2, h, w]` of the first phase alone, which are overwritten."""
        first = self._place < offsets[0, 0].numel()
        offsets.flatten(2)[self._frame[first], :, self._place[first]] = self._offsets[first]
        return offsets


def _warped(maps: Tensor, offsets: Tensor) -> Tensor:
    """As `warp`: one portrait's features `[1, C, H, H]` at each pixel of `offsets [B, 2, h, h]`, channels-last."""
    side, (batch, _, height, width) = maps.shape[-1], offsets.shape
    points = pixel_centres(width).permute(2, 0, 1) + offsets
    x, y = ((points + 1) * (side / 2) - 0.5).clamp_(0, side - 1).unbind(1)
    left, top = x.floor(), y.floor()
    right, bottom = (left + 1).clamp_(max=side - 1), (top + 1).clamp_(max=side - 1)
    x, y = x - left, y - top
    places = torch.stack(
        [top * side + left, top * side + right, bottom * side + left, bottom * side + right], -1
    )
    shares = torch.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], -1)
    table = maps[0].permute(1, 2, 0).flatten(0, 1)
    read = F.embedding_bag(places.int().view(-1, 4), table, mode="sum", per_sample_weights=shares.view(-1, 4))
    return read.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _pixels(image: Tensor, offsets: Tensor) -> Tensor:
    """As `warp`: one picture `[1, 3, S, S]` at each pixel of offsets in phases `[B, 2, 4, h, w]`: `[B, 3, 4, h, w]`."""
    points = (centres_in_phases(image.shape[-1]) + offsets).flatten(2, 3)
    image = image.expand(len(offsets), -1, -1, -1)
    read = F.grid_sample(image, points.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    return read.unflatten(2, (PHASES, -1))


def _side_by_side(maps: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.contiguous(memory_format=torch.channels_last) for part in maps], 1)


def _sketch_in_phases(sketches: np.ndarray) -> Tensor:
    """`[T, C, S, S]` uint8 to floats 0..1 `[T, C 4, S/2, S/2]`, channels-last."""
    planes = in_phases(sketches).reshape(len(sketches), -1, sketches.shape[-2] // 2, sketches.shape[-1] // 2)
    together = np.stack([cv2.merge(list(channels)) for channels in planes])
    return _floats(together).permute(0, 3, 1, 2)


def _averaged(sketches: np.ndarray, factor: int) -> Tensor:
    """`[T, C, S, S]` uint8 to floats 0..1 of a side `factor` times smaller."""
    side = sketches.shape[-1] // factor
    small = np.empty((*sketches.shape[:2], side, side), np.float32)
    for sketch, into in zip(sketches, small, strict=True):
        for channel, smaller in zip(sketch, into, strict=True):
            cv2.resize(channel.astype(np.float32), (side, side), dst=smaller, interpolation=cv2.INTER_AREA)
    return _floats(small)


def _floats(sketches: np.ndarray) -> Tensor:
    return torch.from_numpy(sketches).float().mul_(1 / 255)
