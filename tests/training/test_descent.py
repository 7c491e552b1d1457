"""A phase's optimiser: clipping, accumulation, float16 with scaled losses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pdfgc.config_stages import Training
from pdfgc.training import descent as descent_module
from pdfgc.training.descent import Descent, autocast
from pdfgc.training.stage import Phase

PHASE = Phase("net", ("net",), learning_rate=2.0)


def make(weight: float = 1.0, **settings: object) -> tuple[nn.Parameter, Descent]:
    parameter = nn.Parameter(torch.tensor([weight, 0.0]))
    training = Training(**{"learning_rate": 0.1, "clip": 0.0, **settings})  # type: ignore[arg-type]
    return parameter, Descent(PHASE, {"net": [parameter]}, training)


def test_the_phase_s_rate_and_accumulated_gradients() -> None:
    parameter, descent = make()
    descent.begin(0.05)
    for part in (3.0, 1.0):
        descent.add(part * parameter.sum() / 2)
    assert parameter.grad is not None and parameter.grad.tolist() == [2.0, 2.0]
    norm = descent.finish()["gradient"]
    assert norm.item() == pytest.approx(8**0.5)
    # Adam's first step is the rate, whatever the gradient
    assert parameter.tolist() == pytest.approx([1 - 2 * 0.05, -2 * 0.05], abs=1e-6)


def test_clipping_tells_the_norm_before() -> None:
    parameter, descent = make(clip=1.0)
    descent.begin(0.1)
    descent.add((parameter * torch.tensor([3.0, 4.0])).sum())
    assert descent.finish()["gradient"].item() == pytest.approx(5.0)
    assert parameter.grad is not None and parameter.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-4)


def test_float16_leaves_out_a_step_that_overflows_and_halves_the_scale() -> None:
    parameter, descent = make(precision="float16")
    descent.begin(0.1)
    descent.add(1e35 * parameter.sum())  # beyond float32 once it is scaled
    measures = descent.finish()
    assert measures["scale"].item() == 2.0**16 and not measures["gradient"].isfinite()
    assert parameter.tolist() == [1.0, 0.0], "the step was left out"
    descent.begin(0.1)
    descent.add(parameter.sum())
    measures = descent.finish()
    assert measures["scale"].item() == 2.0**15 and measures["gradient"].item() == pytest.approx(2**0.5)
    assert parameter.tolist() == pytest.approx([0.8, -0.2], abs=1e-6)


def test_the_scale_is_saved_with_the_optimiser() -> None:
    parameter, descent = make(precision="float16")
    for size in (1e35, 1.0):
        descent.begin(0.1)
        descent.add(size * parameter.sum())
        descent.finish()
    saved = {name: value.clone() for name, value in descent.tensors({parameter: "net.weight"}).items()}
    other_parameter, other = make(precision="float16")
    other_parameter.data.copy_(parameter.data)
    names: dict[Tensor, str] = {other_parameter: "net.weight"}
    other.restore(names, saved)
    for one in (descent, other):
        one.begin(0.1)
        one.add(one.parameters[0].square().sum())
    assert other.finish()["scale"].item() == descent.finish()["scale"].item() == 2.0**15
    assert torch.equal(other_parameter, parameter)


def test_a_checkpoint_of_another_precision_begins_a_scale() -> None:
    parameter, plain = make()
    plain.begin(0.1)
    plain.add(parameter.sum())
    plain.finish()
    saved = plain.tensors({parameter: "net.weight"})
    assert not any(name.startswith("scaler") for name in saved)
    other_parameter, other = make(precision="float16")
    other.restore({other_parameter: "net.weight"}, saved)
    other.begin(0.1)
    other.add(other_parameter.sum())
    assert other.finish()["scale"].item() == 2.0**16


def test_a_module_may_have_a_rate_of_its_own() -> None:
    one, other = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    phase = Phase("both", ("net", "encoder"), learning_rate=2.0, rates={"encoder": 0.1})
    descent = Descent(phase, {"net": [one], "encoder": [other], "buffers only": []}, Training(clip=0.0))
    descent.begin(0.05)
    descent.add(one.sum() + other.sum())
    descent.finish()
    # Adam's first step is the rate
    assert one.item() == pytest.approx(-0.1, abs=1e-6) and other.item() == pytest.approx(-0.01, abs=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_bfloat16_is_not_imitated(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descent_module, "half_precision", lambda kind: torch.bfloat16 if known else None)
    with autocast(Training(precision="bfloat16"), torch.device("cpu")):
        product = nn.Linear(2, 2)(torch.ones(1, 2))
    assert (product.dtype == torch.bfloat16) == known
