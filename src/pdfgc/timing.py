"""Exact times: rates, durations and the place of one clock's moments on another clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, get_args

import numpy as np

from pdfgc.errors import InputError

Loop = Literal["pingpong", "wrap", "hold"]
"""What follows the end of a track: back the way it came, from the start again, or standing still."""

Number = Fraction | int | float | str
"""A rate or a time as people write it: 25, 29.97, "30000/1001"."""

_NTSC = {23.976: 24, 23.98: 24, 29.97: 30, 47.952: 48, 59.94: 60, 119.88: 120}
"""Decimal rates that stand for n * 1000/1001 frames a second."""

_PLAIN = 20
"""Denominators up to this are somebody's choice; means of uneven frames have larger ones."""


def exact(value: Number, what: str = "a time") -> Fraction:
    """A number as a fraction; a float means the decimal it prints as (0.1 is 1/10).

    Raises:
        InputError: when it is not a finite number; `what` names it in the sentence.
    """
    try:
        return Fraction(str(value)) if isinstance(value, float | str) else Fraction(value)
    except (ValueError, ZeroDivisionError, TypeError):
        raise InputError(f"{what} must be a number such as 25 or 30000/1001, not {value!r}") from None


def exact_rate(value: Number) -> Fraction:
    """Frames a second as a fraction; 23.976, 29.97 and 59.94 become the n * 1000/1001 that they stand for.

    Raises:
        InputError: when it is not a number between 1 and 1000.
    """
    rate = exact(value, "a frame rate")
    if not 1 <= rate <= 1000:
        raise InputError(f"a frame rate must lie between 1 and 1000 frames a second, not {value}")
    for written, whole in _NTSC.items():
        if rate == exact(written):
            return Fraction(whole * 1000, 1001)
    return rate


def usual_rate(steps: np.ndarray, time_base: Fraction) -> Fraction:
    """The rate of a result that follows unevenly spaced frames.

    Gaps and doubled frames (steps that differ from the median one by more than half of it) do not count. What is left
    is a steady rate, or one whose stamps were rounded or whose camera varied it: then the whole rate or that of NTSC
    which is nearest.

    Args:
        steps: `[N]` whole numbers of ticks from frame to frame, at least one.
        time_base: seconds a tick.

    Returns:
        Frames a second, 1 to 1000.
    """
    usual = np.median(steps)
    regular = steps[np.abs(steps - usual) <= usual / 2]
    if not len(regular) or regular.min() == regular.max():
        return _possible(1 / (Fraction(float(usual)) * time_base))
    seconds = int(regular.sum()) * time_base
    whole = Fraction(max(1, round(len(regular) / seconds)))
    runs = 1 + len(steps) - len(regular)  # of regular steps; the ends of each were rounded
    if abs(len(regular) / whole - seconds) < runs * time_base:
        return _possible(whole)
    return _possible(_nearest_standard(len(regular) / seconds))


def standard_rate(mean: Fraction) -> Fraction:
    """The rate that a mean rate stands for: itself where it is a plain number, else the nearest standard one."""
    plain = mean.denominator <= _PLAIN or mean.denominator == 1001
    return _possible(mean if plain else _nearest_standard(mean))


def _nearest_standard(rate: Fraction) -> Fraction:
    standards = (Fraction(n * 1000, 1001) for n in _NTSC.values())
    return min(Fraction(round(rate)), *standards, key=lambda standard: abs(standard - rate))


def _possible(rate: Fraction) -> Fraction:
    return min(max(rate, Fraction(1)), Fraction(1000))


def check_loop(loop: str) -> None:
    """Raises InputError when `loop` is none of the three."""
    if loop not in get_args(Loop):
        raise InputError(f"loop must be one of {', '.join(get_args(Loop))}, not {loop!r}")


def frame_count(duration: Fraction, fps: Fraction) -> int:
    """How many frames, at 0, 1/fps, 2/fps ..., begin before `duration` (seconds) is over; at least one."""
    return max(1, math.ceil(duration * fps))


