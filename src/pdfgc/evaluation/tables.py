"""Scores as text tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pdfgc.evaluation.scores import NLSE_C, POOLS, SCORES

ARROWS = {"higher": "↑", "lower": "↓", "one": "→1", "zero": "→0"}


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


def summary_table(results: dict[str, Any]) -> str:
    """One line a metric: value, unit, samples, spread over clips, or the reason why there is none."""
    lines = [["metric", "value", "unit", "samples", "least..most"]]
    for name, result in results["summary"].items():
        if result["value"] is None:
            lines.append([label(name), "-", "", "0", result.get("reason", "")])
            continue
        spread = result["settings"].get("per_clip")
        extent = f"{number(spread['min'])}..{number(spread['max'])}" if spread else ""
        lines.append([label(name), number(result["value"]), result["unit"], str(result["samples"]), extent])
    return align(lines)


def align(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text in columns."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join("  ".join(line).rstrip() + "\n" for line in padded)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table; the first row is the heading."""
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines]
    return "".join([rows[0], "|" + "---|" * len(lines[0]) + "\n", *rows[1:]])
