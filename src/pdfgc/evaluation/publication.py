"""Reports of scored videos: `results.json`, `report.md` and `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pdfgc.evaluation import page
from pdfgc.evaluation.charts import SHOWN, Curves, draw_curves
from pdfgc.evaluation.pair import Pair
from pdfgc.evaluation.published import note_for, tables_for
from pdfgc.evaluation.report import write_results
from pdfgc.evaluation.scores import SCORES
from pdfgc.evaluation.scoring import Trial
from pdfgc.evaluation.strips import chosen_frames, lone_picture, strip_of_video, to_jpeg
from pdfgc.evaluation.tables import (
    clip_rows,
    label,
    markdown,
    number,
    published_rows,
    summary_rows,
    worst_first,
)
from pdfgc.files import write_text

PICTURED = 12
"""Clips that the page shows with pictures and curves; all are in its table."""


def write_report(
    title: str, about: str, results: dict[str, Any], trials: Sequence[Trial], folder: Path
) -> Path:
    """Writes the three files; the path of the page."""
    write_results(results, folder)
    write_text(folder / "report.md", markdown_report(title, about, results))
    path = folder / "report.html"
    write_text(path, html_report(title, about, results, trials))
    return path


def markdown_report(title: str, about: str, results: dict[str, Any]) -> str:
    """The numbers of a report as Markdown."""
    rows, missing = summary_rows(results)
    parts = [f"# {title}\n\n{about}\n\n{page.instruments(results)}\n\n", markdown(rows)]
    if missing:
        parts.append("\nNot measured:\n\n" + "".join(f"- {name}: {reason}\n" for name, reason in missing))
    if tables := tables_for(results["protocol"], results["summary"]):
        parts.append(f"\n## Beside the paper\n\n{note_for(results['protocol'])}\n")
        parts += [
            f"\n{published.title}\n\n{markdown(published_rows(published, results))}" for published in tables
        ]
    parts.append(f"\n## Clips, worst first\n\n{markdown(clip_rows(results))}")
    if results["skipped"]:
        reasons = "".join(f"- {entry['name']}: {entry['reason']}\n" for entry in results["skipped"])
        parts.append(f"\nLeft out:\n\n{reasons}")
    return "".join(parts)


def html_report(title: str, about: str, results: dict[str, Any], trials: Sequence[Trial]) -> str:
    """The whole report as one page."""
    by_name = {trial.name: trial for trial in trials}
    order = worst_first(results["clips"])
    sections = [_section(by_name[clip["name"]], clip) for clip in order[:PICTURED]]
    shown = "" if len(order) <= PICTURED else f" The {PICTURED} worst of {len(order)} are shown."
    parts = [
        page.heading(title, about, results),
        page.summary(results),
        page.beside_the_paper(results),
        f'<h2>Clips, worst first</h2><p class="note">By mean rank over the metrics.{shown}</p>',
        f'<div class="clips">{page.table(clip_rows(results))}</div>',
        page.key(),
        *sections,
    ]
    return page.page(title, parts)


def curves_of(pair: Pair) -> Curves:
    """The measures of both videos at the moments that they share."""
    names = [name for name, _, _ in SHOWN]
    return Curves(
        pair.ours.times,
        {name: pair.theirs.signals.values[name] for name in names},
        {name: pair.ours.signals.values[name] for name in names},
    )


def _section(trial: Trial, clip: dict[str, Any]) -> str:
    first = trial.comparisons[0][0]
    rows = _picture_row("driver", first, 1)
    for pair, metrics in trial.comparisons[1:]:
        if "expression_error" in metrics:
            rows += _picture_row("expression", pair, 1)
        if pair.still:
            rows = [("portrait", to_jpeg(lone_picture(pair.truth))), *rows]
    rows += _picture_row("result", first, 0)
    values = ((name, result["value"]) for name, result in clip["metrics"].items() if name in SCORES)
    facts = ", ".join(f"{label(name)} {number(value)}" for name, value in values if value is not None)
    return page.clip_section(trial.name, facts, [page.figure(rows), draw_curves(curves_of(first))])


def _picture_row(name: str, pair: Pair, side: int) -> list[tuple[str, bytes]]:
    """Some moments that both videos share, of the generated (side 0) or the true one (side 1)."""
    rows = pair.rows[side]
    path = (pair.generated, pair.truth)[side]
    strip = strip_of_video(path, [int(rows[i]) for i in chosen_frames(len(rows))])
    return [] if strip is None else [(name, to_jpeg(strip))]
