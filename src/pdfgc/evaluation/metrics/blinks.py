"""Blinks: how often, and whether at the same moments."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

SHUT, OPEN_AGAIN = 0.55, 0.7
"""Parts of the usual opening below which an eye shuts, and above which a blink has ended."""

USUAL = 80
"""Percentile of the opening over a clip that is taken for the open eye."""

LEAST_OPEN = 0.1
"""Eye widths: a clip whose open eye is narrower shows no eye that could blink."""

NO_EYE = "no open eye in both"

TOLERANCE = 0.2
"""Seconds by which two blinks may differ and still be the same."""


def blink_times(opening: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """Seconds of the deepest moment of each blink, `[N]`; None where no eye is known to be open.

    Args:
        opening: `[T]` opening of the eyes in eye widths.
        times: `[T]` seconds.
    """
    if len(opening) < 2:
        return None
    usual = np.percentile(opening, USUAL)
    if usual < LEAST_OPEN:
        return None
    found: list[float] = []
    deepest: int | None = None
    for i, share in enumerate(opening / usual):
        if deepest is None:
            deepest = i if share < SHUT else None
        elif share > OPEN_AGAIN:
            found.append(float(times[deepest]))
            deepest = None
        elif opening[i] < opening[deepest]:
            deepest = i
    return np.array(found + ([float(times[deepest])] if deepest is not None else []))


def matches(one: np.ndarray, other: np.ndarray) -> int:
    """How many blinks of two rising rows of seconds pair off within `TOLERANCE`, each used once."""
    count = i = j = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= TOLERANCE:
            count, i, j = count + 1, i + 1, j + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return count


def blink_rate_error(generated: np.ndarray, truth: np.ndarray, times: np.ndarray) -> MetricResult:
    """How far the blinks a minute of two openings `[T]` at `times` are apart, so that clips do not cancel out.

    Only frames with a face in both count, for the blinks and for the minutes. `generated_less_truth` of the settings
    keeps the sign: above 0 where the generated one blinks more.
    """
    settings: dict[str, object] = {"shut_below": SHUT, "open_above": OPEN_AGAIN, "usual_percentile": USUAL}
    ours, theirs, count = _both(generated, truth, times)
    if ours is None or theirs is None:
        return MetricResult("blink_rate_error", None, "1/min", 0, settings, NO_EYE)
    minutes = count * float(np.median(np.diff(times))) / 60
    difference = (len(ours) - len(theirs)) / minutes
    settings |= {"generated": len(ours) / minutes, "truth": len(theirs) / minutes, "seconds": minutes * 60}
    settings["generated_less_truth"] = difference
    return MetricResult("blink_rate_error", abs(difference), "1/min", count, settings)


def blink_synchrony(generated: np.ndarray, truth: np.ndarray, times: np.ndarray) -> MetricResult:
    """F1 score of the blinks of two openings `[T]`: 1 where each has its partner, undefined where the truth has none.

    Only frames with a face in both count.
    """
    settings: dict[str, object] = {"tolerance_seconds": TOLERANCE, "score": "F1"}
    ours, theirs, _ = _both(generated, truth, times)
    if ours is None or theirs is None:
        return MetricResult("blink_synchrony", None, "", 0, settings, NO_EYE)
    if not len(theirs):
        return MetricResult("blink_synchrony", None, "", 0, settings, "the driver does not blink")
    value = 2 * matches(ours, theirs) / (len(ours) + len(theirs))
    settings |= {"generated_blinks": len(ours), "truth_blinks": len(theirs)}
    return MetricResult("blink_synchrony", value, "", len(theirs), settings)


def _both(
    generated: np.ndarray, truth: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """`blink_times` of both over the frames that are known in both, and how many these are."""
    known = np.isfinite(generated) & np.isfinite(truth)
    ours, theirs = (blink_times(opening[known], times[known]) for opening in (generated, truth))
    return ours, theirs, int(known.sum())
