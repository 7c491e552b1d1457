"""Memory banks: statistics over many more rows than a batch has (paper section 3.3, lip-motion decorrelation)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """The latest rows of several features that belong together; old rows carry no gradient.

    The rows are buffers, so a checkpoint holds them and resume is exact.
    """

    count: Tensor

    def __init__(self, rows: int, **widths: int) -> None:
        """A bank of `rows` rows for each named feature: `MemoryBank(1024, expression=30, speech=512)`."""
        super().__init__()
        self.rows = rows
        self.names = tuple(widths)
        for name, width in widths.items():
            self.register_buffer(f"rows_{name}", torch.zeros(rows, width))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def extend(self, **batch: Tensor) -> dict[str, Tensor]:
        """The batch followed by the bank's rows, for each feature; then the batch joins the bank.

        Args:
            batch: `[B, width]` for each feature; gradients flow through these rows only.

        Returns:
            `[B + min(filled, rows - B), width]` for each feature.
        """
        filled = min(int(self.count), self.rows)
        joined = {}
        for name in self.names:
            new, old = batch[name], getattr(self, f"rows_{name}")
            kept = old[: min(filled, max(self.rows - len(new), 0))]
            joined[name] = torch.cat([new, kept.to(new.dtype)])
            with torch.no_grad():
                old.copy_(torch.cat([new.detach().to(old.dtype), old])[: self.rows])
        self.count += len(next(iter(batch.values())))
        return joined
