"""Averaged weights against hand-computed numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pdfgc.training.averages import Averages


def one_weight(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_early_steps_forget_faster() -> None:
    layer = one_weight(0.0)
    averages = Averages({"net": layer}, decay=0.5)
    nn.init.constant_(layer.weight, 1.0)
    averages.update(0)  # decay 1/10
    assert averages.tensors["net.weight"].item() == pytest.approx(0.9)
    averages.update(1)  # decay 2/11
    assert averages.tensors["net.weight"].item() == pytest.approx(1 - 0.1 * 2 / 11)
    averages.update(1000)  # the decay asked for
    assert averages.tensors["net.weight"].item() == pytest.approx(1 - 0.1 * 2 / 11 * 0.5)


def test_in_place_lends_the_averages_to_the_modules() -> None:
    layer = one_weight(0.0)
    averages = Averages({"net": layer}, decay=0.9)
    nn.init.constant_(layer.weight, 4.0)
    with pytest.raises(RuntimeError, match="in between"), averages.in_place():
        assert layer.weight.item() == 0.0
        raise RuntimeError("in between")
    assert layer.weight.item() == 4.0 and averages.tensors["net.weight"].item() == 0.0


def test_without_decay_the_weights_stand_for_their_average() -> None:
    layer = one_weight(2.0)
    averages = Averages({"net": layer}, decay=0.0)
    averages.update(0)
    assert averages.tensors == {}
    with averages.in_place():
        assert layer.weight.item() == 2.0


def test_restore_takes_what_it_knows_and_keeps_the_layout() -> None:
    convolution = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averages = Averages({"net": convolution}, decay=0.9)
    saved = torch.rand(3, 2, 3, 3)
    averages.restore({"net.weight": saved, "gone.weight": torch.ones(1)})
    kept = averages.tensors["net.weight"]
    assert torch.equal(kept, saved) and kept.is_contiguous(memory_format=torch.channels_last)
    assert set(averages.tensors) == {"net.weight", "net.bias"}
