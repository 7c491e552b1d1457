import numpy as np
import pytest

from evaluation.fakes import REST, face
from pdfgc.errors import InputError
from pdfgc.evaluation.signals import MEASURES, Signals, choose_measures, pingpong, signals_from_faces
from pdfgc.face.mesh import BLENDSHAPES, brow_raise, smile_odds
from pdfgc.motion import MotionTrack


def _signals(values: list[float], fps: float = 25.0) -> Signals:
    row = np.array(values)
    return Signals(np.arange(len(row)) / fps, {"mouth": row}, np.isfinite(row))


def test_measures_are_those_of_the_face() -> None:
    turned = REST | {"mouth": 1.2, "pitch": 10.0, "yaw": -20.0, "roll": 5.0, "brow": 0.5}
    signals = signals_from_faces([0, 0.04, 0.08], [face(REST), face(turned), None])
    values = {name: v[:2] for name, v in signals.values.items()}
    for name in ("pitch", "yaw", "roll", "matrix_pitch", "matrix_yaw", "matrix_roll"):
        expected = turned[name.removeprefix("matrix_")]
        np.testing.assert_allclose(values[name], [0, expected], atol=0.05)
    assert np.ptp(values["mouth"]) == pytest.approx(1.0, abs=0.02)
    assert np.ptp(values["brow"]) == pytest.approx(0.5, abs=0.02)
    for name in ("blink", "gaze_x", "gaze_y", "smile"):
        assert np.ptp(values[name]) < 0.01, name
    assert signals.found.tolist() == [True, True, False]
    assert all(np.isnan(signals.values[name][2]) for name in MEASURES)


def test_each_parameter_moves_its_own_measure_upwards() -> None:
    moves = {"lids": "blink", "gaze_x": "gaze_x", "gaze_y": "gaze_y", "smile": "smile"}
    for parameter, measure in moves.items():
        signals = signals_from_faces([0, 1], [face(REST), face(REST | {parameter: 0.2})])
        changes = {name: float(v[1] - v[0]) for name, v in signals.values.items()}
        assert changes[measure] > 0.02
        assert max((abs(v) for k, v in changes.items() if k != measure), default=0) < 0.02, parameter


def test_gaze_is_unknown_where_lids_are_nearly_shut_and_nothing_else_is() -> None:
    still, lids = face(REST | {"gaze_y": 0.1}), [0.0] * 8 + [-0.3, -0.55]
    faces = [
        face(REST | {"gaze_y": 0.1 - 0.1 * lid, "lids": lid}) for lid in lids
    ]  # the iris follows the lids
    signals = signals_from_faces(range(12), [*faces, None, still])
    opening = signals.values["blink"]
    part = opening / np.nanpercentile(opening, 80)
    assert part[8] < 0.6 and part[9] < part[8]
    assert np.isfinite(signals.values["gaze_y"]).tolist() == [True] * 8 + [False] * 3 + [True]
    assert np.ptp(signals.values["gaze_y"][:8]) < 1e-6
    assert np.isfinite(signals.values["yaw"]).sum() == 11
    asleep = signals_from_faces(range(3), [face(REST | {"lids": -0.6})] * 3)
    assert asleep.values["blink"].max() < 0.1 and np.isnan(asleep.values["gaze_x"]).all()


def test_brows_that_slide_with_the_pitch_stand_still() -> None:
    nodding = signals_from_faces(range(5), [face(REST | {"pitch": pitch}) for pitch in (-16, -8, 0, 8, 16)])
    assert np.ptp(nodding.values["brow"]) < 0.02
    assert np.ptp(brow_raise(np.stack([face(REST | {"pitch": p}).mesh for p in (-16, 16)]))) > 0.3


def test_a_smile_is_what_the_scores_say() -> None:
    scores = np.zeros((3, 52))
    scores[1:, BLENDSHAPES.index("mouthSmileLeft")] = 0.5, 1.0
    scores[1:, BLENDSHAPES.index("mouthSmileRight")] = 0.5, 1.0
    np.testing.assert_allclose(smile_odds(scores), [-np.log(1001), 0, np.log(1001)])
    scores[:, BLENDSHAPES.index("mouthSmileRight")] = 0.0
    assert smile_odds(scores)[2] == pytest.approx(0)  # one side of two


def test_resampling_keeps_frames_and_interpolates_between() -> None:
    signals = _signals([0, 1, np.nan, 3, 4])
    np.testing.assert_array_equal(signals.at(signals.times).values["mouth"], [0, 1, np.nan, 3, 4])
    between = signals.at(np.array([0.02, 0.06, 0.1, 0.14, 9.0]))
    np.testing.assert_allclose(between.values["mouth"], [0.5, np.nan, np.nan, 3.5, 4])
    thirds = signals.at(np.arange(3) / 25 + 1e-9)
    np.testing.assert_array_equal(thirds.values["mouth"], [0, 1, np.nan])
    with pytest.raises(InputError):
        _signals([]).at(np.array([0.0]))


def test_signals_loop_as_motion_tracks_do() -> None:
    codes = np.tile(np.arange(4.0, dtype=np.float32)[:, None], (1, 6))
    track = MotionTrack.from_codes({"pose": codes}, fps=25).resample(30, frames=20, loop="pingpong")
    signals = _signals([0, 1, 2, 3])
    folded = signals.at(pingpong(np.arange(20) / 30, float(signals.times[-1])))
    np.testing.assert_allclose(folded.values["mouth"], track.pose[:, 0], atol=1e-5)
    assert pingpong(np.array([0.0, 2.0]), 0.0).tolist() == [0, 0]


def test_measures_are_chosen_by_name() -> None:
    assert choose_measures([]) == tuple(MEASURES)
    assert choose_measures(["yaw", "mouth"]) == ("mouth", "yaw")
    with pytest.raises(InputError, match="got 'jaw'"):
        choose_measures(["jaw"])
