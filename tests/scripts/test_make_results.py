"""docs/results.md from results of tiny runs."""

from __future__ import annotations

from typing import Any

import make_results
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
