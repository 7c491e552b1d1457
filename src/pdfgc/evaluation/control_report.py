"""The control matrix, and single cases, as pages: heat map, pictures, curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.evaluation import page
from pdfgc.evaluation.cases import Case, is_filmed
from pdfgc.evaluation.charts import Curves, draw_curves
from pdfgc.evaluation.protocols import REPLAY, Comparison
from pdfgc.evaluation.report import cell_text, columns, write_results
from pdfgc.evaluation.signals import MEASURES, pingpong
from pdfgc.evaluation.strips import chosen_frames, strip_of_video, to_jpeg
from pdfgc.evaluation.tables import markdown, number
from pdfgc.files import write_text

WANTED_MOVEMENT = 0.35
"""Movement of what is not driven, relative to the driver's own, that the project's goal allows."""

UNITS = (
    "Errors are in cm (mouth, brow), log-odds of MediaPipe's score (smile), eye widths (blink, gaze) and degrees; gaze "
    "counts where eyes are open."
)
"""What the numbers of a control matrix are in."""

ABOUT = (
    "Each row drives one factor (or all) by a clip while everything else is held. Blue: what is meant to follow, "
    "with its correlation and, below, its mean error. White to red: what should stay still, with its movement "
    "relative to the driver's own (goal: at most 0.35). The row 'nothing' shows what the trackers see in a frozen "
    f"picture, 'driver itself' what they see in a perfect result. A dash: the clip itself hardly moves it. {UNITS}"
)


def write_control_page(results: dict[str, Any], comparisons: Sequence[Comparison], folder: Path) -> Path:
    """Writes `results.json`, `report.html` and `report.md` of a control matrix; the path of the page."""
    write_results(results, folder)
    parts = [
        page.heading("Control matrix", ABOUT, results),
        "<h2>What moves when one factor is driven</h2>",
        heat_map(results),
        _notes(results),
        page.left_out(results),
        '<h2>Pictures and curves, worst first</h2><p class="note">By the correlation of what was meant to follow, over '
        "all rows. The curves are those of the row 'all'.</p>",
        page.key(),
        *(_pair_section(pair, members) for pair, members in _worst_first(comparisons)),
    ]
    write_text(
        folder / "report.md",
        f"# Control matrix\n\n{ABOUT}\n\n{page.instruments(results)}\n\n{control_markdown(results)}",
    )
    path = folder / "report.html"
    write_text(path, page.page("Control matrix", parts))
    return path


def write_cases_page(
    results: dict[str, Any],
    run: Sequence[tuple[Case, Comparison]],
    times_of: Callable[[Path], np.ndarray],
    folder: Path,
) -> Path:
    """Writes `results.json`, `report.html` and `report.md` of cases.

    Args:
        results: what is written of them.
        run: of `run_cases`: what was rendered.
        times_of: seconds of the frames of a filmed driver.
        folder: that exists.

    Returns:
        the page.
    """
    write_results(results, folder)
    about = "Each case renders a portrait under the drivers that its file names; each factor is compared with its own."
    sections = []
    for case, (source, comparison) in zip(results["cases"], run, strict=True):
        pictures = _driver_rows(source, comparison.output.signals.times, times_of)
        if comparison.output.strip is not None:
            pictures.append(("result", comparison.output.strip.read_bytes()))
        parts = [page.table(case_rows(case)), page.figure(pictures), draw_curves(_curves(comparison))]
        sections.append(page.clip_section(comparison.pair, _overall(case), parts))
    parts = [page.heading("Cases", about, results), page.left_out(results), page.key(), *sections]
    text = "".join(
        f"\n## {case['pair']}\n\n{_overall(case)}\n\n{markdown(case_rows(case))}" for case in results["cases"]
    )
    write_text(folder / "report.md", f"# Cases\n\n{about}\n{text}")
    path = folder / "report.html"
    write_text(path, page.page("Cases", parts))
    return path


def heat_map(results: dict[str, Any]) -> str:
    """The matrix with colours: blue where movement is wanted, white to red where it is not."""
    shown = columns(results)
    rows = []
    for row, cells in results["matrix"].items():
        rows.append((row, [_heat_cell(cells[measure], measure) for measure in shown]))
    return page.heat_map(shown, rows)


def control_markdown(results: dict[str, Any]) -> str:
    """The matrix as a Markdown table: bold where movement is wanted (correlation, error)."""
    shown = columns(results)
    lines = [["driven", *shown, "SFace"]]
    for row, cells in results["matrix"].items():
        likeness = number(results["rows"][row]["identity"]["value"])
        lines.append([row, *(cell_text(cells[m], m, wanted=("**", "**")) for m in shown), likeness])
    return markdown(lines)


def case_rows(case: dict[str, Any]) -> list[list[str]]:
    """What each measure of a case shows, with a heading."""
    kinds = ("correlation", "error", "centred_error", "movement")
    rows = [["measure", "r", "error", "error of the movement", "movement", "unit"]]
    for measure, cell in case["measures"].items():
        rows.append([measure, *(number(cell[kind]["value"]) for kind in kinds), MEASURES[measure].unit])
    return rows


def _heat_cell(cell: dict[str, Any], measure: str) -> str:
    if cell["wanted"]:
        r = cell["correlation"]["value"]
        error = cell["centred_error" if MEASURES[measure].centred else "error"]["value"]
        strength = 0.0 if r is None else max(0.0, min(1.0, r))
        return page.heat_cell(
            number(r), f"± {number(error)}", _mix((235, 242, 250), (18, 84, 150), strength), strength > 0.55
        )
    value = cell["movement"]["value"]
    strength = 0.0 if value is None else min(1.0, value / (2 * WANTED_MOVEMENT))
    return page.heat_cell(number(value), "", _mix((250, 250, 249), (190, 40, 30), strength), strength > 0.6)


def _mix(low: tuple[int, int, int], high: tuple[int, int, int], share: float) -> str:
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(low, high, strict=True))


def _notes(results: dict[str, Any]) -> str:
    spoken = results["mouth_against_speaker"].get("0")
    facts = [] if spoken is None else [f"mouth against the speaker of the sound: r {number(spoken['value'])}"]
    in_step = results.get("mouth_in_step")
    if in_step is not None:
        facts.append(f"with each clip's own sound offset taken out: r {number(in_step['value'])}")
    likeness = results["rows"].get("all", {}).get("identity")
    facts += (
        [] if likeness is None else [f"SFace to the portrait when all is driven: {number(likeness['value'])}"]
    )
    largest = max(results["largest_unwanted"].items(), key=lambda item: item[1]["movement"], default=None)
    if largest is not None:
        row, worst = largest
        facts.append(
            f"largest unwanted movement: {worst['measure']} when {row} is driven, {number(worst['movement'])}"
        )
    return f'<p class="note">{escape("; ".join(facts))}</p>'


def _worst_first(comparisons: Sequence[Comparison]) -> list[tuple[str, list[Comparison]]]:
    from pdfgc.evaluation.correlation import correlation

    pairs: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        pairs.setdefault(comparison.pair, []).append(comparison)

    def followed(members: list[Comparison]) -> float:
        results = [
            correlation(c.drivers[m], c.output.signals.values[m], MEASURES[m].min_sd)
            for c in members
            for m in c.own
        ]
        known = [result.value for result in results if result.value is not None]
        return float(np.mean(known)) if known else 0.0

    return sorted(pairs.items(), key=lambda item: followed(item[1]))


def _pair_section(pair: str, members: list[Comparison]) -> str:
    drawn = next((c for c in members if c.row == "all"), members[-1])
    return page.clip_section(pair, "", [*_strips(members), draw_curves(_curves(drawn))])


def _strips(members: Sequence[Comparison]) -> list[str]:
    ordered = sorted(members, key=lambda c: c.row != REPLAY.name)  # the driver on top, as in the paper
    rows = [(c.row, c.output.strip.read_bytes()) for c in ordered if c.output.strip is not None]
    return [page.figure(rows)] if rows else []


def _driver_rows(
    case: Case, times: np.ndarray, times_of: Callable[[Path], np.ndarray]
) -> list[tuple[str, bytes]]:
    """Each filmed driver at the moments that the result's pictures show."""
    rows = []
    moments = times[chosen_frames(len(times))]
    for argument, path in case.files().items():
        if is_filmed(path):
            known = times_of(path)
            folded = pingpong(moments, float(known[-1]))
            strip = strip_of_video(path, [int(np.abs(known - moment).argmin()) for moment in folded])
            rows += [] if strip is None else [(argument, to_jpeg(strip))]
    return rows


def _curves(comparison: Comparison) -> Curves:
    signals = comparison.output.signals
    return Curves(signals.times, comparison.drivers, signals.values)


def _overall(case: dict[str, Any]) -> str:
    known = ", ".join(f"{name} {number(result['value'])}" for name, result in case["overall"].items())
    return f"{case['frames']} frames, {known}"
