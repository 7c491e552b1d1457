"""From comparisons to `results.json` and the table that is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pdfgc.evaluation.correlation import correlation
from pdfgc.evaluation.found_faces import found_faces, open_eyes
from pdfgc.evaluation.identity import identity
from pdfgc.evaluation.lip_sync import mouth_correlations
from pdfgc.evaluation.movement import movement
from pdfgc.evaluation.protocols import Comparison
from pdfgc.evaluation.result import MetricResult, summarise
from pdfgc.evaluation.signals import MEASURES
from pdfgc.evaluation.speed import speed
from pdfgc.evaluation.tracking_error import tracking_error
from pdfgc.files import write_text

SHOWN = ("mouth", "smile", "brow", "blink", "gaze_x", "gaze_y", "pitch", "yaw", "roll")
"""Measures with a column in the table; the JSON has them all."""

COVERS = "rendering from motion codes; not reading drivers, not writing or measuring the video"


def control_results(
    comparisons: Sequence[Comparison], measures: Sequence[str] = tuple(MEASURES)
) -> dict[str, Any]:
    """The control matrix over all pairs, each pair's own numbers, and what moves most where it should not.

    Args:
        comparisons: of `control_matrix`.
        measures: columns out of `MEASURES`.

    Returns:
        Each cell of `matrix[row][measure]` holds `movement`; the wanted ones also `correlation`, `error` and
        `centred_error` against the driver.
    """
    rows = list(dict.fromkeys(c.row for c in comparisons))
    by_row = {row: [c for c in comparisons if c.row == row] for row in rows}
    matrix = {row: {m: _cell(members, m) for m in measures} for row, members in by_row.items()}
    spoken = by_row.get("lips by audio", [])
    return {
        "matrix": matrix,
        "rows": {row: _overall(members) for row, members in by_row.items()},
        "mouth_against_speaker": _mouth(spoken),
        "largest_unwanted": _largest_unwanted(matrix),
        "pairs": [_pair(c, measures) for c in comparisons],
    }


def columns(results: dict[str, Any]) -> list[str]:
    """The measures that the table shows: the usual ones, or all that were chosen."""
    measured = next(iter(results["matrix"].values()))
    return list(measured) if len(measured) < len(MEASURES) else list(SHOWN)


def case_results(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Every case with the measures that its files drove."""
    return {"cases": [_pair(c, list(c.drivers)) for c in comparisons]}


def _cell(members: list[Comparison], measure: str) -> dict[str, Any]:
    wanted = measure in members[0].own
    min_sd = MEASURES[measure].min_sd
    pairs = [(c.drivers[measure], c.output.signals.values[measure]) for c in members]
    cell: dict[str, Any] = {"wanted": wanted, "movement": movement(pairs, min_sd).to_json()}
    if wanted:
        scored = [_against_driver(c, measure) for c in members]
        cell |= {name: summarise([s[name] for s in scored]).to_json() for name in scored[0]}
    return cell


def _against_driver(comparison: Comparison, measure: str) -> dict[str, MetricResult]:
    driver, output = comparison.drivers[measure], comparison.output.signals.values[measure]
    unit = MEASURES[measure].unit
    return {
        "correlation": correlation(driver, output, MEASURES[measure].min_sd),
        "error": tracking_error(driver, output, unit),
        "centred_error": tracking_error(driver, output, unit, centred=True),
    }


def _overall_of(comparison: Comparison) -> dict[str, MetricResult]:
    output = comparison.output
    return {
        "found_faces": found_faces(output.signals.found),
        "open_eyes": open_eyes(output.signals.found, output.signals.values["gaze_x"]),
        "identity": identity(comparison.portrait, output.seen.embeddings),
        "frames_per_second": speed(len(output.signals), output.seconds, covers=COVERS),
    }


def _overall(members: list[Comparison]) -> dict[str, Any]:
    each = [_overall_of(c) for c in members]
    return {name: summarise([e[name] for e in each]).to_json() for name in each[0]}


