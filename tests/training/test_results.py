"""What stages leave for each other and for `--model RUN`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.model import load
from pdfgc.training.results import Results, read_about, read_result, write_model, write_result
from random_model import write_random_model


def leave(
    run: Path,
    stage: str,
    tensors: dict[str, Tensor],
    finished: bool = True,
    used: dict[str, str] | None = None,
) -> Path:
    """The result of a stage."""
    path = run / stage / "weights.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"preset": "tiny", "stages": {stage: {"step": 3, "finished": finished, "used": used or {}}}}
    write_result(path, tensors, about)
    return path


def linear(value: float) -> dict[str, Tensor]:
    return {"lips.weight": torch.full((1, 2), value), "lips.bias": torch.zeros(1)}


def test_the_latest_stage_that_has_the_module_counts(tmp_path: Path) -> None:
    leave(tmp_path, "stage2-lips", linear(2.0))
    leave(tmp_path, "stage3", linear(3.0) | {"decoder.weight": torch.ones(1)})
    module = nn.Linear(2, 1)
    results = Results(tmp_path)
    results.load("lips", module)
    assert module.weight.tolist() == [[3.0, 3.0]] and set(results.used) == {"stage3"}
    before = Results(tmp_path, before="stage3")
    before.load("lips", module)
    assert module.weight.tolist() == [[2.0, 2.0]]
    path = tmp_path / "stage2-lips" / "weights.safetensors"
    assert before.used == {"stage2-lips": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_plan_loads_nothing_and_misses_nothing(tmp_path: Path) -> None:
    module = nn.Linear(2, 1)
    weight = module.weight.detach().clone()
    Results(tmp_path, pretend=True).load("lips", module)
    assert torch.equal(module.weight, weight)


def test_a_module_without_state_needs_no_stage(tmp_path: Path) -> None:
    Results(tmp_path).load("hearing", nn.Identity())


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no result of stage1 yet"):
        Results(tmp_path).of("stage1")
    with pytest.raises(InputError, match="has a module named lips"):
        Results(tmp_path).load("lips", nn.Linear(2, 1))
    leave(tmp_path, "stage1", linear(1.0))
    with pytest.raises(InputError, match="the module lips of stage1"):
        Results(tmp_path).load("lips", nn.Linear(3, 1))


def test_an_unfinished_stage_is_built_on_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave(tmp_path, "stage1", linear(1.0), finished=False)
    Results(tmp_path).of("stage1")
    assert "stage1 has not finished its steps" in caplog.text


def test_the_model_is_all_stages_together(tmp_path: Path) -> None:
    assert write_model(tmp_path) is None
    leave(tmp_path, "stage1", {"motion.weight": torch.ones(2)})
    leave(tmp_path, "stage2-lips", linear(2.0))
    leave(tmp_path, "stage3", linear(3.0))
    path = write_model(tmp_path)
    assert path == tmp_path / "model.safetensors"
    model = read_result(path)
    assert model.tensors.keys() == {"motion.weight", "lips.weight", "lips.bias"}
    assert model.module("lips")["weight"].tolist() == [[3.0, 3.0]]
    assert set(model.about["stages"]) == {"stage1", "stage2-lips", "stage3"}


@pytest.mark.parametrize("built_on", ["as it is", "before", "unknown"])
def test_a_model_of_stages_that_were_trained_apart_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, built_on: str
) -> None:
    first = leave(tmp_path, "stage1", {"motion.weight": torch.ones(2)})
    now = hashlib.sha256(first.read_bytes()).hexdigest()
    used = {"as it is": {"stage1": now}, "before": {"stage1": "ab"}, "unknown": {}}[built_on]
    leave(tmp_path, "stage2-lips", linear(2.0), used=used)
    path = write_model(tmp_path)
    assert path is not None
    told = f"{path} is made of parts that do not fit: stage2-lips was built on another stage1 than it holds"
    assert (told in caplog.text) == (built_on == "before") == bool(caplog.records)


def test_such_a_model_is_warned_of_when_it_is_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_random_model(tmp_path / "model.safetensors")
    model = read_result(path)
    stages = {"stage1": {"used": {}, "sha256": "a"}, "stage3": {"used": {"stage1": "b"}, "sha256": "c"}}
    write_result(path, model.tensors, {**model.about, "stages": stages})
    load(tmp_path)
    assert f"{tmp_path} is made of parts that do not fit: stage3 was built on another stage1" in caplog.text


def test_metadata_is_read_alone(tmp_path: Path) -> None:
    about = read_about(leave(tmp_path, "stage1", linear(1.0)))
    assert about["preset"] == "tiny" and set(about["stages"]) == {"stage1"}
    with pytest.raises(InputError, match="but there is none"):
        read_about(tmp_path / "weights.safetensors")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="but there is none"):
        read_result(tmp_path / "weights.safetensors")
    (tmp_path / "half.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="cannot be read as one"):
        read_result(tmp_path / "half.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="lacks the pdfgc metadata"):
        read_result(tmp_path / "other.safetensors")
