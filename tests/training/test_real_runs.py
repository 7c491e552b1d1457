"""Whole runs of real stages, on made-up clips: killed and continued, in 16 bits, and under torchrun."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdfgc.training.logs import read_log
from pdfgc.training.results import STAGES, read_result
from pdfgc.training.run import train
from synthetic import write_clip_set

CHANGES = ("training.batch=2", "training.workers=0", "weights.perceptual=0", "training.sample_every=0")
OF_PRESET = {"tiny": ("networks.speech=mel",), "paper_tiny": ()}

COMPARED = {"l1", "pose", "geometry", "matching", "adversarial", "discriminator", "mesh", "flow"}
"""Losses that rounding moves little; untrained features differ too little for those that tell them apart."""

KILLED = """
import os, sys
import torch
from pdfgc.cli import main
from pdfgc.training.loop import Loop
torch.set_num_threads(1)
stage, fatal, step_of = sys.argv[1], int(sys.argv[2]), Loop._do_step
def do_step(self, parts, step):
    if self.stage.name == stage and step == fatal:
        os.kill(os.getpid(), 9)
    return step_of(self, parts, step)
Loop._do_step = do_step
sys.exit(main(sys.argv[3:]))
"""
"""`pdfgc ...` that dies in a step of a stage, as by `kill -9`."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder, identities=3, clips=1, frames=30, size=64)
    return folder


def words(stage: str, preset: str, data: Path, run: Path, *changes: str) -> list[str]:
    every = (*CHANGES, *OF_PRESET[preset], *changes)
    chosen = [word for change in every for word in ("--set", change)]
    return ["train", stage, "--preset", preset, "--data", str(data), "--run", str(run), *chosen]


def losses(run: Path, stage: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in read_log(run / stage)]


@pytest.mark.parametrize("preset", OF_PRESET)
def test_all_stages_killed_in_the_last_one_go_on_bit_for_bit(preset: str, data: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "MKL_CBWR": "COMPATIBLE"}  # wherever its memory lies (docs/training.md)

    def call(run: str, fatal: int) -> int:
        steps = ("training.steps=3", "training.checkpoint_steps=1")
        arguments = ["stage3", str(fatal), *words("all", preset, data, tmp_path / run, *steps)]
        command = [sys.executable, "-c", KILLED, *arguments]
        return subprocess.run(command, check=False, capture_output=True, env=environment).returncode

    assert call("whole", -1) == 0
    assert call("killed", 2) == -9
    assert not (tmp_path / "killed" / "stage3" / "weights.safetensors").exists()
    assert call("killed", -1) == 0
    for stage in STAGES:
        assert len(losses(tmp_path / "whole", stage)) == 3
        assert losses(tmp_path / "killed", stage) == losses(tmp_path / "whole", stage), stage
    killed, whole = (read_result(tmp_path / run / "model.safetensors").tensors for run in ("killed", "whole"))
    assert killed.keys() == whole.keys() and all(killed[name].equal(whole[name]) for name in whole)


@pytest.fixture(scope="module", params=OF_PRESET)
def exact(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all stages of a preset in float32; the folder has the preset's name."""
    run = tmp_path_factory.mktemp("exact") / request.param
    changes = [*CHANGES, *OF_PRESET[request.param], "training.steps=2", "training.precision=float32"]
    train("all", data=data, run=run, preset=request.param, changes=changes)
    return run


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_every_stage_trains_in_16_bits(precision: str, exact: Path, data: Path, tmp_path: Path) -> None:
    changes = [*CHANGES, *OF_PRESET[exact.name], "training.steps=2", f"training.precision={precision}"]
    off = {}
    for stage in STAGES:
        for earlier in list(STAGES)[: list(STAGES).index(stage)]:
            shutil.copytree(exact / earlier, tmp_path / stage / earlier)
        train(stage, data=data, run=tmp_path / stage, preset=exact.name, changes=changes)
        found, expected = losses(tmp_path / stage, stage), losses(exact, stage)
        assert len(found) == 2
        for name, value in expected[0].items():
            if isinstance(value, float) and "gradient" not in name:
                assert np.isfinite(found[1][name])
            if name in COMPARED:
                off[stage, name] = abs(found[0][name] - value) / max(abs(value), 0.1)
    assert not {place: value for place, value in off.items() if value > 0.1}


def test_torchrun_trains_a_stage_in_two_processes(data: Path, tmp_path: Path) -> None:
    changes = ("training.steps=2", "training.batch=4", "training.precision=float32", "weights.motion=0")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    pdfgc = ["--no-python", "--", sys.executable, "-m", "pdfgc.cli"]
    done = subprocess.run(
        [*torchrun, *pdfgc, *words("stage1", "paper_tiny", data, tmp_path / "two", *changes)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    train(
        "stage1",
        data=data,
        run=tmp_path / "one",
        preset="paper_tiny",
        changes=[*CHANGES, *changes],
    )
    two, one = losses(tmp_path / "two", "stage1"), losses(tmp_path / "one", "stage1")
    assert [line["step"] for line in two] == [1, 2]
    assert two[0]["l1"] == pytest.approx(one[0]["l1"], rel=1e-3)
    assert (tmp_path / "two" / "model.safetensors").is_file()