def to_ticks(times: Sequence[Fraction]) -> tuple[np.ndarray, Fraction]:
    """Exact times in seconds as whole ticks since the first, `[T]` int64, and the coarsest tick that fits."""
    offsets = [time - times[0] for time in times]
    denominator = math.lcm(*(offset.denominator for offset in offsets))
    counts = [offset.numerator * (denominator // offset.denominator) for offset in offsets]
    common = math.gcd(*counts) or 1
    time_base = Fraction(common, denominator) if any(counts) else Fraction(1, 25)
    return np.array([count // common for count in counts], np.int64), time_base


def locate(
    ticks: np.ndarray, moments: Sequence[int], denominator: int, loop: Loop
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where moments fall between the frames of a track, in whole-number arithmetic, so nothing drifts.

    Args:
        ticks: `[T]` int64, strictly increasing from 0: when each frame of the track is shown.
        moments: times to look up; `moment / denominator` is in ticks.
        denominator: of all moments, positive.
        loop: how moments past the end (or before 0) are folded into the track. `pingpong` turns round at the
            first and at the last frame without showing either twice; `wrap` moves on from the last frame to
            the first in the time that the frame before it took.

    Returns:
        `before` and `after`, `[N]` int64 frame numbers, and `weight` `[N]` float64 in 0..1 of the second:
        exactly 0 where the moment is a frame's own time.
    """
    count = len(ticks)
    if count == 1:
        zeros = np.zeros(len(moments), np.int64)
        return zeros, zeros, zeros.astype(np.float64)
    last = int(ticks[-1])
    period = 2 * last - int(ticks[-2]) if loop == "wrap" else 2 * last
    span = last * denominator
    wholes = np.empty(len(moments), np.int64)
    parts = np.empty(len(moments), np.float64)
    for n, moment in enumerate(moments):
        if loop == "hold":
            folded = min(max(moment, 0), span)
        else:
            folded = moment % (period * denominator)
            if loop == "pingpong" and folded > span:
                folded = 2 * span - folded
        whole, rest = divmod(folded, denominator)
        wholes[n], parts[n] = whole, rest / denominator
    before = np.searchsorted(ticks, wholes, side="right") - 1
    ends = np.append(ticks, period if loop == "wrap" else last + 1)
    weight = (wholes - ends[before] + parts) / (ends[before + 1] - ends[before])
    after = (before + 1) % count if loop == "wrap" else np.minimum(before + 1, count - 1)
    return before, after, weight


def unfold(ticks: np.ndarray, stop: int, loop: Loop) -> tuple[np.ndarray, np.ndarray]:
    """A track's own frames repeated until `stop` ticks: frame numbers `[N]` and their ticks `[N]`, int64.

    The frames keep their own spacing, forwards and backwards; `wrap` and `hold` go on with the last interval.
    """
    count, last = len(ticks), int(ticks[-1])
    step = last - int(ticks[-2])
    if loop == "pingpong":
        order = np.concatenate([np.arange(count), np.arange(count - 2, 0, -1)])
        moments = np.concatenate([ticks, 2 * last - ticks[-2:0:-1]])
        period = 2 * last
    elif loop == "wrap":
        order, moments, period = np.arange(count), ticks, last + step
    else:
        extra = max(0, -(-(stop - last) // step) - 1)
        order = np.append(np.arange(count), np.full(extra, count - 1))
        moments = np.append(ticks, last + step * np.arange(1, extra + 1))
        period = max(stop, 1)
    rounds = max(1, -(-stop // period))
    tiled = (np.arange(rounds)[:, None] * period + moments).ravel()
    kept = tiled < stop
    return np.tile(order, rounds)[kept], tiled[kept]


def gaussian(values: np.ndarray, times: np.ndarray, width: float) -> np.ndarray:
    """`[T, D]` values averaged under a Gaussian of `width` seconds over their times `[T]`, cut at 3 widths.

    At the two ends the average is over what is there. Frames may be unevenly spaced.
    """
    if width == 0 or len(times) == 1:
        return values
    total = values.astype(np.float64)
    norm = np.ones(len(times))
    for offset in range(1, len(times)):
        gap = times[offset:] - times[:-offset]
        if gap.min() > 3 * width:
            break
        weight = np.where(gap > 3 * width, 0.0, np.exp(-0.5 * (gap / width) ** 2))
        total[:-offset] += weight[:, None] * values[offset:]
        total[offset:] += weight[:, None] * values[:-offset]
        norm[:-offset] += weight
        norm[offset:] += weight
    return (total / norm[:, None]).astype(np.float32)