def _mouth(members: list[Comparison]) -> dict[str, Any]:
    """Mouth opening against the audio's own speaker, by offset in frames; `0` is the headline."""
    min_sd = MEASURES["mouth"].min_sd
    each = [mouth_correlations(c.drivers["mouth"], c.output.signals.values["mouth"], min_sd) for c in members]
    return {
        str(offset): summarise([e[offset] for e in each]).to_json() for offset in (each[0] if each else {})
    }


def _largest_unwanted(matrix: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The unwanted movement that is largest in each row that drives something, of the measures shown."""
    largest = {}
    for row, cells in matrix.items():
        unwanted = {
            m: cells[m]["movement"]["value"]
            for m in columns({"matrix": matrix})
            if not cells[m]["wanted"] and cells[m]["movement"]["value"] is not None
        }
        if unwanted:
            measure = max(unwanted, key=lambda m: unwanted[m])
            largest[row] = {"measure": measure, "movement": unwanted[measure]}
    return largest


def _pair(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    output = comparison.output.signals
    measures: dict[str, Any] = {}
    for measure in names:
        driver = comparison.drivers[measure]
        pairs = [(driver, output.values[measure])]
        measures[measure] = {"movement": movement(pairs, MEASURES[measure].min_sd).to_json()}
        if measure in comparison.own:
            scored = _against_driver(comparison, measure)
            measures[measure] |= {name: result.to_json() for name, result in scored.items()}
    return {
        "pair": comparison.pair,
        "row": comparison.row,
        "about": comparison.about,
        "frames": len(output),
        "measures": measures,
        "overall": {name: result.to_json() for name, result in _overall_of(comparison).items()},
    }


def write_results(results: dict[str, Any], folder: Path) -> Path:
    """Writes `results.json` into a folder, which is made when missing; NaN cannot occur in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    write_text(path, json.dumps(results, indent=1, allow_nan=False) + "\n")
    return path


def control_table(results: dict[str, Any]) -> str:
    """The matrix as text: `r error` where movement is wanted, relative movement elsewhere."""
    shown = columns(results)
    lines = [["driven", *shown, "SFace", "found", "fps"]]
    for row, cells in results["matrix"].items():
        overall = results["rows"][row]
        ends = [_number(overall[n]["value"]) for n in ("identity", "found_faces", "frames_per_second")]
        lines.append([row, *(cell_text(cells[m], m) for m in shown), *ends])
    notes = [
        "wanted: [correlation, mean error]; elsewhere: movement relative to the driver's own; - undefined"
    ]
    for offset, result in results["mouth_against_speaker"].items():
        notes.append(f"mouth against the speaker at {int(offset):+d} frames: r {_number(result['value'])}")
    if (in_step := results.get("mouth_in_step")) is not None:
        notes.append(f"mouth with each clip's own sound offset taken out: r {_number(in_step['value'])}")
    return _align(lines) + "\n" + "\n".join(notes) + "\n"


def case_table(results: dict[str, Any]) -> str:
    """One block a case: correlation, error, centred error and relative movement of what its files drove."""
    blocks = []
    for case in results["cases"]:
        lines = [["measure", "r", "error", "centred", "movement", "unit"]]
        for measure, cell in case["measures"].items():
            kinds = ("correlation", "error", "centred_error", "movement")
            lines.append([measure, *(_number(cell[k]["value"]) for k in kinds), MEASURES[measure].unit])
        overall = {name: _number(result["value"]) for name, result in case["overall"].items()}
        summary = ", ".join(f"{name} {value}" for name, value in overall.items())
        blocks.append(f"{case['pair']}: {case['frames']} frames, {summary}\n{_align(lines)}")
    return "\n".join(blocks)


def cell_text(cell: dict[str, Any], measure: str, *, wanted: tuple[str, str] = ("[", "]")) -> str:
    """A cell of the matrix in words, with marks around what is wanted: correlation and error, or movement."""
    if not cell["wanted"]:
        return _number(cell["movement"]["value"])
    error = cell["centred_error" if MEASURES[measure].centred else "error"]["value"]
    return f"{wanted[0]}{_number(cell['correlation']['value'])}, {_number(error)}{wanted[1]}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 0.095 or value == 0 else f"{value:.3f}"


def _align(lines: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join("  ".join(line).rstrip() + "\n" for line in padded)
