"""docs/results.md from results of tiny runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

import make_results
from pdfgc.evaluation import commands
from pdfgc.evaluation.datasets import list_test_clips
from pdfgc.evaluation.signals import MEASURES


def _result(value: float | None, **extra: Any) -> dict[str, Any]:
    return {"value": value, "unit": "", "samples": 2, "settings": {}, **extra}


def _protocol(**values: float | None) -> dict[str, Any]:
    metrics = {name: _result(value, reason="no weights") for name, value in values.items()}
    return {
        "protocol": "self",
        "date": "2026-01-02T03:04:05",
        "pdfgc": "0.1",
        "model": "small",
        "weights": "abcdef",
        "settings": {"seconds": 2.0, "seed": 0},
        "summary": metrics,
        "clips": [{"name": "anna_0", "metrics": metrics}],
        "skipped": [{"name": "wall", "reason": "found no face"}],
    }


def _control() -> dict[str, Any]:
    wanted = {
        "wanted": True,
        "correlation": _result(0.9),
        "error": _result(1.5),
        "centred_error": _result(0.1),
    }
    still = {"wanted": False, "movement": _result(0.2)}
    row = {measure: wanted if measure == "mouth" else still for measure in MEASURES}
    return {
        "matrix": {"lips by audio": row},
        "rows": {"lips by audio": {"identity": _result(0.95)}},
        "mouth_against_speaker": {"0": _result(0.5)},
        "mouth_in_step": _result(0.6),
        "sound_offsets": {"anna_0.mp4": {"seconds": 0.12}, "bob.mp4": {"seconds": 0.0}},
    }


def test_the_document_holds_every_number_and_reason() -> None:
    results = {name: _protocol(lmd=1.25, lse_c=None, expression_error=0.005) for name in make_results.VERBS}
    cell = {kind: _result(0.75) for kind in ("correlation", "error", "centred_error", "movement")}
    case = {"pair": "demo", "frames": 10, "overall": {"identity": _result(0.9)}, "measures": {"yaw": cell}}
    text = make_results.document(
        results | {"control": _control(), "cases": {"cases": [case]}}, "make results"
    )
    assert "| ours, other clips | - | - | - | - | 1.25 |" in text
    assert "| PD-FGC | 0.156 | 0.188 |" in text and "| ours, other clips | 0.0050 † | - |" in text
    assert "Not measured: LSE-C ↑ (no weights)." in text and "Left out: wall: found no face" in text
    assert "| lips by audio | **0.90, 0.10** | 0.20 |" in text
    assert "r 0.500 with the sound as it comes, 0.600" in text and "anna_0.mp4 +0.12 s" in text
    assert "10 frames, identity 0.900" in text and "Weights abcdef" in text
    assert all(
        f"\n## {heading}" in text for heading in ("Self-driving", "Cross-identity", "The authors' demo case")
    )


def test_every_protocol_runs_on_the_listed_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        line.split("#")[0].strip()
        for line in make_results.BENCHMARKS.joinpath("development_clips.txt").open()
    ]
    names = [name for name in names if name]
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in (*names, "vox2_09_001.mp4", "stranger_00_000.mp4"):
        (clips / name).touch()
    taken: dict[str, list[str]] = {}

    def verb(report: Path, data: Path, test_list: Path | None = None, **options: Any) -> None:
        taken[report.name] = [clip.video.name for clip in list_test_clips(data, "folder", test_list, None, 0)]
        report.mkdir(parents=True)
        (report / "results.json").write_text(json.dumps({}))

    monkeypatch.setattr(make_results, "VERBS", {"self": verb})
    monkeypatch.setattr(commands, "control", verb)
    listed = make_results.BENCHMARKS / "development_clips.txt"
    options = argparse.Namespace(
        clips=clips, list=listed, demo=None, model="small", seconds=1.0, syncnet=None, inception=None,
        report=tmp_path / "out", only=("self", "control"),
    )  # fmt: skip
    make_results.measure(options)
    assert taken == {"self": names, "control": names} and len(names) == 6
