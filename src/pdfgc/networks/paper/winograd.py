"""The generator's 3 x 3 convolutions in float32 on processors, with fewer multiplications.

Winograd's minimal filtering (Lavin and Gray, CVPR 2016): four neighbouring outputs of three taps, F(4, 3), need six
products instead of twelve, and four of two taps, F(4, 2), five instead of eight. Along both axes F(4, 3) leaves a
quarter of the arithmetic of a plain convolution. One that doubles its map has two taps for even rows and one for odd
ones; down the columns alone nine products do the work of twelve. Maps are gone through in strips of few rows, so that
what lies between the steps stays in the caches.
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

_STRIP_BYTES = 6 << 20
"""Of a strip's products: these and their factors fit a processor's last cache."""

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
        row = len(_THREE) ** 2 * batch * width // TILE * max(self._inputs, self._outputs)
        for rows in _strips(height, row):
            self._convolve(_with_borders(x, rows, scale, below=1), out[:, rows])
            if finish is not None:
                finish(out[:, rows], rows)
        return out

    def _convolve(self, x: Tensor, out: Tensor) -> None:
        """`[B, h + 2, W + 2, in]` to `out [B, h, W, out]`."""
        batch, height, width, _ = out.shape
        rows, columns = height // TILE, width // TILE
        down = x.new_empty(len(_THREE), batch, rows, width + 2, self._inputs)
        _to_six(_neighbours(x, 1, rows, len(_THREE)), down)
        both = x.new_empty(len(_THREE), len(_THREE), batch, rows, columns, self._inputs)
        _to_six(_neighbours(down, 3, columns, len(_THREE)), both)
        products = torch.bmm(both.view(len(self._weight), -1, self._inputs), self._weight)
        products = products.view(len(_THREE), len(_THREE), batch, rows, columns, self._outputs)
        across = x.new_empty(len(_THREE), batch, rows, columns, TILE, self._outputs)
        _from_six(products.unbind(0), across.unbind(-2))
        _from_six(across.flatten(3, 4).unbind(0), [out[:, k::TILE] for k in range(TILE)])


class WinogradDoubling:
    """A transposed convolution of 3 x 3 taps and stride 2.

    Args:
        weight: `[in, out, 3, 3]` float32, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        self._inputs, self._outputs = weight.shape[:2]
        pair = weight[:, :, [2, 0]].double()  # of an even row: of the input's row above, of its own
        moved = torch.einsum("ka,coab->kcob", torch.tensor(_TWO, dtype=torch.float64), pair).float()
        rows = [*moved.unbind(0), weight[:, :, 1], weight[:, :, 2]]
        laid_out = [row[:, :, None].contiguous(memory_format=torch.channels_last) for row in rows]
        self._even, self._odd, self._last = laid_out[:-2], laid_out[-2], laid_out[-1]

    def __call__(self, x: Tensor, scale: Tensor) -> Tensor:
        """Convolves.

        Args:
            x: `[B, H, W, in]` float32; H is a multiple of 4.
            scale: `[B, in]`, factors on the input's channels.

        Returns:
            `[B, 2 H + 1, 2 W + 1, out]`.
        """
        batch, height, width, _ = x.shape
        out = x.new_empty(batch, 2 * height + 1, 2 * width + 1, self._outputs)
        row = len(_TWO) * batch * max(width * self._inputs, 2 * width * self._outputs)
        for rows in _strips(height, row):
            scaled = _with_borders(x, rows, scale, below=0, sides=0)
            self._convolve(scaled, out[:, 2 * rows.start : 2 * rows.stop])
        out[:, -1:] = _across(x[:, -1:] * scale[:, None, None], self._last)
        return out

    def _convolve(self, x: Tensor, out: Tensor) -> None:
        """`[B, h + 1, W, in]`, the row above first, to `out [B, 2 h, 2 W + 1, out]`."""
        tiles = out.shape[1] // (2 * TILE)
        factors = x.new_empty(len(_TWO), x.shape[0], tiles, *x.shape[2:])
        _to_five(_neighbours(x, 1, tiles, len(_TWO)), factors)
        products = [_across(part, row) for part, row in zip(factors, self._even, strict=True)]
        _from_five(products, [out[:, 2 * k :: 2 * TILE] for k in range(TILE)])
        out[:, 1::2] = _across(x[:, 1:], self._odd)


def _across(x: Tensor, weight: Tensor) -> Tensor:
    """Rows `[B, h, W, in]` under a transposed convolution `[in, out, 1, 3]` of stride 2: `[B, h, 2 W + 1, out]`."""
    maps = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return F.conv_transpose2d(maps, weight, stride=(1, 2)).permute(0, 2, 3, 1)


def _strips(height: int, row: int) -> Iterator[slice]:
    """Rows that are gone through at once, where a row of tiles has `row` numbers as products."""
    most = TILE * max(1, _STRIP_BYTES // (4 * row))
    return (slice(first, min(first + most, height)) for first in range(0, height, most))


def _with_borders(x: Tensor, rows: slice, scale: Tensor | None, *, below: int, sides: int = 1) -> Tensor:
    """Rows of `[B, H, W, C]` times their scales, with the row above, rows below and columns beside: zero outside."""
    batch, height, width, channels = x.shape
    start, stop = max(rows.start - 1, 0), min(rows.stop + below, height)
    first = start - (rows.start - 1)
    padded = x.new_empty(batch, rows.stop - rows.start + 1 + below, width + 2 * sides, channels)
    inside = padded[:, first : first + stop - start, sides : sides + width]
    borders = [padded[:, :first], padded[:, first + stop - start :]]
    for border in [*borders, padded[:, :, :sides], padded[:, :, sides + width :]]:
        border.zero_()
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
