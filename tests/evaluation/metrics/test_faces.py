import numpy as np
import pytest

from pdfgc.evaluation.metrics.blinks import blink_rate_error, blink_synchrony, blink_times, matches
from pdfgc.evaluation.metrics.csim import csim
from pdfgc.evaluation.metrics.expression_error import COEFFICIENTS, expression_error
from pdfgc.evaluation.metrics.gaze_error import RADIUS, gaze_directions, gaze_error
from pdfgc.evaluation.metrics.jitter import jitter
from pdfgc.evaluation.metrics.lmd import MOUTH, landmark_distance
from pdfgc.evaluation.metrics.pose_error import pose_error
from pdfgc.evaluation.metrics.silence_mouth import silence_mouth
from pdfgc.face.mesh import BLENDSHAPES

FACE = np.random.default_rng(1).normal(size=(12, 68, 2)) * 20
TIMES = np.arange(100) / 25


def _blinking(*moments: int) -> np.ndarray:
    opening = np.full(100, 0.3)
    for moment in moments:
        opening[moment - 1 : moment + 2] = (0.15, 0.05, 0.1)
    return opening


def test_landmark_distance_forgives_place_and_size_and_nothing_else() -> None:
    moved = 2 * FACE + (30, -7)
    assert landmark_distance(moved, FACE, 0.5, 1.0, mouth=False).value == pytest.approx(0)
    lips = FACE.copy()
    lips[:, MOUTH, 1] += np.where(
        np.arange(20) % 2, 3.0, -3.0
    )  # each lip point 3 px off, on average in place
    assert landmark_distance(lips, FACE, 1, 1, mouth=True).value == pytest.approx(3)
    assert landmark_distance(lips, FACE, 2, 2, mouth=True).value == pytest.approx(6)
    assert landmark_distance(lips, FACE, 1, 1, mouth=False).value == pytest.approx(3 * 20 / 68)


def test_landmark_distance_counts_frames_with_faces_alone() -> None:
    holes = FACE.copy()
    holes[3] = np.nan
    result = landmark_distance(holes, FACE, 1, 1, mouth=False)
    assert (result.name, result.samples) == ("lmd", 11)
    nothing = landmark_distance(np.full_like(FACE, np.nan), FACE, 1, 1, mouth=True)
    assert nothing.value is None and nothing.name == "lmd_m"


def test_pose_error_is_the_mean_square_in_radians() -> None:
    truth = np.zeros((4, 3))
    result = pose_error(truth + np.radians([3, 0, -6]), truth)
    assert result.value == pytest.approx(np.radians(3) ** 2 * (1 + 4) / 3)
    assert result.settings["mean_absolute_degrees"] == pytest.approx({"pitch": 3, "yaw": 0, "roll": 6})
    assert pose_error(truth * np.nan, truth).value is None


def test_expression_error_leaves_out_gaze_and_blink() -> None:
    truth = np.zeros((3, 52))
    eyes = truth.copy()
    eyes[:, BLENDSHAPES.index("eyeBlinkLeft")] = eyes[:, BLENDSHAPES.index("eyeLookUpRight")] = 1
    assert expression_error(eyes, truth).value == 0
    smile = truth.copy()
    smile[:, BLENDSHAPES.index("mouthSmileLeft")] = 0.5
    assert len(COEFFICIENTS) == 41
    assert expression_error(smile, truth).value == pytest.approx(0.25 / 41)


def test_csim_is_the_mean_cosine_of_partners() -> None:
    ours, theirs = np.array([[2.0, 0], [0, 1], [np.nan, 1]]), np.array([[1.0, 0], [1, 0], [1, 0]])
    result = csim(ours, theirs)
    assert (result.value, result.samples) == (0.5, 2)
    assert csim(ours[:0], theirs[:0]).value is None


