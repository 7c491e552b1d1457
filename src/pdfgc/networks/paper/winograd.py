"""3 x 3 convolutions in float32 on processors, with a quarter or a half of the multiplications.

Winograd's minimal filtering, F(4, 3) (Lavin and Gray, CVPR 2016): four neighbouring outputs of three taps need six
products instead of twelve. Down the columns alone it leaves half of the arithmetic, down the columns and along the rows
a quarter, but more steps that only move data, which pays where there are many channels. Maps are gone through in
strips of few rows, so that what lies between the steps stays in the caches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 4
"""Neighbouring outputs that share their products."""

_TAPS = TILE + 2

_STRIP_BYTES = 6 << 20
"""Of a strip's products: these and their factors fit a processor's last cache."""

_BOTH_FROM = 256
"""Channels from which both directions pay (AMD Milan: 105 and 106 ms a map of 512 and 256 channels where down alone
takes 124 and 105 without its transforms; with 128 channels 206 against 123)."""

_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Three taps to the factors of six products."""

Finish = Callable[[Tensor, slice], None]
"""Changes a strip `[B, h, W, out]` of the output; also told which rows it is."""


class WinogradConv:
    """A convolution of 3 x 3 taps, stride 1 and a zero beyond each border.

    Args:
        weight: `[out, in, 3, 3]` float32, on the CPU.
        both: along the rows too (default: where there are many channels).
    """

    def __init__(self, weight: Tensor, *, both: bool | None = None) -> None:
        self._outputs, self._inputs = weight.shape[:2]
        self._both = self._inputs >= _BOTH_FROM if both is None else both
        kernel = torch.tensor(_KERNEL, dtype=torch.float64)
        moved = torch.einsum("ka,ocab->kocb", kernel, weight.double())
        if self._both:
            self._matrices = torch.einsum("jb,iocb->jico", kernel, moved).float().flatten(0, 1).contiguous()
        else:
            rows = moved.float()[:, :, :, None].unbind(0)
            self._rows = [row.contiguous(memory_format=torch.channels_last) for row in rows]

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
        tiles, most = height // TILE, self._strip(batch, width)
        for first in range(0, tiles, most):
            rows = slice(TILE * first, TILE * min(first + most, tiles))
            self._convolve(_with_borders(x, rows, scale), out[:, rows])
            if finish is not None:
                finish(out[:, rows], rows)
        return out

    def _strip(self, batch: int, width: int) -> int:
        """Rows of tiles that are gone through at once."""
        places = _TAPS * _TAPS * width // TILE if self._both else _TAPS * width
        return max(1, _STRIP_BYTES // (4 * places * batch * max(self._inputs, self._outputs)))

    def _convolve(self, x: Tensor, out: Tensor) -> None:
        """`[B, h + 2, W + 2, in]` to `out [B, h, W, out]`."""
        batch, height, width, _ = out.shape
        factors = x.new_empty(_TAPS, batch, height // TILE, width + 2, self._inputs)
        _to_factors(_neighbours(x, 1, height // TILE), factors)
        if self._both:
            products = self._along_rows(factors).unbind(0)
        else:
            maps = factors.permute(0, 1, 4, 2, 3).unbind(0)
            convolved = [F.conv2d(part, row) for part, row in zip(maps, self._rows, strict=True)]
            products = tuple(part.permute(0, 2, 3, 1) for part in convolved)
        _from_products(products, [out[:, k::TILE] for k in range(TILE)])

    def _along_rows(self, x: Tensor) -> Tensor:
        """`[6, B, t, W + 2, in]` to `[6, B, t, W, out]`."""
        down, batch, rows, width, _ = x.shape
        columns = (width - 2) // TILE
        factors = x.new_empty(_TAPS, down, batch, rows, columns, self._inputs)
        _to_factors(_neighbours(x, 3, columns), factors)
        products = torch.bmm(factors.view(_TAPS * down, -1, self._inputs), self._matrices)
        products = products.view(_TAPS, down, batch, rows, columns, self._outputs)
        out = x.new_empty(down, batch, rows, columns, TILE, self._outputs)
        _from_products(products.unbind(0), out.unbind(-2))
        return out.flatten(3, 4)


def _with_borders(x: Tensor, rows: slice, scale: Tensor | None) -> Tensor:
    """Rows of `[B, H, W, C]` times their scales, with what is around them: `[B, h + 2, W + 2, C]`."""
    batch, height, width, channels = x.shape
    above, below = max(rows.start - 1, 0), min(rows.stop + 1, height)
    first = above - (rows.start - 1)
    padded = x.new_empty(batch, rows.stop - rows.start + 2, width + 2, channels)
    inside = padded[:, first : first + below - above, 1:-1]
    for border in (padded[:, :first], padded[:, first + below - above :], padded[:, :, 0], padded[:, :, -1]):
        border.zero_()
    if scale is None:
        inside.copy_(x[:, above:below])
    else:
        torch.mul(x[:, above:below], scale[:, None, None], out=inside)
    return padded


def _neighbours(x: Tensor, axis: int, tiles: int) -> list[Tensor]:
    """The six inputs of every tile along an axis, each `tiles` long there."""
    last = TILE * (tiles - 1) + 1
    parts = (x.narrow(axis, first, last) for first in range(_TAPS))
    every = (slice(None),) * axis
    return [part[(*every, slice(None, None, TILE))] for part in parts]


def _to_factors(taps: Sequence[Tensor], out: Tensor) -> None:
    """Six neighbours to the six factors `out [6, ...]`."""
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


def _from_products(products: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Six products, which are overwritten, to the four outputs."""
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
