"""What a plan says of memory, against what autograd is known to keep."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from pdfgc.config_stages import Training
from pdfgc.data.clips import ClipSet
from pdfgc.training import descent as descent_module
from pdfgc.training import plan as plan_module
from pdfgc.training.plan import describe
from pdfgc.training.stage import Batch, Draw, Phase
from toy_stage import ComparingStage

WIDTH = 1000


class WideStage(ComparingStage):
    """Two layers; the backward pass needs the input, and the sigmoid's result."""

    def __init__(self) -> None:
        super().__init__(ClipSet([]))
        self.modules = {"motion": nn.Linear(6, WIDTH), "frozen": nn.Linear(WIDTH, 10)}
        self.phases = (Phase("motion", ("motion",)),)
        self.weights = {"mesh": 1.0}
        self.teacher: nn.Module | None = None

    def batch(self, draw: Draw) -> Batch:
        return {"input": torch.zeros(draw.count, 6)}

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        return {"mesh": self.modules["frozen"](torch.sigmoid(self.modules["motion"](batch["input"]))).sum()}


class LateStage(WideStage):
    """A second loss joins at step 50."""

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        losses = super().losses(phase, batch, step)
        if step >= 50:
            losses["late"] = self.modules["frozen"](torch.tanh(self.modules["motion"](batch["input"]))).sum()
        return losses


def test_losses_that_join_later_need_memory_too() -> None:
    needed = []
    for steps in (50, 60):
        lines = describe(LateStage(), Training(batch=100_000, steps=steps))
        needed.append(next(line for line in lines if "backward" in line))
    assert f"about {100_000 * (6 + WIDTH) * 4 / 1e6:.0f} MB" in needed[0]
    assert f"about {100_000 * (6 + 2 * WIDTH) * 4 / 1e6:.0f} MB" in needed[1]


def test_memory_is_counted_per_item() -> None:
    training = Training(batch=600, accumulation=2)
    text = "\n".join(describe(WideStage(), training))
    assert "motion: 0.007 M parameters, trained" in text and "frozen: 0.010 M parameters, frozen" in text
    parameters = 7 * WIDTH + 10 * WIDTH + 10 + 4 * 7 * WIDTH
    assert f"optimiser and averages: {4 * parameters / 1e6:.0f} MB" in text
    # a part of 300 items: 6 inputs and 1000 sigmoids each, in float32
    assert f"of 300 items: about {300 * (6 + WIDTH) * 4 / 1e6:.0f} MB" in text


@pytest.mark.parametrize(("ema", "phase_ema"), [(0.9, True), (0.0, True), (0.9, False)])
def test_judges_are_in_memory_too_and_only_averages_that_are_kept(
    ema: float, phase_ema: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "_activations", lambda stage, training, items, learning: 0.0)
    stage = WideStage()
    stage.teacher = nn.BatchNorm1d(WIDTH * WIDTH, affine=False)  # two buffers and a counter
    stage.modules["motion"] = nn.Linear(WIDTH, WIDTH)
    stage.phases = (Phase("motion", ("motion",), ema=phase_ema),)
    own = WIDTH * WIDTH + WIDTH
    copies = 4 + (ema > 0 and phase_ema)  # weights, gradients, two moments, averages
    held = 4 * (copies * own + 10 * WIDTH + 10 + 2 * WIDTH * WIDTH) + 8
    assert f"averages: {held / 1e6:.0f} MB" in "\n".join(describe(stage, Training(ema=ema)))


@pytest.mark.parametrize("known", [True, False])
def test_half_precision_needs_less_where_it_can_be_measured(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (plan_module, descent_module):
        monkeypatch.setattr(module, "half_precision", lambda kind: torch.bfloat16 if known else None)
    training = Training(batch=100_000)
    whole, half = (
        next(
            line
            for line in describe(WideStage(), dataclasses.replace(training, precision=precision))
            if "backward" in line
        )
        for precision in ("float32", "bfloat16")
    )
    megabytes = [int(line.split("about ")[1].split(" ")[0]) for line in (whole, half)]
    assert megabytes[0] == 402 and "float32" not in whole
    assert (
        195 < megabytes[1] < 210
        if known
        else "402 MB in float32, bfloat16 takes little more than half;" in half
    )


def test_parts_of_a_module_may_be_frozen() -> None:
    stage = WideStage()
    stage.modules["motion"].get_parameter("weight").requires_grad_(False)
    text = "\n".join(describe(stage, Training()))
    assert f"motion: 0.007 M parameters, {WIDTH / 1e6:.3f} M of them trained" in text
    stage.modules["bank"] = nn.Identity()
    assert "bank: no parameters" in "\n".join(describe(stage, Training()))
