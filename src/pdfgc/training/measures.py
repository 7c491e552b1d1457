"""The losses and measures of one step: kept on the device until the step is done, then read at once.

Every reading of a number makes the processor wait for the GPU; one a step is enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pdfgc.training import distributed


@dataclass(frozen=True)
class Place:
    """Where in a step something was measured."""

    phase: str
    part: int
    """Which part of the batch."""


@dataclass(frozen=True)
class NotFinite:
    """What was infinite or not a number."""

    place: Place
    """The first place where something was."""
    names: tuple[str, ...]
    here: bool
    """Whether the first of the names was in this process; losses of gathered rows fail in all processes together."""


@dataclass
class Measures:
    """Scalars of a step by name, with the place that each belongs to."""

    may_overflow: frozenset[str] = frozenset()
    """Names that may be infinite or NaN without harm: they are left out of `means` then."""
    _places: list[tuple[Place, str]] = field(default_factory=list)
    _scalars: list[Tensor] = field(default_factory=list)

    def add(self, place: Place, scalars: Mapping[str, Tensor]) -> None:
        """Notes scalars; those of several parts with one name are averaged.

        Raises:
            ValueError: when another phase has a scalar of the same name.
        """
        for name, scalar in scalars.items():
            if any(known == name and where.phase != place.phase for where, known in self._places):
                raise ValueError(f"two phases of a stage name a loss {name!r}")
            self._places.append((place, name))
            self._scalars.append(scalar.detach().float())

    def read(self) -> tuple[dict[str, float], NotFinite | None]:
        """The mean of every scalar over the parts and processes, and what is not finite in any process."""
        own: list[float] = torch.stack(self._scalars).tolist() if self._scalars else []
        everywhere = distributed.mean_of(own)
        by_name: dict[str, list[float]] = {}
        for (_, name), value in zip(self._places, everywhere, strict=True):
            by_name.setdefault(name, []).append(value)
        means = {name: sum(values) / len(values) for name, values in by_name.items()}
        for name in self.may_overflow:
            if not math.isfinite(means.get(name, 0.0)):
                del means[name]
        return means, self._first_not_finite(own, everywhere)

    def _first_not_finite(self, own: list[float], everywhere: list[float]) -> NotFinite | None:
        bad = [
            (place, name)
            for (place, name), value in zip(self._places, everywhere, strict=True)
            if not math.isfinite(value) and name not in self.may_overflow
        ]
        if not bad:
            return None
        first = bad[0][0]
        names = tuple(name for place, name in bad if place == first)
        here = not math.isfinite(own[self._places.index(bad[0])])
        return NotFinite(first, names, here)
