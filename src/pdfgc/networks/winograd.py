"""3 x 3 convolutions in float32 on processors, with fewer multiplications.

Winograd's minimal filtering (Lavin and Gray, CVPR 2016): four neighbouring outputs of three taps, F(4, 3), need six
products instead of twelve, six of them, F(6, 3), eight instead of eighteen, and four of two taps, F(4, 2), five instead
of eight. Along both axes F(4, 3) leaves a quarter of the arithmetic of a plain convolution, F(6, 3) a fifth. One that
doubles its map has two taps for even rows and columns and one for odd ones: 81 products do the work of 144.

Maps are gone through in strips, tall enough that a matrix product has many rows to one set of weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.winograd_compiled import CompiledSteps
from pdfgc.networks.winograd_steps import TILE, Finish, Readout, Start, Steps
from pdfgc.networks.winograd_torch import TorchSteps

_TWO = ((1 / 2, 0), (-1 / 2, -1 / 2), (-1 / 6, 1 / 6), (1 / 6, 1 / 3), (0, 1))
"""Two taps to what the five factors are multiplied by."""


class WinogradConv:
    """A convolution of 3 x 3 taps, stride 1 and a zero beyond each border.

    Args:
        weight: `[out, in, 3, 3]` float32, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        self._outputs = len(weight)
        self._steps = best_steps()
        taps = torch.tensor(self._steps.conv_taps, dtype=torch.float64)
        moved = torch.einsum("ia,jb,ocab->jico", taps, taps, weight.double())
        self._weight = self._steps.laid_out(moved.float().flatten(0, 1))

    def __call__(
        self,
        x: Tensor,
        start: Start | None = None,
        finish: Finish | None = None,
        *,
        out: Tensor | None = None,
        readout: Readout | None = None,
    ) -> Tensor:
        """Convolves.

        Args:
            x: `[B, H, W, in]` float32; may be some channels of a wider map.
            start: of the input.
            finish: of the output.
            out: where the output goes, `[B, H, W, out]`, which may be some channels of a wider map.
            readout: of the output.

        Returns:
            `[B, H, W, out]`.
        """
        steps, finish = self._steps, finish or Finish()
        if out is None:
            out = x.new_empty(*x.shape[:3], self._outputs)
        for rows, products in self._products(x, start):
            steps.conv_output(products, rows, finish, out, readout)
        return out

    def read(self, x: Tensor, start: Start | None, finish: Finish, readout: Readout) -> None:
        """As a call, of an output that is read and not kept."""
        for rows, products in self._products(x, start):
            self._steps.conv_readout(products, rows, finish, readout)

    def _products(self, x: Tensor, start: Start | None) -> Iterator[tuple[slice, Tensor]]:
        """Strips of rows, and their products."""
        steps = self._steps
        batch, height, width, _ = x.shape
        for rows in _strips(height, batch * width, steps.conv_tile, steps.strip_pixels):
            factors = steps.conv_factors(x, rows, start)
            yield rows, steps.products(factors, self._weight, self._outputs)


