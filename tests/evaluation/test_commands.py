import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeModel, FakeTracker, draw, performance, write_clip
from pdfgc.errors import InputError
from pdfgc.evaluation import commands, sound_lag
from pdfgc.evaluation.datasets import list_test_clips
from pdfgc.face import tracker
from pdfgc.model_digest import weights_digest
from pdfgc.priors import identity


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Any:
    model = FakeModel()
    monkeypatch.setitem(sys.modules, "pdfgc.model", SimpleNamespace(load=lambda name: model))
    monkeypatch.setattr(tracker, "FaceTracker", FakeTracker)
    monkeypatch.setattr(identity, "FaceIdentity", FakeIdentity)
    return model


def test_control_writes_results_and_a_table(
    faked: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "a.mp4", performance(15, yaw=10.0, mouth=0.5))
    commands.control(data=tmp_path, report=tmp_path / "out", seconds=0.5)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["protocol"] == "control" and results["weights"] == weights_digest(faked)
    assert results["settings"]["seconds"] == 0.5
    assert results["pairs"][0]["frames"] == 12
    assert results["matrix"]["pose"]["yaw"]["correlation"]["value"] > 0.9
    assert "lips by audio" in capsys.readouterr().out


def test_control_takes_the_clips_that_the_other_protocols_take(
    faked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """VoxCeleb2's layout: the same name for everybody, two clips of the first person, the sound apart."""
    for name in ("id00001/aaa/00001", "id00001/aaa/00002", "id00002/bbb/00001", "id00003/ccc/00001"):
        (tmp_path / "vox" / "mp4" / name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(tmp_path / "vox" / "mp4" / f"{name}.mp4", performance(10, mouth=0.5), sound=False)
    spoken = write_clip(tmp_path / "spoken.mp4", performance(10, mouth=0.5))
    for path in list((tmp_path / "vox" / "mp4").rglob("*.mp4")):
        sound = tmp_path / "vox" / "aac" / path.relative_to(tmp_path / "vox" / "mp4").with_suffix(".m4a")
        sound.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(spoken, sound)
    (tmp_path / "test.txt").write_text("id00001\nid00002\n")
    asked: list[tuple[Path, Path]] = []

    def offset_of(video: Path, sound: Path) -> dict[str, Any]:
        asked.append((video, sound))
        return {"seconds": 0.0}

    monkeypatch.setattr(sound_lag, "offsets", lambda folder: offset_of)
    chosen: dict[str, Any] = {
        "layout": "voxceleb2", "test_list": tmp_path / "test.txt", "limit": 2, "seed": 3,
    }  # fmt: skip
    commands.control(data=tmp_path / "vox", report=tmp_path / "out", seconds=0.3, sound_offset=True, **chosen)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    same = list_test_clips(tmp_path / "vox", "voxceleb2", tmp_path / "test.txt", 2, 3)
    assert [pair["pair"] for pair in results["pairs"] if pair["row"] == "pose"] == [
        f"{clip.name} -> {clip.name}" for clip in same
    ]
    assert {clip.identity for clip in same} == {"id00001", "id00002"}
    assert results["settings"]["people"] == results["settings"]["clips"] == 2
    assert results["settings"]["seed"] == 3 and results["settings"]["test_list"] == str(tmp_path / "test.txt")
    driven = next(p["about"] for p in results["pairs"] if "id00002" in p["pair"] and p["row"] == "all")
    assert driven["drivers"]["audio"] == "aac/id00002/bbb/00001.m4a"
    assert driven["drivers"]["pose"] == driven["portrait"] == "mp4/id00002/bbb/00001.mp4"
    assert set(results["sound_offsets"]) == {clip.name for clip in same}
    assert asked == [(clip.video, clip.sound) for clip in same]
    capsys.readouterr()
    commands.control(data=tmp_path / "vox", report=tmp_path / "other", dry_run=True, **chosen)
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{clip.name}: {clip.video}, {clip.identity}" for clip in same
    ]


def test_cases_write_results(faked: Any, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", performance(15, yaw=10.0))
    Image.fromarray(draw()).save(tmp_path / "face.png")
    (tmp_path / "cases.yaml").write_text("cases: [{portrait: face.png, pose: a.mp4}]")
    commands.cases(cases=tmp_path / "cases.yaml", report=tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["cases"][0]["measures"]["yaw"]["correlation"]["value"] > 0.9


def test_nothing_that_can_be_evaluated_is_one_sentence(faked: Any, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", [draw(present=0.0)] * 5)
    with pytest.raises(InputError, match=r"nothing could be evaluated.*found no face"):
        commands.control(data=tmp_path, report=tmp_path / "out")
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_dry_run_needs_no_model_and_writes_nothing(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", performance(2))
    words = ["--data", str(tmp_path), "--report", str(tmp_path / "out"), "--dry-run"]
    done = _pdfgc("evaluate", "control", *words)
    assert done.returncode == 0 and done.stdout.startswith("1 clip x 9 rows")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["control", "--data", "absent"], "nothing is there"),
        (["control", "--data", ".", "--seconds", "0"], "--seconds above 0"),
        (["cases", "--cases", "absent.yaml"], "cannot read the cases"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = _pdfgc("evaluate", *words, "--report", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr and len(done.stderr.splitlines()) == 1


def _pdfgc(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pdfgc.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)
