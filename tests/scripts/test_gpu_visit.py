"""A visit to a rented GPU: what goes there, what happens to it there, and what comes back, on tiny data."""

from __future__ import annotations

import json
import logging
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import gpu_jobs
import gpu_visit
import paper_overfit
from pdfgc.config import load_config
from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError
from pdfgc.training.checkpoint import Checkpoint, write_checkpoint
from pdfgc.training.loop import Outcome
from pdfgc.training.results import Results, read_result
from random_model import write_random_model
from synthetic import write_clip_set


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    """What `paper_overfit.py pack` writes, with one convolution for VGG."""
    folder = tmp_path / "heads"
    write_clip_set(folder / "shards", identities=1, clips=1, frames=8, size=32)
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    save_file(paper_overfit._to_8_bits({"c.weight": weight}), folder / "vgg.safetensors")
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheel of one module."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    about = "carried-1.dist-info"
    with zipfile.ZipFile(folder / "carried-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: carried\nVersion: 1\n")
        wheel.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(
            f"{about}/RECORD", f"carried.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"
        )
    return folder


def test_what_is_packed_is_ready_once_the_last_folder_is_there(
    tmp_path: Path, heads: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip_set(tmp_path / "shards", identities=2, clips=2, frames=12, size=32)
    monkeypatch.setattr(gpu_visit, "tree_size", lambda: 2**20)
    monkeypatch.setattr(gpu_visit, "_PART_MIB", 0.05)
    out, work = tmp_path / "visit", tmp_path / "work"
    folders = gpu_visit.pack(tmp_path / "shards", heads, out, wheels, limit_mib=1.12)
    assert len(folders) > 1 and (out / ".gitignore").read_text() == "*\n"
    for folder in folders:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 0.12 * 2**20 + 100

    for folder in reversed(folders):
        assert not (work / "shards").exists()
        gpu_visit.receive(folder, work)
    assert len(ClipSet.open(work / "shards")) == 4
    assert len(ClipSet.open(work / "heads" / "shards")) == 1
    assert load_file(work / "vgg.safetensors")["c.weight"].dtype == np.float32
    assert (work / "site" / "carried.py").is_file()


def test_ready_parts_are_taken_and_old_folders_go(
    tmp_path: Path, heads: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_visit, "tree_size", lambda: 0)
    (tmp_path / "ready").mkdir()
    (tmp_path / "ready" / "part00.tar").write_bytes(bytes(100_000))
    out = tmp_path / "visit"
    for limit in (0.1, 10.0):
        folders = gpu_visit.pack(tmp_path / "ready", heads, out, wheels, limit)
        assert sorted(out.glob("[0-9]*")) == folders
    assert [path.name for path in folders] == ["1"] and (out / "1" / "parts" / "part00.tar").is_file()


def test_what_does_not_fit_is_said(tmp_path: Path, heads: Path) -> None:
    with pytest.raises(InputError, match=r"at most 1\.0 MiB .* but parts/a has 2\.0"):
        gpu_visit.divide({"parts/a": 2 << 20}, 1 << 20)
    assert gpu_visit.divide({"a": 5, "b": 4, "c": 3, "d": 1}, 6) == [["a", "d"], ["b"], ["c"]]
    with pytest.raises(InputError, match="paper_overfit"):
        gpu_visit.pack(tmp_path, tmp_path, tmp_path / "out", None, 62)
    with pytest.raises(InputError, match=r"no visit\.json"):
        gpu_visit.receive(tmp_path, tmp_path / "work")


def test_a_collected_painter_comes_home(tmp_path: Path) -> None:
    base = write_random_model(tmp_path / "base.safetensors")
    model = read_result(base)
    painter = {name: value for name, value in model.tensors.items() if name.startswith("generator.")}
    averages = {name: value + 0.5 for name, value in painter.items()}
    tensors = {f"modules/{name}": value for name, value in model.tensors.items()}
    tensors |= {f"averages/{name}": value for name, value in averages.items()}
    stage = tmp_path / "work" / "small" / "stage3"
    write_checkpoint(stage / "checkpoints", Checkpoint(7, 0.1, {}, {}, tensors), keep=1)
    (stage / "samples").mkdir()
    for name in ("log.jsonl", "samples/00000001.jpg", "samples/00000002.jpg"):
        (stage / name).touch()

    *pieces, logs = gpu_visit.collect(tmp_path / "work", tmp_path / "out", piece_mib=0.1)
    assert len(pieces) > 1 and max(piece.stat().st_size for piece in pieces) <= 0.1 * 2**20
    with tarfile.open(logs) as tar:
        assert tar.getnames() == ["small/stage3/log.jsonl", "small/stage3/samples/00000002.jpg"]

    gpu_visit.join(pieces[::-1], tmp_path / "joined.safetensors", base)
    joined = read_result(tmp_path / "joined.safetensors")
    assert joined.about["stages"]["stage3"]["further_steps"] == 7
    assert joined.tensors.keys() == model.tensors.keys()
    for name, value in joined.tensors.items():
        assert torch.equal(value, averages[name].half() if name in averages else model.tensors[name]), name
    with pytest.raises(InputError, match="all pieces of one state"):
        gpu_visit.join(pieces[1:], tmp_path / "joined.safetensors", base)
    with pytest.raises(InputError, match="other tensors"):
        gpu_visit.join(pieces, tmp_path / "joined.safetensors")


def test_collect_without_a_checkpoint_brings_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text("not yet\n")
    assert [path.name for path in gpu_visit.collect(tmp_path, tmp_path / "out", 15)] == ["logs.tar.gz"]


def test_one_measurement_that_fails_does_not_stop_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs: dict[str, tuple[float, list[str]]] = {
        "slow": (0.5, ["-c", "import time; print('begun', flush=True); time.sleep(60)"]),
        "broken": (20, ["-c", "raise SystemExit(3)"]),
        "good": (20, ["-c", "print('fast')"]),
    }
    with caplog.at_level(logging.INFO):
        gpu_visit.measure(tmp_path, tmp_path / "out", jobs)
    assert (tmp_path / "out" / "good.txt").read_text() == "fast\n"
    said = [record.message for record in caplog.records]
    assert "out of time" in said[0] and "status 3" in said[1] and "status 0" in said[2]


def test_a_training_that_ends_at_once_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.py").write_text("import sys\nsys.exit('no GPU' if sys.argv[1] == 'paper' else 0)\n")
    monkeypatch.setattr(gpu_visit, "ROOT", tmp_path / "project")
    monkeypatch.setattr(gpu_visit, "JOBS", tmp_path / "jobs.py")
    for part in ("src", "scripts"):
        (tmp_path / "project" / part).mkdir(parents=True)
    with pytest.raises(InputError, match="paper ended at once: no GPU"):
        gpu_visit.train(tmp_path, 1, {"small": [], "paper": []})


def test_steps_follow_from_the_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "small" / "stage3" / "log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps({"seconds": seconds}) + "\n" for seconds in (9.0, 9.0, 0.1, 0.1)))
    asked: list[int] = []
    reasons = iter(["time", "finished", "time", "time", "stopped"])

    def train(stage: str, *, changes: list[str], **_: Any) -> list[Outcome]:
        asked.append(next(int(change.rpartition("=")[2]) for change in changes if "training.steps" in change))
        return [Outcome(stage, 100 * len(asked), 1.0, next(reasons), True)]  # type: ignore[arg-type]

    monkeypatch.setattr(gpu_jobs, "train", train)
    monkeypatch.setattr(gpu_jobs, "take_over_stages", lambda run: None)
    gpu_jobs.train_small(tmp_path, 10, [], "cpu")
    fit = 0.95 * 600 / 0.1
    assert asked == pytest.approx([10**6, 100 + fit, 200 + fit, 300 + fit], abs=20)
    gpu_jobs.train_small(tmp_path, 10, [], "cpu")
    assert len(asked) == 5, "once it was asked to stop, it stops"


def test_the_embedded_model_stands_for_the_earlier_stages(tmp_path: Path) -> None:
    gpu_jobs.take_over_stages(tmp_path)
    earlier = Results(tmp_path, "stage3")
    assert earlier.stages() == list(gpu_jobs.EARLIER)
    for stage, modules in gpu_jobs.EARLIER.items():
        result = earlier.of(stage)
        assert result.about["stages"][stage]["finished"]
        assert {name.partition(".")[0] for name in result.tensors} == set(modules)
        assert torch.float16 not in {value.dtype for value in result.tensors.values()}


@pytest.mark.parametrize("preset", [gpu_jobs.SMALL, gpu_jobs.PAPER])
def test_presets_are_understood(preset: Path) -> None:
    assert load_config(str(preset)).stages.stage3.training.checkpoint_minutes > 0
