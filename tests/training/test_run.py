"""Stages in a run folder: how they find each other, and what a run leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import toy_stage
from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError
from pdfgc.training import run as run_module
from pdfgc.training.logs import read_log
from pdfgc.training.loop import Loop, Outcome
from pdfgc.training.results import STAGES, Results, read_result
from pdfgc.training.run import plan, train
from pdfgc.training.stage import Setup, Stage
from synthetic import write_clip_set

CHANGES = ["training.steps=3", "training.batch=2", "training.precision=float32"]


class SecondStage(toy_stage.ToyStage):
    """Builds on the toy stage."""

    name = "stage2-lips"
    requires = ("stage1",)


@pytest.fixture(autouse=True)
def toy_stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two toy stages in place of the real ones."""
    torch.set_num_threads(1)

    def build(name: str, setup: Setup) -> Stage:
        weights = {"mesh": 1.0, "critic": 1.0}
        if name == "stage1":
            return toy_stage.ToyStage(setup.clips, weights)
        stage = SecondStage(setup.clips, weights, net="lips")
        stage.modules["motion"] = toy_stage.make_net()
        setup.earlier.load("motion", stage.modules["motion"])
        return stage

    monkeypatch.setattr(run_module, "_build", build)
    every = dict(STAGES)
    for name in list(STAGES)[2:]:
        del STAGES[name]
    yield
    STAGES.clear()
    STAGES.update(every)  # in their order


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder)
    return folder


def test_what_a_later_stage_lacks_is_said_before_the_first_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdfgc.priors.face_features.importlib.util.find_spec", lambda name: None)
    STAGES["stage3"] = "pdfgc.training.stage3"
    with pytest.raises(InputError, match="tflite"):
        train("all", data=data, run=tmp_path / "run", changes=CHANGES)
    assert not (tmp_path / "run").exists()


