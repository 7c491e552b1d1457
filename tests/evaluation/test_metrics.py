import json

import numpy as np
import pytest

from pdfgc.evaluation.correlation import correlation
from pdfgc.evaluation.found_faces import found_faces
from pdfgc.evaluation.identity import identity
from pdfgc.evaluation.lip_sync import mouth_correlations
from pdfgc.evaluation.movement import movement
from pdfgc.evaluation.result import MetricResult, summarise
from pdfgc.evaluation.speed import speed
from pdfgc.evaluation.tracking_error import tracking_error

WAVE = np.sin(np.arange(60) * 0.37)


def test_correlation_of_a_scaled_copy_is_one_and_of_its_mirror_minus_one() -> None:
    assert correlation(WAVE, 3 * WAVE + 5, 0.1).value == pytest.approx(1)
    assert correlation(WAVE, -WAVE, 0.1).value == pytest.approx(-1)


def test_correlation_by_hand() -> None:
    driver, output = np.array([1.0, 2, 3, 4] * 3), np.array([1.0, 3, 2, 4] * 3)
    assert correlation(driver, output, 0.1).value == pytest.approx(0.8)  # 4 / sqrt(5 * 5)


def test_correlation_counts_only_frames_known_on_both_sides() -> None:
    driver, output = WAVE.copy(), WAVE.copy()
    driver[:5], output[10:20] = np.nan, np.nan
    result = correlation(driver, output, 0.1)
    assert result.value == pytest.approx(1)
    assert result.samples == 45


@pytest.mark.parametrize(
    ("driver", "output", "reason"),
    [
        (np.zeros(60), WAVE, "driver does not move"),
        (WAVE, np.ones(60), "output does not move"),
        (0.01 * WAVE, WAVE, "driver does not move"),
        (WAVE[:9], WAVE[:9], "fewer than 10"),
        (np.full(60, np.nan), WAVE, "fewer than 10"),
    ],
)
def test_correlation_is_undefined_with_a_reason(driver: np.ndarray, output: np.ndarray, reason: str) -> None:
    result = correlation(driver, output, 0.1)
    assert result.value is None
    assert reason in (result.reason or "")
    assert json.loads(json.dumps(result.to_json()))["value"] is None


def test_errors_with_and_without_the_means() -> None:
    driver, output = np.array([0.0, 1, 2, np.nan]), np.array([1.0, 2, 6, 0])
    plain = tracking_error(driver, output, "degrees")
    assert (plain.value, plain.unit, plain.samples) == (2.0, "degrees", 3)  # differences 1, 1, 4
    assert tracking_error(driver, output, "cm", centred=True).value == pytest.approx(4 / 3)  # -1, -1, 2
    assert tracking_error(driver[3:], output[3:], "cm").value is None


def test_movement_is_the_ratio_of_standard_deviations() -> None:
    assert movement([(WAVE, 0.25 * WAVE + 7)], 0.1).value == pytest.approx(0.25)
    assert movement([(WAVE, np.zeros(60))], 0.1).value == 0
    pooled = movement([(WAVE, 0.3 * WAVE), (3 * WAVE, 0.4 * WAVE)], 0.1)
    assert pooled.value == pytest.approx(np.sqrt((0.09 + 0.16) / (1 + 9)))
    assert pooled.samples == 120


def test_movement_is_undefined_for_a_driver_at_rest_or_without_faces() -> None:
    still = movement([(0.001 * WAVE, WAVE)], 0.1)
    assert still.value is None and "driver does not move" in (still.reason or "")
    assert movement([(np.full(60, np.nan), WAVE)], 0.1).value is None


@pytest.mark.parametrize("late", [-1, 0, 1])
def test_the_offset_at_which_the_mouths_agree(late: int) -> None:
    speaker = np.random.default_rng(0).normal(size=80)
    results = mouth_correlations(speaker, np.roll(speaker, late), 0.1)
    assert set(results) == {-1, 0, 1}
    assert results[late].value == pytest.approx(1, abs=0.05 if late else 1e-9)
    assert all(abs(r.value or 0) < 0.4 for offset, r in results.items() if offset != late)
    assert [results[k].samples for k in (-1, 0, 1)] == [79, 80, 79]
    assert results[late].settings["offset_frames"] == late


def test_identity_is_the_mean_cosine() -> None:
    portrait = np.array([2.0, 0])
    output = np.array([[1.0, 0], [0, 3], [np.nan, 0]])
    assert identity(portrait, output).value == pytest.approx(0.5)
    assert identity(portrait, output).samples == 2
    assert identity(portrait, np.zeros((0, 2))).value is None


def test_found_faces_and_speed() -> None:
    assert found_faces(np.array([True, True, False, True])).value == 0.75
    assert found_faces(np.array([], bool)).value is None
    result = speed(50, 2.0, covers="rendering")
    assert (result.value, result.samples, result.settings["covers"]) == (25.0, 50, "rendering")
    assert speed(0, 0.0, covers="rendering").value is None


def test_a_summary_leaves_out_the_undefined_and_says_so() -> None:
    results = [
        MetricResult("r", v, "", 10, {"a": 1}, None if v is not None else "still") for v in (0.5, None, 1.0)
    ]
    summary = summarise(results)
    assert (summary.value, summary.samples) == (0.75, 2)
    assert summary.settings["undefined"] == {"still": 1}
    assert summary.settings["a"] == 1
    assert summary.settings["per_clip"] == {"min": 0.5, "median": 0.75, "max": 1.0}
    nothing = summarise(results[1:2])
    assert nothing.value is None and nothing.reason == "still"
    nothing = summarise([results[1], MetricResult("r", None, "", 0, {}, "no face")])
    assert nothing.reason == "undefined on every clip: still; no face"
