"""The generator of preset `small`: it moves the portrait's own pixels and paints only what they cannot show.

One frame: the flows of `flow.py` and the drawings of `sketch.py` go to `FlowNet`, which settles where every pixel
comes from; the portrait's features are warped there at three scales, at lips and lids by the mesh's own triangles
(`triangles.py`); `Painter` corrects the flow once more, paints, and says how much of each pixel is painted and how much
is the portrait's, warped. Everything works on offsets in crop units, so the flow has no resolution of its own and a
portrait keeps the sharpness it came with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.devices import lay_channels_last
from pdfgc.face.geometry import fit_pose
from pdfgc.networks.flow import RIGID_PLANES_CM, kernel_widths, mesh_flow, pixel_centres, rigid_flows
from pdfgc.networks.sketch import SKETCH_CHANNELS
from pdfgc.networks.triangles import triangle_flow, triangle_maps

FLOW_GRID = 64
_GUESSES = 2 + len(RIGID_PLANES_CM)  # mesh, rigid planes, no motion
_KEPT = 0.97  # how bright or dark a pixel may be to be painted upon


class PortraitFeatures(NamedTuple):
    """A portrait encoded once."""

    image: Tensor
    """`[B, 3, S, S]`, -1..1."""
    fine: Tensor
    """`[B, C, S/2, S/2]`"""
    middle: Tensor
    """`[B, 2C, S/4, S/4]`"""
    coarse: Tensor
    """`[B, 4C, S/8, S/8]`"""

    def expand(self, batch: int) -> PortraitFeatures:
        """One portrait seen as a batch of `batch`, without copies."""
        return PortraitFeatures(*(t.expand(batch, -1, -1, -1) for t in self))

    def repeat(self, times: int) -> PortraitFeatures:
        """Every portrait of the batch `times` times in a row."""
        return PortraitFeatures(*(t.repeat_interleave(times, 0) for t in self))


class Flows(NamedTuple):
    """What the geometry says about driving frames, before any learned part."""

    grid: Tensor
    """`[B, 2 (1 + planes), G, G]` the mesh flow and the rigid flows, offsets in crop units."""
    triangles: Tensor
    """`[B, 1 + T, 7]` the triangles' maps, see `triangles.triangle_maps`."""


@dataclass(frozen=True)
class Window:
    """The square of the output that is painted, in pixels; multiples of 8. Training paints windows to save time."""

    left: int
    top: int
    side: int

    def of(self, maps: Tensor, size: int) -> Tensor:
        """This window of maps `[B, C, s, s]` that span an output of `size` pixels."""
        k = maps.shape[-1] / size
        left, top, side = int(self.left * k), int(self.top * k), int(self.side * k)
        return maps[..., top : top + side, left : left + side]


def computed_flows(source: Tensor, driving: Tensor, widths: Tensor) -> Flows:
    """The flows that follow from the meshes.

    Args:
        source, driving: `[B, 478, 3]` float32 crop meshes of the portrait and of the frames.
        widths: `[478]` from `flow.kernel_widths`.
    """
    rigid = rigid_flows(fit_pose(source), fit_pose(driving), FLOW_GRID)
    grid = torch.cat([mesh_flow(source, driving, widths, FLOW_GRID), rigid], 1)
    return Flows(grid, triangle_maps(source, driving))


def warp(maps: Tensor, offsets: Tensor, window: Window | None = None, size: int = 0) -> Tensor:
    """Read `maps [B, C, H, H]` at each pixel of `offsets [B, 2, h, h]`, in float32 coordinates."""
    side = offsets.shape[-1] if window is None else int(offsets.shape[-1] * size / window.side)
    grid = pixel_centres(side, offsets.device).permute(2, 0, 1)[None]
    if window is not None:
        grid = window.of(grid, size)
    points = (grid + offsets.float()).permute(0, 2, 3, 1)
    return F.grid_sample(maps.float(), points, padding_mode="border", align_corners=False).to(maps.dtype)