def test_all_stages_make_a_model(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    outcomes = train("all", data=data, run=run, preset="tiny", changes=CHANGES)
    assert [(o.stage, o.step, o.reason) for o in outcomes] == [
        ("stage1", 3, "finished"),
        ("stage2-lips", 3, "finished"),
    ]
    model = read_result(run / "model.safetensors")
    assert {name.split(".")[0] for name in model.tensors} == {"motion", "lips"}
    assert model.about["preset"] == "tiny"
    assert model.about["config"]["size"] == 64
    assert model.about["stages"]["stage1"]["finished"]
    assert list(model.about["stages"]["stage2-lips"]["used"]) == ["stage1"]
    assert (run / "config.yaml").is_file() and (run / "stage1" / "log.jsonl").is_file()
    assert train("all", data=data, run=run, preset="tiny", changes=CHANGES) == []


def test_a_later_stage_needs_the_earlier(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train the earlier stages first"):
        train("stage2-lips", data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    assert not (tmp_path / "stage2-lips").exists()


def test_an_earlier_stage_trained_further_is_noticed(data: Path, tmp_path: Path) -> None:
    train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    train("stage1", data=data, run=tmp_path, preset="tiny", changes=[*CHANGES, "training.steps=4"])
    for stage in ("stage2-lips", "all"):
        with pytest.raises(InputError, match="stage1 has been trained further"):
            train(stage, data=data, run=tmp_path, preset="tiny", changes=[*CHANGES, "training.steps=4"])


def test_an_earlier_stage_that_is_gone_is_noticed(data: Path, tmp_path: Path) -> None:
    for stage in ("stage1", "stage2-lips"):
        train(stage, data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    shutil.rmtree(tmp_path / "stage1")
    with pytest.raises(InputError, match=r"stage2-lips was built on stage1, whose result .* is gone"):
        train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES)


def test_training_further_what_others_are_built_on_is_warned_of(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    assert not caplog.records
    train("stage1", data=data, run=tmp_path, preset="tiny", changes=[*CHANGES, "training.steps=4"])
    later = tmp_path / "stage2-lips"
    assert "model.safetensors is made of parts that do not fit: stage2-lips was built on another stage1" in (
        caplog.text
    )
    assert (
        f"stage2-lips was built on stage1 as it is; once that is trained further, delete {later}"
        in caplog.text
    )


def test_a_finished_run_of_another_configuration(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    before = (tmp_path / "config.yaml").read_text()
    with pytest.raises(InputError, match=r"was trained with networks .* use another --run"):
        train("all", data=data, run=tmp_path, preset="small", changes=CHANGES)
    assert (tmp_path / "config.yaml").read_text() == before
    caplog.clear()
    train("all", data=data, run=tmp_path, preset="tiny", changes=[*CHANGES, "training.batch=4"])
    assert "stage1 is finished and stays as it is: its configuration has changed since" in caplog.text


def test_other_people_held_out_are_told_of(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train("stage1", data=data, run=tmp_path, preset="tiny", changes=CHANGES, max_minutes=0)
    person = ClipSet.open(data).identities[0]
    train("stage1", data=data, run=tmp_path, preset="tiny", changes=[*CHANGES, f"data.held_out=[{person}]"])
    assert "stage1 goes on with a changed data.held_out" in caplog.text


def test_other_clips_are_told_of_and_the_same_elsewhere_are_not(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved, other, run = tmp_path / "moved", tmp_path / "other", tmp_path / "run"
    shutil.copytree(data, moved)
    index = json.loads((moved / "index.json").read_text())
    index["rejected"] = [{"reason": "no face"}]  # of a video that was looked at later
    (moved / "index.json").write_text(json.dumps(index))
    write_clip_set(other, clips=1)
    train("stage1", data=data, run=run, preset="tiny", changes=CHANGES, max_minutes=0)
    train("stage1", data=moved, run=run, preset="tiny", changes=CHANGES, max_minutes=0)
    assert "clips" not in caplog.text
    train("stage1", data=other, run=run, preset="tiny", changes=CHANGES)
    assert "stage1 goes on with other clips than before: those of --data have changed" in caplog.text
    caplog.clear()
    train("all", data=other, run=run, preset="tiny", changes=CHANGES)
    assert "clips" not in caplog.text
    train("all", data=moved, run=run, preset="tiny", changes=CHANGES)
    told = "stage1 is finished and stays as it is: it was trained on other clips"
    assert told in caplog.text and "configuration" not in caplog.text


def test_the_time_budget_is_shared_and_leaves_a_model(data: Path, tmp_path: Path) -> None:
    outcomes = train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES, max_minutes=0)
    assert [(o.stage, o.step, o.reason) for o in outcomes] == [
        ("stage1", 1, "time"),
        ("stage2-lips", 1, "time"),
    ]
    assert not Results(tmp_path).of("stage1").about["stages"]["stage1"]["finished"]
    assert set(read_result(tmp_path / "model.safetensors").about["stages"]) == {"stage1", "stage2-lips"}


def test_an_unfinished_stage_is_told_of_once(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES, max_minutes=0)
    told = [record.getMessage() for record in caplog.records if "has not finished" in record.getMessage()]
    assert told == ["stage1 has not finished its steps; later stages will build on its present state"]


def test_all_again_goes_on_with_what_nothing_is_built_on(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES, max_minutes=0)
    outcomes = train("all", data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    assert [(o.stage, o.step, o.reason) for o in outcomes] == [("stage2-lips", 3, "finished")]
    assert "stage1 stays at step 1 of 3, because stage2-lips was built on it" in caplog.text


def test_shares_divide_what_is_left(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = []
    whole_run = Loop.run

    def noted(self: Loop, max_minutes: float | None = None) -> Outcome:
        budgets.append(max_minutes)
        return whole_run(self, max_minutes)

    monkeypatch.setattr(Loop, "run", noted)
    changes = [*CHANGES, "stages.stage2_lips.training.share=3"]
    train("all", data=data, run=tmp_path, preset="tiny", changes=changes, max_minutes=40)
    assert budgets == [pytest.approx(10, abs=0.5), pytest.approx(40, abs=1)]  # stage1 finished early


def test_a_misfit_names_the_module(data: Path, tmp_path: Path) -> None:
    train("stage1", data=data, run=tmp_path, preset="tiny", changes=CHANGES)
    with pytest.raises(InputError, match="module motion of stage1"):
        Results(tmp_path).load("motion", nn.Linear(2, 2))
    with pytest.raises(InputError, match="module named nothing"):
        Results(tmp_path).load("nothing", nn.Linear(2, 2))
    assert Results(tmp_path, before="stage1").stages() == []


def test_held_out_people_are_not_trained_on(data: Path, tmp_path: Path) -> None:
    text = plan("all", data=data, run=tmp_path, preset="tiny", changes=["data.held_out=[person_0]"])
    assert "4 clips of 2 people to train on, 2 clips of 1 person held out" in text
    assert "motion: 0.000 M parameters, trained" in text and "frozen: 0.000 M parameters, frozen" in text
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="none is left"):
        train("stage1", data=data, run=tmp_path, preset="tiny", changes=["data.exclude=['*']"])


def test_bad_words_are_explained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'stage2-lips'"):
        train("stage2-lip", data=data, run=tmp_path)
    with pytest.raises(InputError, match=r"has no index\.json"):
        train("stage1", data=tmp_path, run=tmp_path)
    with pytest.raises(InputError, match="a device such as cpu"):
        train("stage1", data=data, run=tmp_path, device="abacus")


def test_a_run_killed_goes_on_with_the_same_losses(data: Path, tmp_path: Path) -> None:
    """`kill -9` in the middle, in processes of its own; their workers outlive it for a while, and block nothing."""
    program = f"""
import os, sys, torch
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
torch.set_num_threads(1)
import toy_stage
from pdfgc.training import run as run_module
from pdfgc.training.loop import Loop
run_module._build = lambda name, setup: toy_stage.ToyStage(setup.clips, {{"mesh": 1.0, "critic": 1.0}})
fatal, step_of = int(sys.argv[2]), Loop._do_step
def do_step(self, parts, step):
    if step == fatal:
        os.kill(os.getpid(), 9)
    return step_of(self, parts, step)
Loop._do_step = do_step
run_module.train("stage1", data={str(data)!r}, run=sys.argv[1], preset="tiny",
                 changes=["training.steps=6", "training.checkpoint_steps=2", "training.workers=1"])
"""

    def call(run: Path, fatal: int) -> int:
        return subprocess.run([sys.executable, "-c", program, str(run), str(fatal)], check=False).returncode

    changes = ["training.steps=6", "training.checkpoint_steps=2"]
    train("stage1", data=data, run=tmp_path / "whole", preset="tiny", changes=changes)
    assert call(tmp_path / "killed", 3) == -9
    assert call(tmp_path / "killed", -1) == 0
    whole, killed = (
        [
            {key: value for key, value in line.items() if key != "seconds"}
            for line in read_log(tmp_path / name / "stage1")
        ]
        for name in ("whole", "killed")
    )
    assert len(whole) == 6 and whole == killed
