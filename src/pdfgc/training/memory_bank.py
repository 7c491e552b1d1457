"""Memory banks: statistics over many more rows than a batch has (paper section 3.3, lip-motion decorrelation)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pdfgc.training.distributed import gather_rows


class MemoryBank(nn.Module):
    """The latest rows of several features that belong together; old rows carry no gradient.

    The rows are buffers, so a checkpoint holds them and resume is exact. Where several processes train together, the
    bank takes the rows of all, and is the same in all.
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
        self._known_count: int | None = 0
        self.register_load_state_dict_post_hook(_forget_count)

    def extend(self, **batch: Tensor) -> dict[str, Tensor]:
        """The batch followed by the bank's rows, for each feature; then the batch joins the bank.

        Args:
            batch: `[B, width]` for each feature; gradients flow through these rows only. Every process has to call,
                if need be with no rows; B is what they have together.

        Returns:
            `[B + min(filled, rows - B), width]` for each feature.
        """
        batch = {name: gather_rows(rows) for name, rows in batch.items()}
        filled = min(self._count(), self.rows)
        joined = {}
        for name in self.names:
            new, old = batch[name], getattr(self, f"rows_{name}")
            kept = old[: min(filled, max(self.rows - len(new), 0))]
            joined[name] = torch.cat([new, kept.to(new.dtype)])
            with torch.no_grad():
                old.copy_(torch.cat([new.detach().to(old.dtype), old])[: self.rows])
        added = len(next(iter(batch.values())))
        self._known_count = self._count() + added
        self.count += added
        return joined

    def _count(self) -> int:
        """`count`, read from the device only after a checkpoint was loaded: reading waits for a GPU."""
        if self._known_count is None:
            self._known_count = int(self.count)
        return self._known_count


def _forget_count(bank: nn.Module, keys: object) -> None:
    assert isinstance(bank, MemoryBank)
    bank._known_count = None
