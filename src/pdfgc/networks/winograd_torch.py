"""The steps of Winograd's convolutions in torch alone, for machines without a compiler; their definition, too.

All that is done to single numbers goes a row of tiles at a time, whose six or so maps stay in a core's own cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.winograd_steps import TILE, Finish, Readout, Start

_SIX, _FIVE = TILE + 2, TILE + 1
"""Factors of F(4, 3) and of F(4, 2)."""

_TAPS: tuple[tuple[float, float, float], ...] = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Three taps to what the six factors of F(4, 3) are multiplied by."""

_GROUP_TILES = 56
"""Tiles that single numbers are computed for at once: fewer, and calling torch costs more than the numbers."""

_FILTER_NUMBERS = 1 << 16
"""Of a map that the low pass takes at once."""


class TorchSteps:
    """See `winograd_steps.Steps`."""

    conv_tile, conv_taps = TILE, _TAPS
    strip_pixels = 448 * TILE**2
    """Fewer cost the products speed, more do not fit the caches."""

    def laid_out(self, weight: Tensor) -> Tensor:
        return weight.contiguous()

    def products(self, factors: Tensor, weight: Tensor, outputs: int) -> Tensor:
        return torch.bmm(factors, weight)

    def conv_factors(self, x: Tensor, rows: slice, start: Start | None) -> Tensor:
        batch, _, width, channels = x.shape
        columns, lines = -(-width // TILE), list(_lines(rows))
        factors = x.new_empty(_SIX, _SIX, batch, len(lines), columns, channels)
        down = x.new_empty(_SIX, batch, TILE * columns + 2, channels)
        right = TILE * columns + 1 - width
        for number, line in enumerate(lines):
            _to_six(_with_borders(x, line, start, right=right, below=1).unbind(1), down)
            _to_six(_neighbours(down, 2, columns, _SIX), factors[:, :, :, number])
        return factors.view(_SIX * _SIX, -1, channels)

    def conv_output(
        self, products: Tensor, rows: slice, finish: Finish, out: Tensor, readout: Readout | None = None
    ) -> None:
        batch, _, width, channels = out.shape
        columns, lines = -(-width // TILE), list(_lines(rows))
        products = products.view(_SIX, _SIX, batch, len(lines), columns, channels)
        across = out.new_empty(_SIX, batch, columns, TILE, channels)
        for number, line in enumerate(lines):
            _from_six(products[:, :, :, number].unbind(0), across.unbind(-2))
            inside = out[:, line]
            is_whole = inside.shape[1:3] == (TILE, TILE * columns)
            tiles = inside if is_whole else out.new_empty(batch, TILE, TILE * columns, channels)
            _from_six(across.flatten(2, 3).unbind(0), tiles.unbind(1))
            if not is_whole:
                inside.copy_(tiles[:, : inside.shape[1], :width])
            _finish(inside, line, finish)
        if readout is not None:
            read = out[:, rows].flatten(1, 2) @ readout.weight.transpose(1, 2)
            readout.sums[:, rows] += read.unflatten(1, (-1, width))

    def conv_readout(self, products: Tensor, rows: slice, finish: Finish, readout: Readout) -> None:
        out = products.new_empty(*readout.sums.shape[:3], products.shape[-1])
        self.conv_output(products, rows, finish, out, readout)

    def doubling_factors(self, x: Tensor, rows: slice, start: Start | None) -> list[Tensor]:
        batch, _, width, channels = x.shape
        columns, count = width // TILE, (rows.stop - rows.start) // TILE
        both = x.new_empty(_FIVE, _FIVE, batch, count, columns, channels)
        down = x.new_empty(_FIVE, batch, count, width, channels)
        across = x.new_empty(_FIVE, batch, TILE * count, columns, channels)
        plain = x.new_empty(1, batch, TILE * count, width, channels)
        for few in _groups(count, batch * columns):
            line = slice(TILE * few.start, TILE * few.stop)
            part = _with_borders(
                x, slice(rows.start + line.start, rows.start + line.stop), start, right=0, below=0
            )
            wide = x.new_empty(_FIVE, batch, few.stop - few.start, width + 1, channels)
            _to_five(_neighbours(part, 1, few.stop - few.start, _FIVE), wide)
            _to_five(_neighbours(wide, 3, columns, _FIVE), both[:, :, :, few])
            _to_five(_neighbours(part[:, 1:], 2, columns, _FIVE), across[:, :, line])
            down[:, :, few] = wide[:, :, :, 1:]
            plain[0, :, line] = part[:, 1:, 1:]
        return [sort.flatten(1, 3) for sort in (both.flatten(0, 1), down, across, plain)]

    def doubling_output(
        self,
        products: list[Tensor],
        edge: Tensor,
        kept: Tensor,
        rows: slice,
        finish: Finish,
        out: Tensor,
    ) -> None:
        batch, rows_of_both, width, channels = kept.shape
        doubled = out.new_empty(batch, rows_of_both + 2 * (rows.stop - rows.start), width, channels)
        doubled[:, :rows_of_both] = kept
        doubled[:, rows_of_both:, :: width - 1] = 0
        new = doubled[:, rows_of_both:, 1:-1]
        _double(products, new[:, :, :-1])
        new[:, :, -1] = edge
        _filter(doubled, 2 * rows.start - 2, finish, out)
        kept.copy_(doubled[:, -rows_of_both:])

    def doubling_end(self, kept: Tensor, last: Tensor, finish: Finish, out: Tensor) -> None:
        batch, rows, width, channels = kept.shape
        doubled = out.new_zeros(batch, rows + 2, width, channels)
        doubled[:, :rows] = kept
        doubled[:, rows, 1:-1] = last
        _filter(doubled, out.shape[1] - 2, finish, out)


def _double(products: list[Tensor], out: Tensor) -> None:
    """Products to rows of the doubled map `out [B, 2 h, 2 W, out]`."""
    batch, height, width, channels = out.shape
    columns, count = width // (2 * TILE), height // (2 * TILE)
    both = products[0].view(_FIVE, _FIVE, batch, count, columns, channels)
    down = products[1].view(_FIVE, batch, count, width // 2, channels)
    across = products[2].view(_FIVE, batch, TILE * count, columns, channels)
    plain = products[3].view(batch, TILE * count, width // 2, channels)
    for few in _groups(count, batch * columns):
        line = slice(TILE * few.start, TILE * few.stop)
        even, odd = (out[:, 2 * line.start + first : 2 * line.stop : 2] for first in (0, 1))
        halfway = out.new_empty(_FIVE, batch, few.stop - few.start, columns, TILE, channels)
        _from_five(both[:, :, :, few].unbind(0), halfway.unbind(-2))
        tiles = [even[:, k::TILE] for k in range(TILE)]
        _from_five(halfway.flatten(3, 4).unbind(0), [row[:, :, ::2] for row in tiles])
        _from_five(down[:, :, few].unbind(0), [row[:, :, 1::2] for row in tiles])
        _from_five(across[:, :, line].unbind(0), [odd[:, :, 2 * k :: 2 * TILE] for k in range(TILE)])
        odd[:, :, 1::2] = plain[:, line]


def _filter(doubled: Tensor, first: int, finish: Finish, out: Tensor) -> None:
    """The low pass.

    Args:
        doubled: `[B, h + 3, 2 W + 3, out]`, from the row above the first one on, a zero at either end of a row.
        first: the first of the h rows of `out [B, 2 H, 2 W, out]` that are written; rows before 0 are passed over.
        finish: of the sums.
        out: what is written to.
    """
    batch, height, width, channels = doubled.shape
    step = max(1, _FILTER_NUMBERS // (batch * width * channels))
    for start in range(max(0, -first), height - 3, step):
        count = min(step, height - 3 - start)
        down = _binomial([doubled[:, start + k : start + k + count] for k in range(4)])
        rows = slice(first + start, first + start + count)
        _binomial([down[:, :, k : width - 3 + k] for k in range(4)], out[:, rows])
        _finish(out[:, rows], rows, finish)


def _finish(sums: Tensor, rows: slice, finish: Finish) -> None:
    """Finishes rows `[B, h, W, out]` in their place."""
    added = None if finish.added is None else finish.added[:, rows]
    gain = None if finish.gain is None else finish.gain[:, None, None]
    if added is not None and gain is not None:
        torch.addcmul(added, sums, gain, out=sums)  # one step instead of two
    elif added is not None:
        sums.add_(added)
    elif gain is not None:
        sums.mul_(gain)
    if finish.bias is not None:
        sums.add_(finish.bias)
    if finish.noise is not None:
        sums.add_(finish.noise[rows, :, None])
    if finish.slope != 1:
        F.leaky_relu_(sums, finish.slope)


def _binomial(taps: Sequence[Tensor], out: Tensor | None = None) -> Tensor:
    """Four neighbours under `[1, 3, 3, 1]`."""
    outer = torch.add(taps[0], taps[3], out=out)
    return outer.add_(taps[1] + taps[2], alpha=3)


def _groups(count: int, row: int) -> Iterator[slice]:
    """Rows of tiles, `count` in all and each of `row` tiles, that are gone through together."""
    most = max(1, _GROUP_TILES // row)
    return (slice(first, min(first + most, count)) for first in range(0, count, most))


def _lines(rows: slice) -> Iterator[slice]:
    """The rows of tiles of a strip, of which the last may reach beyond it."""
    return (slice(first, first + TILE) for first in range(rows.start, rows.stop, TILE))


def _with_borders(x: Tensor, rows: slice, begin: Start | None, *, below: int, right: int) -> Tensor:
    """Rows of `[B, H, W, C]` as they are convolved, with neighbours on all sides; zero outside the map."""
    batch, height, width, channels = x.shape
    start, stop = max(rows.start - 1, 0), min(rows.stop + below, height)
    first = start - (rows.start - 1)
    padded = x.new_empty(batch, rows.stop - rows.start + 1 + below, width + 1 + right, channels)
    inside = padded[:, first : first + stop - start, 1 : 1 + width]
    for border in (padded[:, :first], padded[:, first + stop - start :], padded[:, :, 0]):
        border.zero_()
    if right:
        padded[:, :, -right:].zero_()
    if begin is None:
        inside.copy_(x[:, start:stop])
    elif begin.shift is None:
        torch.mul(x[:, start:stop], begin.scale[:, None, None], out=inside)
    else:
        torch.addcmul(begin.shift, x[:, start:stop], begin.scale[:, None, None], out=inside).relu_()
    return padded


def _neighbours(x: Tensor, axis: int, tiles: int, taps: int) -> list[Tensor]:
    """The inputs of every tile along an axis, each `tiles` long there."""
    last = TILE * (tiles - 1) + 1
    every = (slice(None),) * axis
    return [x.narrow(axis, first, last)[(*every, slice(None, None, TILE))] for first in range(taps)]


def _to_six(taps: Sequence[Tensor], out: Tensor) -> None:
    """Six neighbours to the factors `out [6, ...]` of F(4, 3)."""
    low, even, odd, spare = out[0], out[1], out[2], out[5]
    torch.sub(taps[4], taps[2], alpha=4, out=even)
    torch.sub(taps[3], taps[1], alpha=4, out=spare)
    torch.sub(even, spare, out=odd)
    even += spare
    torch.sub(taps[4], taps[2], out=low)
    torch.sub(taps[3], taps[1], out=spare)
    torch.add(low, spare, alpha=2, out=out[3])
    torch.sub(low, spare, alpha=2, out=out[4])
    low.add_(taps[0], alpha=4).sub_(taps[2], alpha=4)
    spare.mul_(-4).add_(taps[5]).sub_(taps[3])


def _from_six(products: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """The products of F(4, 3), which are overwritten, to the four outputs."""
    centre, inner, spare, outer, opposite, edge = products
    torch.sub(inner, spare, out=out[1])
    inner += spare
    torch.sub(outer, opposite, out=out[3])
    outer += opposite
    torch.add(centre, inner, out=out[0])
    out[0].add_(outer)
    torch.add(inner, outer, alpha=4, out=out[2])
    spare.copy_(out[1])
    out[1].add_(out[3], alpha=2)
    out[3].mul_(8).add_(spare).add_(edge)


def _to_five(taps: Sequence[Tensor], out: Tensor) -> None:
    """Five neighbours to the factors `out [5, ...]` of F(4, 2)."""
    torch.sub(taps[3], taps[1], out=out[3])
    torch.sub(taps[3], taps[2], out=out[1])
    torch.sub(out[1], taps[2], alpha=2, out=out[2])
    out[2].add_(taps[1], alpha=2)
    torch.add(out[1], taps[0], alpha=2, out=out[0])
    out[0].sub_(taps[1]).sub_(taps[2])
    out[1].sub_(taps[1], alpha=2)
    torch.sub(taps[4], taps[2], out=out[4])
    out[4].sub_(out[3], alpha=2)


def _from_five(products: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """The products of F(4, 2), which are overwritten, to the four outputs."""
    centre, inner, spare, outer, edge = products
    torch.sub(inner, spare, out=out[1])
    inner += spare
    torch.add(centre, inner, out=out[0])
    out[0].add_(outer)
    torch.add(inner, outer, alpha=4, out=out[2])
    torch.add(out[1], outer, alpha=8, out=out[3])
    out[3].add_(edge)
    out[1].add_(outer, alpha=2)
