"""Silence-mouth movement: how much the mouth moves where nothing is heard."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

SHORTEST = 0.3
"""Seconds of silence from which on the mouth is expected to rest."""


def silence_mouth(
    mouth: np.ndarray, silent: np.ndarray, times: np.ndarray, truth: np.ndarray | None = None
) -> MetricResult:
    """Standard deviation of the mouth's opening within silent stretches, about each stretch's own mean.

    Args:
        mouth: `[T]` opening in cm, NaN where unknown.
        silent: `[T]` bool: nothing is heard at this frame.
        times: `[T]` seconds.
        truth: `[T]` the true speaker's opening, kept beside in the settings.
    """
    settings: dict[str, object] = {"shortest_silence_seconds": SHORTEST}
    runs = _silent_runs(silent, times)
    inside, spread, level = _spread(mouth, runs)
    settings |= {"stretches": len(runs), "mean_opening_cm": level}
    if truth is not None:
        settings["truth"] = _spread(truth, runs)[1]
    if spread is None:
        return MetricResult("silence_mouth", None, "cm", 0, settings, "no silence that is long enough")
    return MetricResult("silence_mouth", spread, "cm", inside, settings)


def _silent_runs(silent: np.ndarray, times: np.ndarray) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.astype(int), [0]])))
    runs = [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return [run for run in runs if times[run][-1] - times[run][0] >= SHORTEST]


def _spread(mouth: np.ndarray, runs: list[slice]) -> tuple[int, float | None, float | None]:
    pieces = [piece[np.isfinite(piece)] for piece in (mouth[run] for run in runs)]
    pieces = [piece for piece in pieces if len(piece) > 1]
    if not pieces:
        return 0, None, None
    deviations = np.concatenate([piece - piece.mean() for piece in pieces])
    return len(deviations), float(np.sqrt(np.mean(deviations**2))), float(np.concatenate(pieces).mean())
