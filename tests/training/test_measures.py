"""The scalars of a step: means over parts and processes, and the guard against what is not finite."""

from __future__ import annotations

import math

import pytest
import torch

from pdfgc.training import distributed
from pdfgc.training.measures import Measures, NotFinite, Place

FIRST, SECOND = Place("net", 0), Place("net", 1)


def test_parts_are_averaged() -> None:
    measures = Measures()
    measures.add(FIRST, {"mesh": torch.tensor(1.0, requires_grad=True), "total": torch.tensor(4.0)})
    measures.add(SECOND, {"mesh": torch.tensor(2.0), "total": torch.tensor(5.0)})
    measures.add(Place("critic", 0), {"judge": torch.tensor(0.5, dtype=torch.bfloat16)})
    values, not_finite = measures.read()
    assert values == {"mesh": 1.5, "total": 4.5, "judge": 0.5} and not_finite is None


def test_the_first_bad_place_is_told() -> None:
    measures = Measures()
    measures.add(FIRST, {"mesh": torch.tensor(1.0)})
    measures.add(
        SECOND, {"mesh": torch.tensor(math.nan), "l1": torch.tensor(1.0), "total": torch.tensor(math.nan)}
    )
    measures.add(Place("critic", 0), {"judge": torch.tensor(math.inf)})
    assert measures.read()[1] == NotFinite(SECOND, ("mesh", "total"), here=True)


def test_what_may_overflow_is_left_out() -> None:
    measures = Measures(may_overflow=frozenset({"gradient"}))
    measures.add(FIRST, {"gradient": torch.tensor(math.inf), "mesh": torch.tensor(1.0)})
    assert measures.read() == ({"mesh": 1.0}, None)


def test_another_process_was_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "mean_of", lambda values: [math.nan for _ in values])
    measures = Measures()
    measures.add(FIRST, {"mesh": torch.tensor(1.0)})
    assert measures.read()[1] == NotFinite(FIRST, ("mesh",), here=False)


def test_names_belong_to_one_phase() -> None:
    measures = Measures()
    measures.add(FIRST, {"mesh": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="two phases of a stage name a loss 'mesh'"):
        measures.add(Place("critic", 0), {"mesh": torch.tensor(1.0)})


def test_a_step_without_phases_has_no_values() -> None:
    assert Measures().read() == ({}, None)
