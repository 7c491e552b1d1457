from dataclasses import replace

import numpy as np
import pytest
import torch

from pdfgc.data.talking_head_3d import Act, Head
from pdfgc.data.talking_head_3d.performance import EXPRESSIONS
from pdfgc.evaluation.signals import signals_from_faces
from pdfgc.face.geometry import fit_pose
from pdfgc.face.mesh import eye_opening, gaze, mouth_opening
from pdfgc.face.tracker import FaceTracker

HEAD = Head.random(np.random.default_rng((1, 0, 3)))
STRONG = {
    name: {action: 1.3 * weight for action, weight in EXPRESSIONS[name].items()}
    for name in ("smile", "brow_raise")
}

# what is done, and by how much the tracker must see each of its measures change, at least and at most
MOVES: dict[str, tuple[Act, float, float]] = {
    "pitch": (Act(pose=(0.25, 0, 0)), 10, 18),
    "yaw": (Act(pose=(0, 0.35, 0)), 14, 24),
    "roll": (Act(pose=(0, 0, 0.3)), 13, 21),
    "gaze_x": (Act(gaze=(0.35, 0)), 0.05, 0.25),
    "blink": (Act(blink=(1, 1)), -0.35, -0.12),
    "mouth": (Act(lips={"jawOpen": 0.6}), 1.0, 3.0),
    "smile": (Act(expression=STRONG["smile"]), 1.5, 14.0),
    "brow": (Act(expression=STRONG["brow_raise"]), 0.2, 1.2),
    "shift_x": (Act(shift=(2.0, 0, 0)), 1.5, 2.8),
    "shift_y": (Act(shift=(0, -2.0, 0)), 1.5, 2.8),
    "zoom": (Act(shift=(0, 0, 10)), 0.05, 0.3),
}
# what may change with anything else; the pitch so much because MediaPipe takes a smile for 3 degrees of nodding
STEADY = {
    "pitch": 6,
    "yaw": 4,
    "roll": 4,
    "gaze_x": 0.06,
    "blink": 0.1,
    "mouth": 0.35,
    "smile": 1.5,
    "brow": 0.3,
}


@pytest.fixture(scope="module")
def seen(tracker: FaceTracker) -> dict[str, dict[str, float]]:
    """What the tracker measures at rest and for each of the moves, from the pictures."""
    acts = [Act(), *(act for act, _, _ in MOVES.values())]
    faces = [next(iter(tracker.detect(HEAD.render(act))), None) for act in acts]
    assert all(face is not None for face in faces)
    signals = signals_from_faces(range(len(acts)), faces)
    rest = {name: value[0] for name, value in signals.values.items()}
    return {
        move: {name: float(value[i + 1] - rest[name]) for name, value in signals.values.items()}
        for i, move in enumerate(MOVES)
    }


@pytest.mark.parametrize("move", MOVES)
def test_the_tracker_sees_what_is_done(seen: dict[str, dict[str, float]], move: str) -> None:
    _, least, most = MOVES[move]
    assert least <= seen[move][move] <= most


@pytest.mark.parametrize("move", MOVES)
def test_the_tracker_sees_nothing_else(seen: dict[str, dict[str, float]], move: str) -> None:
    others = {name: change for name, change in seen[move].items() if name in STEADY and name != move}
    assert not {name: change for name, change in others.items() if abs(change) > STEADY[name]}


def test_the_tracker_finds_the_true_points(tracker: FaceTracker) -> None:
    act = Act(pose=(0.1, -0.2, 0.1), lips={"jawOpen": 0.3})
    (face,) = tracker.detect(HEAD.render(act))
    error = np.linalg.norm(face.mesh[:468, :2] - HEAD.mesh(act)[:468, :2], axis=1)
    assert np.median(error) < 3.5  # of 256 pixels


def test_true_points_turn_as_they_are_told() -> None:
    poses = [(0.0, 0.0, 0.0), (0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.3)]
    far = replace(HEAD, camera=replace(HEAD.camera, distance=1e5))
    fitted = fit_pose(torch.from_numpy(np.stack([far.mesh(Act(pose=pose)) for pose in poses]))).numpy()
    turned = fitted[1:, :3] - fitted[0, :3]
    np.testing.assert_allclose(np.diag(turned), 0.3, atol=0.03)


def test_true_points_of_lids_lips_and_irises_do_as_they_are_told() -> None:
    rest, shut, open_, aside = (
        HEAD.mesh(act) for act in (Act(), Act(blink=(1, 0)), Act(lips={"jawOpen": 0.6}), Act(gaze=(0.3, 0)))
    )
    left, right = eye_opening(shut)
    assert left < 0.4 * eye_opening(rest)[0]
    assert right == pytest.approx(eye_opening(rest)[1], abs=0.01)
    assert mouth_opening(open_) > mouth_opening(rest) + 1
    assert gaze(aside)[0] == pytest.approx(gaze(rest)[0] + 0.13, abs=0.05)
    np.testing.assert_allclose(aside[:468], rest[:468], atol=1e-3)


def test_pictures_are_the_same_for_the_same_seed() -> None:
    again = Head.random(np.random.default_rng((1, 0, 3)))
    np.testing.assert_array_equal(HEAD.render(Act()), again.render(Act()))
    grain = [HEAD.render(Act(), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(grain[0], grain[1])
    assert 0.1 < np.abs(grain[0].astype(int) - grain[2]).mean() < 4
