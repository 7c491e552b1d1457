"""The steps of Winograd's convolutions (`winograd.py`), what becomes of their inputs before and of their sums after.

There are two ways to do them: `winograd_torch.py`, and `winograd_compiled.py` where the machine has a compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

TILE = 4
"""Neighbours along an axis that share their products: inputs where a map doubles, F(4, 2), and outputs of F(4, 3)."""


@dataclass(frozen=True)
class Start:
    """What is convolved of a map: `scale * x`, or `relu(scale * x + shift)` where there is a shift, all in float32."""

    scale: Tensor
    """`[1 or B, in]`."""
    shift: Tensor | None = None
    """`[in]`."""


@dataclass(frozen=True)
class Finish:
    """What becomes of a convolution's sums: `leaky_relu(gain * sum + bias + added + noise)`, all in float32."""

    gain: Tensor | None = None
    """`[B, out]`; 1 if None."""
    bias: Tensor | None = None
    """`[out]`; 0 if None."""
    added: Tensor | None = None
    """`[1 or B, H, W, out]` of the output's size; 0 if None."""
    noise: Tensor | None = None
    """`[H, W]` of the output's size, the same for all channels; 0 if None."""
    slope: float = 1.0
    """By which negative values are multiplied."""


COLOURS = 3


@dataclass(frozen=True)
class Readout:
    """What is read off a finished map, pixel by pixel, while it is at hand: `weight @ pixel`."""

    weight: Tensor
    """`[1 or B, COLOURS, out]`."""
    sums: Tensor
    """`[B, H, W, COLOURS]`, onto which it is added."""


class Steps(Protocol):
    """Steps on strips of maps, channels last: rows of tiles, from one row of a map to another.

    Maps may be some channels of wider ones. Rows are always those of the input map. Factors and products of a tile are
    in the order across, then down.
    """

    conv_tile: int
    """Outputs of a tile along an axis, m of F(m, 3), where the map keeps its size."""

    conv_taps: tuple[tuple[float, float, float], ...]
    """Three taps to what the m + 2 factors are multiplied by."""

    strip_pixels: int
    """Pixels of a strip of the input that they are fastest with, about."""

    def laid_out(self, weight: Tensor) -> Tensor:
        """Weights `[count, in, out]` as `products` wants them."""
        ...

    def products(self, factors: Tensor, weight: Tensor, outputs: int) -> Tensor:
        """`[count, rows, in]` times weights that are laid out: `[count, rows, outputs]`."""
        ...

    def conv_factors(self, x: Tensor, rows: slice, start: Start | None) -> Tensor:
        """`[B, H, W, in]` as it starts to factors `[(m + 2)², tiles, in]`, zero outside the map."""
        ...

    def conv_output(
        self, products: Tensor, rows: slice, finish: Finish, out: Tensor, readout: Readout | None = None
    ) -> None:
        """Products `[(m + 2)², tiles, out]`, which may be overwritten, to rows of `out [B, H, W, out]`."""
        ...

    def conv_readout(self, products: Tensor, rows: slice, finish: Finish, readout: Readout) -> None:
        """As `conv_output`, of a map that nobody keeps."""
        ...

    def doubling_factors(self, x: Tensor, rows: slice, start: Start | None) -> list[Tensor]:
        """`[B, H, W, in]` as it starts to four sorts of factors.

        - `[25, tiles, in]` for even rows and columns of the doubled map;
        - `[5, 4 tiles, in]` for even rows and odd columns, in the order of the map's rows of tiles and columns;
        - `[5, 4 tiles, in]` for odd rows and even columns, in the order of the map's rows and columns of tiles;
        - `[1, 16 tiles, in]` for odd rows and columns, in the order of the map.
        """
        ...

    def doubling_output(
        self,
        products: list[Tensor],
        edge: Tensor,
        kept: Tensor,
        rows: slice,
        finish: Finish,
        out: Tensor,
    ) -> None:
        """Products to the doubled map and through the low pass.

        Args:
            products: of the four sorts of factors; may be overwritten.
            edge: `[B, 2 h, out]`, the doubled map's last column.
            kept: `[B, 3, 2 W + 3, out]`, the three rows of the doubled map before these, a zero at either end; becomes
                the last three of these.
            rows: of the input.
            finish: of the sums.
            out: `[B, 2 H, 2 W, out]`; written from row `2 rows.start - 2` (or 0) on, up to `2 rows.stop - 2`.
        """
        ...

    def doubling_end(self, kept: Tensor, last: Tensor, finish: Finish, out: Tensor) -> None:
        """The last two rows of `out [B, 2 H, 2 W, out]` of `kept` and one more row, `last [B, 2 W + 1, out]`."""
        ...
