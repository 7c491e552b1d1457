"""The generator's 3 x 3 convolutions in float32 on processors, with fewer multiplications.

Winograd's minimal filtering (Lavin and Gray, CVPR 2016): four neighbouring outputs of three taps, F(4, 3), need six
products instead of twelve, and four of two taps, F(4, 2), five instead of eight. Along both axes F(4, 3) leaves a
quarter of the arithmetic of a plain convolution. One that doubles its map has two taps for even rows and columns and
one for odd ones: 81 products do the work of 144.

Maps are gone through in strips: tall enough that a matrix product has many rows to one set of weights, while all that
is done to single numbers goes a row of tiles at a time, whose six or so maps stay in a core's own cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4
"""Neighbouring outputs that share their products."""

_THREE = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Three taps to what the six factors are multiplied by."""

_TWO = ((1 / 2, 0), (-1 / 2, -1 / 2), (-1 / 6, 1 / 6), (1 / 6, 1 / 3), (0, 1))
"""Two taps to what the five factors are multiplied by."""

_STRIP_TILES = 448
"""Tiles of a strip, about: rows of its matrix products. Fewer cost the products speed, more do not fit the caches."""

_GROUP_TILES = 56
"""Tiles that single numbers are computed for at once: fewer, and calling torch costs more than the numbers."""

_FILTER_NUMBERS = 1 << 16
"""Of a map that the low pass takes at once."""

Finish = Callable[[Tensor, slice], None]
"""Changes a strip `[B, h, W, out]` of the output; also told which rows it is."""


