"""Frames a second."""

from __future__ import annotations

from pdfgc.evaluation.result import MetricResult


def speed(frames: int, seconds: float, *, covers: str) -> MetricResult:
    """Frames by wall-clock seconds; undefined where no time passed.

    Args:
        frames: frames made.
        seconds: wall-clock time they took.
        covers: which steps the time includes, in words, kept in the settings.
    """
    settings = {"covers": covers, "seconds": seconds}
    if frames <= 0 or seconds <= 0:
        return MetricResult("frames_per_second", None, "1/s", frames, settings, "nothing was timed")
    return MetricResult("frames_per_second", frames / seconds, "1/s", frames, settings)
