import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeModel, FakeTracker, draw, performance, write_clip
from pdfgc.errors import InputError
from pdfgc.evaluation import commands
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
    assert done.returncode == 0 and done.stdout.startswith("1 clips x 9 rows")
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