class WinogradConv:
    """A convolution of 3 x 3 taps, stride 1 and a zero beyond each border.

    Args:
        weight: `[out, in, 3, 3]` float32, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        self._outputs, self._inputs = weight.shape[:2]
        taps = torch.tensor(_THREE, dtype=torch.float64)
        moved = torch.einsum("ia,jb,ocab->jico", taps, taps, weight.double())
        self._weight = moved.float().flatten(0, 1).contiguous()

    def __call__(self, x: Tensor, scale: Tensor | None = None, finish: Finish | None = None) -> Tensor:
        """Convolves.

        Args:
            x: `[B, H, W, in]` float32; H and W are multiples of 4.
            scale: `[B, in]`, factors on the input's channels.
            finish: is given each strip of the output while it is at hand.

        Returns:
            `[B, H, W, out]`.
        """
        batch, height, width, _ = x.shape
        out = x.new_empty(batch, height, width, self._outputs)
        for rows in _strips(height, batch * width // TILE):
            self._convolve(x, rows, scale, finish, out)
        return out

    def _convolve(
        self, x: Tensor, rows: slice, scale: Tensor | None, finish: Finish | None, out: Tensor
    ) -> None:
        """Rows of `[B, H, W, in]` to the same rows of `out [B, H, W, out]`."""
        batch, _, width, _ = x.shape
        columns, six = width // TILE, len(_THREE)
        lines = list(_lines(rows))
        factors = x.new_empty(six, six, len(lines), batch, columns, self._inputs)
        down = x.new_empty(six, batch, width + 2, self._inputs)
        for number, line in enumerate(lines):
            _to_six(_with_borders(x, line, scale, right=1, below=1).unbind(1), down)
            _to_six(_neighbours(down, 2, columns, six), factors[:, :, number])
        products = torch.bmm(factors.view(six * six, -1, self._inputs), self._weight)
        products = products.view(six, six, len(lines), batch, columns, self._outputs)
        across = x.new_empty(six, batch, columns, TILE, self._outputs)
        for number, line in enumerate(lines):
            _from_six(products[:, :, number].unbind(0), across.unbind(-2))
            _from_six(across.flatten(2, 3).unbind(0), out[:, line].unbind(1))
            if finish is not None:
                finish(out[:, line], line)


class WinogradDoubling:
    """A transposed convolution of 3 x 3 taps and stride 2, and the low pass that follows it in StyleGAN2.

    The low pass is `[1, 3, 3, 1] / 4` along both axes.

    Args:
        weight: `[in, out, 3, 3]` float32, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        self._inputs, self._outputs = weight.shape[:2]
        taps = weight.double() / 16  # the low pass then is of whole numbers
        two = torch.tensor(_TWO, dtype=torch.float64)
        pair = [2, 0]  # of an even row: of the input's row above, of its own
        both = torch.einsum("ka,lb,coab->lkco", two, two, taps[:, :, pair][..., pair])
        self._both = both.float().flatten(0, 1).contiguous()
        self._down = torch.einsum("ka,coa->kco", two, taps[:, :, pair, 1]).float().contiguous()
        self._across = torch.einsum("kb,cob->kco", two, taps[:, :, 1, pair]).float().contiguous()
        self._odd = taps[:, :, 1, 1].float().contiguous()
        self._last_row, self._last_column = taps[:, :, 2].float(), taps[..., 2].float()

    def __call__(self, x: Tensor, scale: Tensor | None = None, finish: Finish | None = None) -> Tensor:
        """Convolves and filters.

        Args:
            x: `[B, H, W, in]` float32; H and W are multiples of 4.
            scale: `[B, in]`, factors on the input's channels.
            finish: is given each strip of the output while it is at hand.

        Returns:
            `[B, 2 H, 2 W, out]`.
        """
        batch, height, width, _ = x.shape
        out = x.new_empty(batch, 2 * height, 2 * width, self._outputs)
        # three rows of the strip before, one column of zeros at the left and one at the right
        left = x.new_zeros(batch, 3, 2 * width + 3, self._outputs)
        for rows in _strips(height, batch * width // TILE):
            doubled = x.new_empty(batch, 3 + 2 * (rows.stop - rows.start), 2 * width + 3, self._outputs)
            doubled[:, :3] = left
            doubled[:, 3:, :: 2 * width + 2] = 0
            self._convolve(x, rows, scale, doubled[:, 3:, 1:-1])
            self._filter(doubled, out, 2 * rows.start - 2, finish)
            left = doubled[:, -3:].clone()
        # one row more, and one of zeros
        doubled = x.new_zeros(batch, 5, 2 * width + 3, self._outputs)
        doubled[:, :3] = left
        last = x[:, -1] if scale is None else x[:, -1] * scale[:, None]
        doubled[:, 3, 1:-1] = _spread(last, self._last_row)
        self._filter(doubled, out, 2 * height - 2, finish)
        return out

    def _convolve(self, x: Tensor, rows: slice, scale: Tensor | None, out: Tensor) -> None:
        """Rows of `[B, H, W, in]` to the doubled map's rows `out [B, 2 h, 2 W + 1, out]` that begin with them."""
        batch, _, width, _ = x.shape
        columns, five, count = width // TILE, len(_TWO), (rows.stop - rows.start) // TILE
        both = x.new_empty(five, five, batch, count, columns, self._inputs)
        down = x.new_empty(five, batch, count, width + 1, self._inputs)
        across = x.new_empty(five, batch, TILE * count, columns, self._inputs)
        plain = x.new_empty(batch, TILE * count, width, self._inputs)
        groups = list(_groups(count, batch * columns))
        for few in groups:
            line = slice(TILE * few.start, TILE * few.stop)
            part = _with_borders(
                x, slice(rows.start + line.start, rows.start + line.stop), scale, right=0, below=0
            )
            _to_five(_neighbours(part, 1, few.stop - few.start, five), down[:, :, few])
            _to_five(_neighbours(down[:, :, few], 3, columns, five), both[:, :, :, few])
            _to_five(_neighbours(part[:, 1:], 2, columns, five), across[:, :, line])
            plain[:, line] = part[:, 1:, 1:]
        of_both = torch.bmm(both.view(five * five, -1, self._inputs), self._both)
        of_both = of_both.view(five, five, batch, count, columns, self._outputs)
        of_down = torch.bmm(down.view(five, -1, self._inputs), self._down)
        of_down = of_down.view(five, batch, count, width + 1, self._outputs)
        of_across = torch.bmm(across.view(five, -1, self._inputs), self._across)
        of_across = of_across.view(five, batch, TILE * count, columns, self._outputs)
        of_plain = torch.mm(plain.view(-1, self._inputs), self._odd)
        of_plain = of_plain.view(batch, TILE * count, width, self._outputs)
        for few in groups:
            line = slice(TILE * few.start, TILE * few.stop)
            even, odd = (out[:, 2 * line.start + first : 2 * line.stop : 2] for first in (0, 1))
            halfway = x.new_empty(five, batch, few.stop - few.start, columns, TILE, self._outputs)
            _from_five(of_both[:, :, :, few].unbind(0), halfway.unbind(-2))
            tiles = [even[:, k::TILE] for k in range(TILE)]
            _from_five(halfway.flatten(3, 4).unbind(0), [row[:, :, :-1:2] for row in tiles])
            _from_five(of_down[:, :, few, 1:].unbind(0), [row[:, :, 1::2] for row in tiles])
            _from_five(
                of_across[:, :, line].unbind(0), [odd[:, :, 2 * k : -1 : 2 * TILE] for k in range(TILE)]
            )
            odd[:, :, 1::2] = of_plain[:, line]
        edge = _with_borders(x[:, :, -1:], rows, scale, right=0, below=0)[:, :, 1]
        out[:, :, -1] = _spread(edge, self._last_column)[:, 2:-1]

    def _filter(self, doubled: Tensor, out: Tensor, first: int, finish: Finish | None) -> None:
        """The low pass.

        Args:
            doubled: `[B, h + 3, 2 W + 3, out]`, from the row above the first one on, a zero at either end of a row.
            out: `[B, 2 H, 2 W, out]`; h rows of it are written.
            first: the first of them; rows before 0 are passed over.
            finish: as in `__call__`.
        """
        batch, height, width, channels = doubled.shape
        step = max(1, _FILTER_NUMBERS // (batch * width * channels))
        for start in range(max(0, -first), height - 3, step):
            count = min(step, height - 3 - start)
            down = _binomial([doubled[:, start + k : start + k + count] for k in range(4)])
            rows = slice(first + start, first + start + count)
            _binomial([down[:, :, k : width - 3 + k] for k in range(4)], out[:, rows])
            if finish is not None:
                finish(out[:, rows], rows)


def _binomial(taps: Sequence[Tensor], out: Tensor | None = None) -> Tensor:
    """Four neighbours under `[1, 3, 3, 1]`."""
    outer = torch.add(taps[0], taps[3], out=out)
    return outer.add_(taps[1] + taps[2], alpha=3)


def _spread(x: Tensor, weight: Tensor) -> Tensor:
    """`[B, L, in]` under a transposed convolution `[in, out, 3]` of stride 2: `[B, 2 L + 1, out]`."""
    return F.conv_transpose1d(x.transpose(1, 2), weight, stride=2).transpose(1, 2)


def _strips(height: int, row: int) -> Iterator[slice]:
    """Rows that are gone through at once, where a row of tiles has `row` tiles."""
    most = TILE * max(1, _STRIP_TILES // row)
    return (slice(first, min(first + most, height)) for first in range(0, height, most))


def _groups(count: int, row: int) -> Iterator[slice]:
    """Rows of tiles, `count` in all and each of `row` tiles, that are gone through together."""
    most = max(1, _GROUP_TILES // row)
    return (slice(first, min(first + most, count)) for first in range(0, count, most))


def _lines(rows: slice) -> Iterator[slice]:
    """The rows of tiles of a strip."""
    return (slice(first, first + TILE) for first in range(rows.start, rows.stop, TILE))


def _with_borders(x: Tensor, rows: slice, scale: Tensor | None, *, below: int, right: int) -> Tensor:
    """Rows of `[B, H, W, C]` times their scales, with neighbours above, left, below and right; zero outside the map."""
    batch, height, width, channels = x.shape
    start, stop = max(rows.start - 1, 0), min(rows.stop + below, height)
    first = start - (rows.start - 1)
    padded = x.new_empty(batch, rows.stop - rows.start + 1 + below, width + 1 + right, channels)
    inside = padded[:, first : first + stop - start, 1 : 1 + width]
    for border in (padded[:, :first], padded[:, first + stop - start :], padded[:, :, 0]):
        border.zero_()
    if right:
        padded[:, :, -1].zero_()
    if scale is None:
        inside.copy_(x[:, start:stop])
    else:
        torch.mul(x[:, start:stop], scale[:, None, None], out=inside)
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