def _conv(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2), nn.LeakyReLU(0.1, inplace=True))


def _start_at_zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip; the second starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        _start_at_zero(self.second)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)).add_(x)


class PortraitEncoder(nn.Module):
    """Portrait `[B, 3, S, S]` in -1..1 to features at 1/2, 1/4 and 1/8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(_conv(3, channels, size=5, stride=2), ResidualBlock(channels))
        self.middle = nn.Sequential(_conv(channels, 2 * channels, stride=2), ResidualBlock(2 * channels))
        self.coarse = nn.Sequential(
            _conv(2 * channels, 4 * channels, stride=2),
            ResidualBlock(4 * channels),
            ResidualBlock(4 * channels),
        )

    def forward(self, image: Tensor) -> PortraitFeatures:
        fine = self.fine(image)
        middle = self.middle(fine)
        return PortraitFeatures(image, fine, middle, self.coarse(middle))


class FlowNet(nn.Module):
    """Mixes the computed flows, adds what they miss, and marks what the portrait does not show."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = 3 * _GUESSES + 2 * (_GUESSES - 1) + 2 * SKETCH_CHANNELS
        c = channels
        self.stem = _conv(inputs, c)
        self.down = nn.ModuleList(
            [_conv(c, 2 * c, stride=2), _conv(2 * c, 3 * c, stride=2), _conv(3 * c, 4 * c, stride=2)]
        )
        self.middle = nn.Sequential(ResidualBlock(4 * c), ResidualBlock(4 * c))
        self.up = nn.ModuleList([_conv(7 * c, 3 * c), _conv(5 * c, 2 * c), _conv(3 * c, c)])
        self.heads = nn.Conv2d(c, _GUESSES + 2 + 1, 3, padding=1)
        _start_at_zero(self.heads)

    def forward(
        self, image: Tensor, flows: Tensor, source_sketch: Tensor, driving_sketch: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return offsets `[B, 2, G, G]` in crop units and the logit `[B, 1, G, G]` that the portrait shows the pixel.

        Args:
            image: `[B, 3, G, G]` the portrait, small.
            flows: `[B, 2 (1 + planes), G, G]`, see `Flows.grid`.
            source_sketch, driving_sketch: `[B, SKETCH_CHANNELS, G, G]`, 0..1.
        """
        looks = [warp(image, guess) for guess in flows.split(2, 1)] + [image]
        x = self.stem(_join([*looks, 4 * flows, source_sketch, driving_sketch]))
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(_join([double(x), skip]))
        return self.settle(x, flows, driving_sketch)

    def settle(self, x: Tensor, flows: Tensor, driving_sketch: Tensor) -> tuple[Tensor, Tensor]:
        """The last step of `forward`, from the last map `x`."""
        guesses = [*flows.split(2, 1), torch.zeros_like(flows[:, :2])]
        heads = self.heads(x).float()
        mesh_prior = 6 * (
            driving_sketch[:, :1].float() - 0.3
        )  # before training: the mesh where it is, else a rigid head
        logits = heads[:, :_GUESSES] + F.pad(mesh_prior, (0, 0, 0, 0, 0, _GUESSES - 1))
        mix = torch.softmax(logits, 1)
        offsets = torch.stack([mix[:, i : i + 1] * guess.float() for i, guess in enumerate(guesses)]).sum(0)
        return offsets + 0.1 * heads[:, _GUESSES : _GUESSES + 2], heads[:, -1:]


class Context(nn.Module):
    """What a pixel's surroundings say about it: a level at 1/16 added to the one at 1/8.

    It costs a tenth of a frame's time, and lets hair, ears and background be continued where a turned head bares them.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.down = _conv(channels, 2 * channels, stride=2)
        self.blocks = nn.Sequential(*[ResidualBlock(2 * channels) for _ in range(blocks)])
        self.up = nn.Conv2d(2 * channels, channels, 1)
        _start_at_zero(self.up)

    def forward(self, x: Tensor) -> Tensor:
        return x + double(self.up(self.blocks(self.down(x))), "bilinear")


class Painter(nn.Module):
    """Warped features and the driving sketch to the frame."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        c = channels
        self.coarse = nn.Sequential(
            _conv(4 * c + SKETCH_CHANNELS + 1, 4 * c),
            ResidualBlock(4 * c),
            ResidualBlock(4 * c),
            *([Context(4 * c, context)] if context else []),
        )
        self.middle = nn.Sequential(_conv(4 * c + 2 * c + SKETCH_CHANNELS, 2 * c), ResidualBlock(2 * c))
        self.refine = nn.Conv2d(2 * c, 2 * 4, 3, padding=1)
        self.fine = nn.Sequential(_conv(2 * c + c + 4 * SKETCH_CHANNELS + 12, c + 8), ResidualBlock(c + 8))
        self.paint = nn.Conv2d(c + 8, 4 * 4, 3, padding=1)
        _start_at_zero(self.refine)
        _start_at_zero(self.paint)

    def forward(
        self,
        portrait: PortraitFeatures,
        offsets: Tensor,
        shown: Tensor,
        sketch: Tensor,
        seams: tuple[Tensor, Tensor],
        window: Window,
    ) -> tuple[Tensor, Tensor]:
        """Return the frame `[B, 3, w, w]` in -1..1 and the share of painted pixels `[B, 1, w, w]`.

        Args:
            portrait: the encoded portrait.
            offsets: `[B, 2, G, G]`; shown: `[B, 1, G, G]` from `FlowNet`.
            sketch: `[B, SKETCH_CHANNELS, S, S]` the driving sketch at full size, 0..1.
            seams: offsets `[B, 2, w, w]` and whether they hold `[B, 1, w, w]`, of `triangle_flow` in the window.
            window: the part of the output to paint, w = window.side. The coarse level always spans the whole frame.
        """
        size = sketch.shape[-1]

        def at(maps: Tensor, divisor: int) -> Tensor:
            return window.of(resize(maps, size // divisor), size)

        def warped(maps: Tensor, offset: Tensor) -> Tensor:
            return warp(maps, offset, window, size)

        offset_8, offset_4, offset_2 = resize(offsets, size // 8), at(offsets, 4), at(offsets, 2)
        coarsest = [warp(portrait.coarse, offset_8), F.avg_pool2d(sketch, 8), resize(shown, size // 8)]
        x = window.of(self.coarse(_join(coarsest)), size)
        sketch_4 = F.avg_pool2d(window.of(sketch, size), 4)
        x = _join([double(x), warped(portrait.middle, offset_4), sketch_4])
        x = self.middle(x)
        offset_2 = offset_2 + 0.02 * F.pixel_shuffle(self.refine(x).float(), 2)
        at_seams, here = seams
        pixels = warped(portrait.image, torch.where(here, at_seams, double(offset_2, "bilinear")))
        # One pixel of four: an average would mix the two sides of a seam.
        offset_2 = torch.where(here[..., ::2, ::2], at_seams[..., ::2, ::2], offset_2)
        finest = [double(x), warped(portrait.fine, offset_2), F.pixel_unshuffle(window.of(sketch, size), 2)]
        x = self.fine(_join([*finest, F.pixel_unshuffle(pixels, 2).to(x.dtype)]))
        paint = F.pixel_shuffle(self.paint(x).float(), 2)
        return blend(paint, pixels.float(), _resize_to(at(shown, 2), window.side))


def blend(paint: Tensor, pixels: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Paint over warped pixels.

    Args:
        paint: `[B, 4, ...]` what is added to the colours, before they are squashed, and the logit that it covers.
        pixels: `[B, 3, ...]` the portrait's, -1..1.
        shown: `[B, 1, ...]` the logit that the portrait shows the pixel.

    Returns:
        The picture `[B, 3, ...]` in -1..1, and the share of paint in each pixel `[B, 1, ...]`.
    """
    share = torch.sigmoid(paint[:, 3:] - shown)
    # tanh(paint + atanh(kept)), by the sum's formula
    added, kept = torch.tanh(paint[:, :3]), pixels.clamp(-_KEPT, _KEPT)
    colour = (added + kept) / (1 + added * kept)
    return torch.lerp(pixels, colour, share), share


def _join(maps: list[Tensor]) -> Tensor:
    """Maps side by side, in the type and layout that the convolution after them computes in.

    One odd input would turn the whole: a copy of everything, instead of one of the odd part.
    """
    kind = maps[0].device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    return torch.cat([part.to(dtype, memory_format=torch.channels_last) for part in maps], 1)


def double(maps: Tensor, mode: str = "nearest") -> Tensor:
    return F.interpolate(
        maps, scale_factor=2.0, mode=mode, align_corners=False if mode == "bilinear" else None
    )


def resize(maps: Tensor, size: int) -> Tensor:
    """Square maps to another size: averaged when they shrink."""
    if maps.shape[-1] > size:
        return F.avg_pool2d(maps, maps.shape[-1] // size)
    return _resize_to(maps, size)


def _resize_to(maps: Tensor, size: int) -> Tensor:
    if maps.shape[-1] == size:
        return maps
    return F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)


class MeshWarpGenerator(nn.Module):
    """Portrait and driving mesh to a frame."""

    widths: Tensor

    def __init__(self, *, channels: int = 24, flow_channels: int = 32, context: int = 0) -> None:
        super().__init__()
        self.encoder = PortraitEncoder(channels)
        self.flow = FlowNet(flow_channels)
        self.painter = Painter(channels, context)
        self.register_buffer("widths", kernel_widths(FLOW_GRID), persistent=False)
        lay_channels_last(self)  # twice as fast on a CPU

    def encode(self, image: Tensor) -> PortraitFeatures:
        """`[B, 3, S, S]` in -1..1, S a multiple of 64, to features that every frame reuses."""
        return self.encoder(image)

    def flows(self, source_mesh: Tensor, driving_mesh: Tensor) -> Flows:
        """The computed flows of crop meshes `[B, 478, 3]`, see `computed_flows`."""
        return computed_flows(source_mesh.float(), driving_mesh.float(), self.widths)

    def forward(
        self,
        portrait: PortraitFeatures,
        flows: Flows,
        source_sketch: Tensor,
        driving_sketch: Tensor,
        triangles: Tensor,
        window: Window | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Paint frames.

        Args:
            portrait: from `encode`, same batch as the flows.
            flows: from `flows`.
            source_sketch: `[B, SKETCH_CHANNELS, S, S]` drawing of the portrait's mesh, 0..1.
            driving_sketch: the same of the driving mesh.
            triangles: `[B, S, S]` the driving mesh's, from `triangles.draw_triangles`.
            window: paint only this part (training).

        Returns:
            The frame `[B, 3, w, w]` in -1..1, the painted share `[B, 1, w, w]`, the flow offsets `[B, 2, G, G]`.
        """
        size = driving_sketch.shape[-1]
        small = resize(portrait.image, FLOW_GRID)
        sketches = resize(source_sketch, FLOW_GRID), resize(driving_sketch, FLOW_GRID)
        offsets, shown = self.flow(small, flows.grid, *sketches)
        window = window or Window(0, 0, size)
        pixels = window.of(pixel_centres(size, small.device).permute(2, 0, 1), size).permute(1, 2, 0)
        seams = triangle_flow(window.of(triangles, size), flows.triangles, pixels)
        frame, painted = self.painter(portrait, offsets, shown, driving_sketch, seams, window)
        return frame, painted, offsets
