"""Exact times and where moments fall between frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdfgc.errors import InputError
from pdfgc.timing import (
    Loop,
    exact,
    exact_rate,
    frame_count,
    gaussian,
    locate,
    standard_rate,
    to_ticks,
    unfold,
    usual_rate,
)


def test_rates_as_people_write_them() -> None:
    assert exact_rate(25) == 25
    assert exact_rate("30000/1001") == exact_rate(29.97) == exact_rate("29.97") == Fraction(30000, 1001)
    assert exact_rate(23.976) == Fraction(24000, 1001)
    assert exact_rate(12.5) == Fraction(25, 2)
    assert exact(0.1) == Fraction(1, 10)


@pytest.mark.parametrize(
    ("mean", "standard"),
    [
        ("25", "25"),
        ("25/2", "25/2"),
        ("36/5", "36/5"),
        ("100/7", "100/7"),
        ("15000/1001", "15000/1001"),
        ("29.87", "30000/1001"),
        ("30.21", "30"),
        ("1770/59", "30"),
        ("23.9763", "24000/1001"),
        ("28.73", "29"),
        ("1/2", "1"),
        ("2000", "1000"),
    ],
)
def test_the_mean_rate_of_uneven_frames_becomes_a_standard_one(mean: str, standard: str) -> None:
    assert standard_rate(Fraction(mean)) == Fraction(standard)


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001)])
@pytest.mark.parametrize("frames", [6, 15, 21, 40, 100, 1000])
def test_rates_survive_stamps_in_milliseconds(rate: Fraction, frames: int) -> None:
    ticks = np.array([round(1000 * n / rate) for n in range(frames)])
    found = usual_rate(np.diff(ticks), Fraction(1, 1000))
    # a millisecond does not tell them apart before a second has passed
    assert found == rate if frames >= 40 or rate.denominator == 1 else found in (rate, round(rate))


@pytest.mark.parametrize(
    ("steps", "time_base", "rate"),
    [
        ([1] * 20 + [16] + [1] * 14, "1/25", "25"),
        ([1] * 48 + [2], "1/25", "25"),
        ([1] * 9 + [8] + [1] * 3, "5/36", "36/5"),
        ([2, 5, 10], "1/60", "12"),
        ([1, 3], "1", "1"),
        ([2, 1], "1/2000", "1000"),
        ([30, 37, 33, 34, 31, 38], "1/1000", "30000/1001"),
    ],
)
def test_the_usual_rate_of_uneven_frames(steps: list[int], time_base: str, rate: str) -> None:
    assert usual_rate(np.array(steps), Fraction(time_base)) == Fraction(rate)


@pytest.mark.parametrize("rate", [0, -25, float("nan"), float("inf"), "fast", "1/0", 1e9])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(InputError, match="frame rate"):
        exact_rate(rate)


def test_frame_count_covers_the_duration() -> None:
    assert frame_count(Fraction(4), Fraction(25)) == 100
    assert frame_count(Fraction(401, 100), Fraction(25)) == 101
    assert frame_count(Fraction(0), Fraction(25)) == 1
    assert frame_count(3600 * Fraction(1), Fraction(30000, 1001)) == 107893


def test_ticks_are_the_coarsest_that_fit() -> None:
    ticks, base = to_ticks([Fraction(3) + Fraction(1001 * n, 30000) for n in range(5)])
    assert base == Fraction(1001, 30000)
    assert ticks.tolist() == [0, 1, 2, 3, 4]
    ticks, base = to_ticks([Fraction(0), Fraction(1, 30), Fraction(1, 12)])
    assert [int(t) * base for t in ticks] == [0, Fraction(1, 30), Fraction(1, 12)]
    assert to_ticks([Fraction(7)])[0].tolist() == [0]


TICKS = np.array([0, 2, 3, 7])


def _values(moments: list[int], denominator: int, loop: Loop) -> list[float]:
    """Looks up the track whose value is its tick."""
    before, after, weight = locate(TICKS, moments, denominator, loop)
    return (TICKS[before] * (1 - weight) + TICKS[after] * weight).tolist()


def test_hold_stays_at_the_ends() -> None:
    assert _values([-4, 0, 1, 2, 5, 14, 15, 1000], 2, "hold") == [0, 0, 0.5, 1, 2.5, 7, 7, 7]


def test_pingpong_turns_round_without_a_double_frame() -> None:
    assert _values(list(range(16)), 1, "pingpong") == [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1, 0, 1]


def test_wrap_goes_from_the_last_frame_to_the_first() -> None:
    # the last interval is 4 ticks, so the loop is 11 long and 7 -> 0 falls on ticks 7 to 11
    assert _values([6, 7, 8, 9, 11, 12], 1, "wrap") == [6, 7, 5.25, 3.5, 0, 1]


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=8),
    st.integers(0, 10**9),
    st.integers(1, 90000),
    st.sampled_from(["pingpong", "wrap", "hold"]),
)
def test_lookups_stay_inside_and_agree_with_fractions(
    steps: list[int], moment: int, denominator: int, loop: Loop
) -> None:
    ticks = np.concatenate([[0], np.cumsum(steps)])
    before, after, weight = locate(ticks, [moment], denominator, loop)
    assert 0 <= before[0] < len(ticks)
    assert 0 <= after[0] < len(ticks)
    assert 0 <= weight[0] < 1
    last, place = int(ticks[-1]), Fraction(moment, denominator)
    if loop == "wrap":
        return
    folded = min(place, Fraction(last)) if loop == "hold" else last - abs(place % (2 * last) - last)
    found = ticks[before[0]] + weight[0] * (ticks[after[0]] - ticks[before[0]])
    assert found == pytest.approx(float(folded), abs=1e-6)


def test_a_still_is_found_everywhere() -> None:
    before, after, weight = locate(np.array([0]), [0, 5, 900], 3, "pingpong")
    assert before.tolist() == after.tolist() == [0, 0, 0]
    assert not weight.any()


@pytest.mark.parametrize(
    ("loop", "order", "moments"),
    [
        ("pingpong", [0, 1, 2, 3, 2, 1, 0, 1], [0, 2, 3, 7, 11, 12, 14, 16]),
        ("wrap", [0, 1, 2, 3, 0, 1, 2], [0, 2, 3, 7, 11, 13, 14]),
        ("hold", [0, 1, 2, 3, 3, 3], [0, 2, 3, 7, 11, 15]),
    ],
)
def test_unfold_repeats_frames_with_their_own_spacing(
    loop: Loop, order: list[int], moments: list[int]
) -> None:
    frames, ticks = unfold(TICKS, 17, loop)
    assert frames.tolist() == order
    assert ticks.tolist() == moments


def test_unfold_can_cut() -> None:
    assert unfold(TICKS, 3, "pingpong")[0].tolist() == [0, 1]
    assert unfold(TICKS, 3, "hold")[0].tolist() == [0, 1]


def test_gaussian_has_no_lag_and_keeps_constants() -> None:
    times = np.arange(41) / 25
    pulse = np.zeros((41, 1), np.float32)
    pulse[20] = 1
    smooth = gaussian(pulse, times, 0.04)[:, 0]
    assert smooth.argmax() == 20
    assert smooth == pytest.approx(smooth[::-1])
    # three frames each way: 1 / (1 + 2 (e^-1/2 + e^-2 + e^-9/2))
    assert smooth[20] == pytest.approx(1 / (1 + 2 * (np.exp(-0.5) + np.exp(-2) + np.exp(-4.5))), rel=1e-6)
    assert gaussian(np.full((41, 2), 3, np.float32), times, 0.5) == pytest.approx(3)
    assert gaussian(pulse, times, 0) is pulse


def test_gaussian_counts_seconds_not_frames() -> None:
    values = np.array([[0.0], [1.0], [0.0]], np.float32)
    near = gaussian(values, np.array([0, 0.01, 0.02]), 0.02)
    far = gaussian(values, np.array([0, 1.0, 2.0]), 0.02)
    assert near[1, 0] < 0.5
    assert far[1, 0] == 1
