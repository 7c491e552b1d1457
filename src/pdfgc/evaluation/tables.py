"""Scores as rows of cells, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pdfgc.evaluation.published import BY_RECONSTRUCTOR, PublishedTable
from pdfgc.evaluation.scores import NLSE_C, POOLS, SCORES

ARROWS = {"higher": "↑", "lower": "↓", "one": "→1"}


def label(metric: str) -> str:
    """A metric's name with the sign of its good direction."""
    if metric == NLSE_C:
        return f"NLSE-C {ARROWS['lower']}"
    known = (SCORES | POOLS)[metric]
    return f"{known.label} {ARROWS[known.better]}"


def number(value: float | None) -> str:
    """Two or three significant digits; a dash where there is no value."""
    if value is None:
        return "-"
    if value and abs(value) < 0.01:
        return f"{value:.1e}" if abs(value) < 0.001 else f"{value:.4f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def summary_rows(results: dict[str, Any]) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """Lines of a table over all clips with its heading, and (metric, reason) of those without a value."""
    rows = [["metric", "mean", "unit", "clips or frames", "least", "median", "most"]]
    missing = []
    for name, result in results["summary"].items():
        if result["value"] is None:
            missing.append((label(name), result.get("reason", "")))
            continue
        spread = result["settings"].get("per_clip", {})
        extent = [number(spread.get(part)) if spread else "" for part in ("min", "median", "max")]
        rows.append([label(name), number(result["value"]), result["unit"], str(result["samples"]), *extent])
    return rows, missing


def summary_table(results: dict[str, Any]) -> str:
    """The table over all clips as text, and why some metrics have no value."""
    rows, missing = summary_rows(results)
    return align(rows) + "".join(f"{name}: {reason}\n" for name, reason in missing)


def published_rows(published: PublishedTable, results: dict[str, Any]) -> list[list[str]]:
    """A table of the paper with a last row of what was measured here, by the name in its settings or as ours."""
    rows = [["", *published.columns]]
    rows += [[method, *values] for method, values in published.rows]
    ours = []
    for metric in published.metrics:
        result = None if metric is None else results["summary"].get(metric)
        text = number(None if result is None else result["value"])
        other_unit = metric in BY_RECONSTRUCTOR and text != "-" and not _reconstructed(result)
        ours.append(f"{text} †" if other_unit else text)
    return [*rows, [f"{results['settings'].get('name', 'ours')}, other clips", *ours]]


def _reconstructed(result: dict[str, Any] | None) -> bool:
    return result is not None and "weights_sha256" in result.get("settings", {})


def clip_rows(results: dict[str, Any]) -> list[list[str]]:
    """Every clip's numbers, worst first, with a heading."""
    names = [name for name in SCORES if any(_known(clip, name) for clip in results["clips"])]
    rows = [["clip", *(label(name) for name in names)]]
    for clip in worst_first(results["clips"]):
        values = (clip["metrics"].get(name, {}).get("value") for name in names)
        rows.append([clip["name"], *(number(value) for value in values)])
    return rows


def worst_first(clips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Clips by their mean rank over the metrics that tell better from worse, the worst first."""
    burden = {clip["name"]: [0.0, 0] for clip in clips}
    for name, score in SCORES.items():
        known = [
            (badness(score.better, clip["metrics"][name]["value"]), clip["name"])
            for clip in clips
            if _known(clip, name)
        ]
        for rank, (_, clip_name) in enumerate(sorted(known)):
            burden[clip_name][0] += rank / max(len(known) - 1, 1)
            burden[clip_name][1] += 1
    return sorted(clips, key=lambda clip: -burden[clip["name"]][0] / max(burden[clip["name"]][1], 1))


def badness(better: str, value: float) -> float:
    """A number that grows as a metric gets worse."""
    return {"higher": -value, "lower": value, "one": abs(value - 1)}[better]


def _known(clip: dict[str, Any], metric: str) -> bool:
    return clip["metrics"].get(metric, {}).get("value") is not None


def align(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text in columns."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join("  ".join(line).rstrip() + "\n" for line in padded)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table; the first row is the heading."""
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines]
    return "".join([rows[0], "|" + "---|" * len(lines[0]) + "\n", *rows[1:]])
