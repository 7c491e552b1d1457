"""Exponential moving averages of trained weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Averages:
    """Averaged weights beside the ones in training.

    Early on the average forgets faster, decay = min(decay, (1 + step) / (10 + step)), so that it does not
    remember the initial weights. Buffers are not averaged.

    Args:
        modules: those to average, by name.
        decay: per step; 0 keeps no average, and the weights in training stand for it.
    """

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self._live: dict[str, nn.Parameter] = {}
        if decay > 0:
            for module_name, module in modules.items():
                for name, parameter in module.named_parameters():
                    self._live[f"{module_name}.{name}"] = parameter
        self.tensors: dict[str, Tensor] = {name: live.detach().clone() for name, live in self._live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the averages towards the weights after step `step` (from 0)."""
        if self._live:
            decay = min(self.decay, (1 + step) / (10 + step))
            live = [parameter.detach() for parameter in self._live.values()]
            torch._foreach_lerp_(list(self.tensors.values()), live, 1 - decay)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over averages from a checkpoint; one that the checkpoint lacks keeps its present value."""
        for name, value in tensors.items():
            if name in self.tensors:
                self.tensors[name].copy_(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While the block runs, the modules hold the averaged weights; afterwards exactly the old ones again."""
        kept = {name: live.data for name, live in self._live.items()}
        try:
            for name, live in self._live.items():
                live.data = self.tensors[name]
            yield
        finally:
            for name, live in self._live.items():
                live.data = kept[name]
