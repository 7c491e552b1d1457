"""Two processes that train together are one with the whole batch."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

import toy_stage
from pdfgc.errors import InputError
from pdfgc.training import distributed
from pdfgc.training import run as run_module
from pdfgc.training.checkpoint import list_checkpoints, read_checkpoint
from pdfgc.training.logs import read_log
from synthetic import write_clip_set
from two_processes import finish, start_two

CHANGES = ["training.steps=6", "training.batch=8", "training.learning_rate=1e-2", "training.warmup=3"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder)
    return folder


def start_training(data: Path, run: Path, *options: str) -> list[subprocess.Popen[str]]:
    """Both processes of `process_of_two.py`."""
    return start_two("process_of_two.py", str(data), str(run), *CHANGES, *options)


def test_two_processes_are_one_with_the_whole_batch(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = finish(start_training(data, tmp_path / "two", "training.workers=1"))
    assert [status for status, _ in ended] == [0, 0], ended
    torch.set_num_threads(1)
    monkeypatch.setattr(run_module, "_build", lambda name, setup: toy_stage.ComparingStage(setup.clips))
    run_module.train("stage1", data=data, run=tmp_path / "one", preset="tiny", changes=CHANGES, device="cpu")

    one, two = (read_log(tmp_path / run / "stage1") for run in ("one", "two"))
    assert len(two) == 6
    for alone, together in zip(one, two, strict=True):
        for line in (alone, together):
            del line["seconds"]
        assert together == pytest.approx(alone, rel=1e-4)
    states = [
        read_checkpoint(list_checkpoints(tmp_path / run / "stage1" / "checkpoints")[-1]).part("modules")
        for run in ("one", "two")
    ]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=1e-4), name
    assert (tmp_path / "two" / "model.safetensors").is_file()


def test_what_is_not_finite_in_one_process_stops_both(data: Path, tmp_path: Path) -> None:
    first, second = finish(start_training(data, tmp_path, "poison=2"))
    assert (first[0], second[0]) == (3, 3)
    assert "step 3 in the phase motion: not finite: mesh" in second[1]
    assert [path.name for path in (tmp_path / "stage1").glob("not-finite-*")] == [
        "not-finite-step-00000003-process-1.safetensors"
    ]
    assert "the process where it was has saved its batch" in first[1]


def test_a_signal_to_one_process_stops_both(data: Path, tmp_path: Path) -> None:
    processes = start_training(data, tmp_path, "training.steps=1000000")
    log = tmp_path / "stage1" / "log.jsonl"
    deadline = time.monotonic() + 240
    while not (log.is_file() and log.read_text().count("\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    assert [status for status, _ in finish(processes)] == [0, 0]
    done = len(read_log(tmp_path / "stage1"))
    (last,) = list_checkpoints(tmp_path / "stage1" / "checkpoints")[-1:]
    assert read_checkpoint(last).step == done > 3


def test_a_batch_must_divide_among_the_processes(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    from pdfgc.config import load_config
    from pdfgc.data.clips import ClipSet
    from pdfgc.training.loop import Loop

    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    stage = toy_stage.ComparingStage(ClipSet.open(data))
    with pytest.raises(InputError, match="accumulation and 3 processes divide"):
        Loop(stage, load_config("tiny", CHANGES), data / "none", {}, torch.device("cpu"))


def test_alone_everything_stays_as_it_is() -> None:
    rows = torch.ones(3, 2, requires_grad=True)
    assert distributed.gather_rows(rows) is rows
    assert distributed.any_process([True, False]) == [True, False]
    assert distributed.mean_of([1.5]) == [1.5]
    with distributed.joined(torch.device("cpu")) as device:
        assert device.type == "cpu" and distributed.world_size() == 1