def test_blinks_are_found_at_their_deepest_moment() -> None:
    assert blink_times(_blinking(20, 60), TIMES) == pytest.approx([0.8, 2.4])
    assert blink_times(np.full(100, 0.3), TIMES) == pytest.approx([])
    assert blink_times(np.full(100, 0.05), TIMES) is None  # no open eye is ever seen
    flutter = _blinking(20)
    flutter[20:24] = (0.05, 0.18, 0.06, 0.18)  # does not open again in between
    assert blink_times(flutter, TIMES) == pytest.approx([0.8])


def test_blink_rate_and_synchrony_by_hand() -> None:
    ours, theirs = _blinking(20, 60, 80), _blinking(22, 40)
    rate = blink_rate_error(ours, theirs, TIMES)
    assert rate.value == pytest.approx(1 / (4 / 60))  # one blink more in four seconds
    assert (rate.settings["generated"], rate.settings["truth"]) == pytest.approx((45, 30))
    fewer = blink_rate_error(theirs, ours, TIMES)
    assert fewer.value == pytest.approx(15) and fewer.settings["generated_less_truth"] == pytest.approx(-15)
    assert blink_synchrony(ours, theirs, TIMES).value == pytest.approx(2 * 1 / 5)
    assert blink_synchrony(theirs, theirs, TIMES).value == 1
    assert blink_synchrony(ours, np.full(100, 0.3), TIMES).value is None
    assert matches(np.array([0.0, 0.1]), np.array([0.05])) == 1
    unseen = np.where(
        np.arange(100) < 50, np.nan, ours
    )  # its first blink is not seen, so the truth's do not count
    rate = blink_rate_error(unseen, theirs, TIMES)
    assert rate.samples == 50 and (rate.settings["generated"], rate.settings["truth"]) == pytest.approx(
        (60, 0)
    )
    assert blink_synchrony(unseen, theirs, TIMES).reason == "the driver does not blink"


def test_gaze_error_is_an_angle() -> None:
    ahead = np.zeros((5, 2))
    aside = np.tile([RADIUS * np.sin(np.radians(10)), 0.0], (5, 1))
    assert gaze_error(aside, ahead).value == pytest.approx(10)
    assert gaze_error(aside, -aside).value == pytest.approx(20)
    assert np.linalg.norm(gaze_directions(np.array(3.0), np.array(-1.0))) == pytest.approx(1)
    assert gaze_error(ahead * np.nan, ahead).value is None


def test_jitter_is_relative_to_the_driver() -> None:
    steady = np.arange(30.0)[:, None, None] * np.ones((30, 68, 2))
    shaking = steady + np.where(np.arange(30) % 2, 0.5, 0.0)[:, None, None]
    driver = steady + np.where(np.arange(30) % 2, 0.25, 0.0)[:, None, None]
    result = jitter(shaking, driver, 1.0, 1.0)
    assert result.value == pytest.approx(2)
    assert result.settings["truth"] == pytest.approx(
        0.5 * np.sqrt(2)
    )  # second difference of a zigzag: 4 x half
    assert jitter(shaking, driver, 1.0, 2.0).value == pytest.approx(1)
    assert jitter(shaking, steady, 1.0, 1.0).reason == "the truth stands still"
    assert result.samples == 28
    jumping = driver.copy()
    jumping[20:] += 50.0 * np.arange(10)[:, None, None] ** 2
    shaking[19:] = np.nan  # what the driver does where the result is not seen sets no measure
    assert jitter(shaking, jumping, 1.0, 1.0).value == pytest.approx(2)
    assert jitter(shaking * np.nan, driver, 1.0, 1.0).value is None


def test_silence_mouth_is_the_movement_within_long_silences() -> None:
    mouth, silent = np.full(100, 0.5), np.zeros(100, bool)
    silent[10:30], silent[50:53] = True, True
    mouth[10:30:2], mouth[51] = 0.7, 3.0
    result = silence_mouth(mouth, silent, TIMES, np.zeros(100))
    assert result.value == pytest.approx(0.1)
    assert result.settings["mean_opening_cm"] == pytest.approx(0.6)
    assert (result.samples, result.settings["stretches"], result.settings["truth"]) == (20, 1, 0.0)
    assert silence_mouth(mouth, np.zeros(100, bool), TIMES).value is None