class PointwiseConv:
    """A convolution of one pixel, which is one product of the kind that Winograd's way consists of.

    Args:
        weight: `[out, in, 1, 1]` float32, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        self._outputs = len(weight)
        self._steps = best_steps()
        self._weight = self._steps.laid_out(weight[:, :, 0, 0].T[None])

    def __call__(self, x: Tensor) -> Tensor:
        """`[B, H, W, in]` float32 to `[B, H, W, out]`."""
        products = self._steps.products(x.flatten(0, 2)[None], self._weight, self._outputs)
        return products.view(*x.shape[:3], self._outputs)


class WinogradDoubling:
    """A transposed convolution of 3 x 3 taps and stride 2, and the low pass that follows it in StyleGAN2.

    The low pass is `[1, 3, 3, 1] / 4` along both axes.

    Args:
        weight: `[in, out, 3, 3]` float32, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        self._outputs = weight.shape[1]
        taps = weight.double() / 16  # the low pass then is of whole numbers
        two = torch.tensor(_TWO, dtype=torch.float64)
        pair = [2, 0]  # of an even row: of the input's row above, of its own
        both = torch.einsum("ka,lb,coab->lkco", two, two, taps[:, :, pair][..., pair]).flatten(0, 1)
        down = torch.einsum("ka,coa->kco", two, taps[:, :, pair, 1])
        across = torch.einsum("kb,cob->kco", two, taps[:, :, 1, pair])
        plain = taps[None, :, :, 1, 1]
        self._steps = best_steps()
        self._weights = [self._steps.laid_out(weight.float()) for weight in (both, down, across, plain)]
        self._last_row, self._last_column = (self._of_line(line) for line in (taps[:, :, 2], taps[..., 2]))

    def __call__(self, x: Tensor, start: Start | None = None, finish: Finish | None = None) -> Tensor:
        """Convolves and filters.

        Args:
            x: `[B, H, W, in]` float32; without a copy where H and W are multiples of 4.
            start: of the input.
            finish: of the output.

        Returns:
            `[B, 2 H, 2 W, out]`.
        """
        steps, finish = self._steps, finish or Finish()
        batch, height, width, _ = x.shape
        below, right = -height % TILE, -width % TILE
        if below or right:
            begun = _started(x, start)  # what is added is zero, whatever the start would make of it
            whole = self(_padded(begun, below, right), None, _of_padded(finish, below, right))
            return whole[:, : 2 * height, : 2 * width]
        out = x.new_empty(batch, 2 * height, 2 * width, self._outputs)
        kept = x.new_zeros(batch, 3, 2 * width + 3, self._outputs)
        for rows in _strips(height, batch * width, TILE, steps.strip_pixels):
            factors = steps.doubling_factors(x, rows, start)
            products = [
                steps.products(sort, weight, self._outputs)
                for sort, weight in zip(factors, self._weights, strict=True)
            ]
            edge = self._of_column(x, rows, start)
            steps.doubling_output(products, edge, kept, rows, finish, out)
        steps.doubling_end(kept, self._spread(_started(x[:, -1:], start)[:, 0], self._last_row), finish, out)
        return out

    def _of_column(self, x: Tensor, rows: slice, start: Start | None) -> Tensor:
        """The doubled map's last column `[B, 2 h, out]`, from the input's last and the row above these."""
        before = max(rows.start - 1, 0)
        column = self._spread(_started(x[:, before : rows.stop, -1:], start)[:, :, 0], self._last_column)
        first = 2 * (rows.start - before)
        return column[:, first : first + 2 * (rows.stop - rows.start)].contiguous()

    def _of_line(self, taps: Tensor) -> Tensor:
        """A transposed convolution `[in, out, 3]` as `_spread` takes it."""
        return self._steps.laid_out(taps.transpose(1, 2).flatten(1).float()[None])

    def _spread(self, x: Tensor, weight: Tensor) -> Tensor:
        """`[B, L, in]` under a transposed convolution of stride 2: `[B, 2 L + 1, out]`.

        One matrix product: torch's own convolution would lay its weights out anew in each call, which costs more.
        """
        taps = self._steps.products(x.flatten(0, 1)[None], weight, 3 * self._outputs)
        even, odd, next_even = taps.view(*x.shape[:2], 3, self._outputs).unbind(2)
        spread = F.pad(torch.stack([even, odd], 2).flatten(1, 2), (0, 0, 0, 1))
        spread[:, 2::2] += next_even
        return spread


@cache
def best_steps() -> Steps:
    """The compiled steps, or those of torch where there are none."""
    return CompiledSteps.load() or TorchSteps()


def _padded(x: Tensor, below: int, right: int) -> Tensor:
    """`[B, H + below, W + right, C]`, zero there."""
    return F.pad(x, (0, 0, 0, right, 0, below))


def _of_padded(finish: Finish, below: int, right: int) -> Finish:
    """The finish of a doubled map whose input was padded."""
    added, noise = finish.added, finish.noise
    return replace(
        finish,
        added=None if added is None else _padded(added, 2 * below, 2 * right),
        noise=None if noise is None else F.pad(noise, (0, 2 * right, 0, 2 * below)),
    )


def _started(x: Tensor, start: Start | None) -> Tensor:
    """`[B, H, W, in]` as it is convolved."""
    if start is None:
        return x
    scaled = x * start.scale[:, None, None]
    return scaled if start.shift is None else F.relu(scaled + start.shift)


def _strips(height: int, width: int, tile: int, pixels: int) -> Iterator[slice]:
    """Rows that are gone through at once, whole tiles of a side: about so many pixels, of maps `width` wide in all."""
    most = tile * max(1, pixels // (tile * width))
    return (slice(first, min(first + most, height)) for first in range(0, height, most))
