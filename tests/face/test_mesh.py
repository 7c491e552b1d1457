"""What the mesh's indices mean, checked on the canonical face, and the measures read off it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pdfgc.face import mesh
from pdfgc.face.geometry import apply_pose, canonical_face
from pdfgc.face.tracker import Face

LOOPS = {
    name: getattr(mesh, name)
    for name in (
        "LIPS_OUTER", "LIPS_INNER", "LEFT_EYE", "RIGHT_EYE", "LEFT_BROW", "RIGHT_BROW", "FACE_OVAL"
    )
}  # fmt: skip


@pytest.fixture
def face() -> np.ndarray:
    """The canonical face with irises in the middle of the eyes: `[478, 3]` cm, x right, y up, z near."""
    points = np.zeros((478, 3), np.float32)
    points[:468] = canonical_face()["vertices"].numpy()
    for loop, iris in ((mesh.RIGHT_EYE, mesh.RIGHT_IRIS), (mesh.LEFT_EYE, mesh.LEFT_IRIS)):
        points[list(iris)] = points[[loop[0], loop[8]]].mean(0)
    return points


def posed(face: np.ndarray, *pose: float) -> np.ndarray:
    return apply_pose(torch.from_numpy(face), torch.tensor(pose)).numpy()


def area(polygon: np.ndarray) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


@pytest.mark.parametrize("name", LOOPS)
def test_loops_go_round_without_crossing(face: np.ndarray, name: str) -> None:
    polygon = face[list(LOOPS[name]), :2]
    assert len(set(LOOPS[name])) == len(LOOPS[name])
    if name == "LIPS_INNER":  # shut in the canonical face: no area to speak of
        polygon = polygon + np.where(np.arange(20) % 20 < 11, 0.5, -0.5)[:, None] * (0, 1)
    middle = polygon.mean(0)
    angles = np.unwrap(np.arctan2(*(polygon - middle).T[::-1]))
    turns = np.sign(np.diff(angles)).sum()
    assert abs(turns) >= len(polygon) - 5, "the angle about the middle goes one way, but for slight dents"
    assert abs(area(polygon)) > 0.5


def test_upper_edges_come_before_lower_edges(face: np.ndarray) -> None:
    y = face[:, 1]
    for loop in (mesh.LEFT_EYE, mesh.RIGHT_EYE):
        assert all(y[loop[i]] > y[loop[16 - i]] for i in range(2, 7))
    assert all(y[mesh.LIPS_OUTER[i]] > y[mesh.LIPS_OUTER[20 - i]] for i in range(1, 10))
    for brow in (mesh.LEFT_BROW, mesh.RIGHT_BROW):
        assert all(y[brow[i]] > y[brow[9 - i]] for i in range(5))


def test_left_and_right_are_the_subjects_own_and_mirror_each_other(face: np.ndarray) -> None:
    assert face[list(mesh.RIGHT_EYE), 0].max() < 0 < face[list(mesh.LEFT_EYE), 0].min()
    for left, right in (("LEFT_EYE", "RIGHT_EYE"), ("LEFT_BROW", "RIGHT_BROW")):
        mirrored = face[list(LOOPS[right])] * (-1, 1, 1)
        assert np.abs(mirrored - face[list(LOOPS[left])]).max() < 0.02


def test_irises_lie_in_their_eyes(astronaut_face: Face) -> None:
    points = astronaut_face.mesh
    for loop, iris in ((mesh.LEFT_EYE, mesh.LEFT_IRIS), (mesh.RIGHT_EYE, mesh.RIGHT_IRIS)):
        eye, centre = points[list(loop), :2], points[iris[0], :2]
        assert (eye.min(0) < centre).all() and (centre < eye.max(0)).all()
        rim = np.linalg.norm(points[list(iris[1:]), :2] - centre, axis=1)
        assert rim.std() / rim.mean() < 0.2, "the first index is the centre of the others"


def test_the_68_points_stand_in_dlibs_order(face: np.ndarray) -> None:
    points = mesh.landmarks_68(face)
    x, y = points[:, 0], points[:, 1]
    assert points.shape == (68, 3) and len(set(mesh.DLIB_68)) == 68
    assert (np.diff(x[0:17]) > -0.1).all() and y[8] == y.min(), "jaw from the image's left by the chin"
    assert (np.diff(x[17:27]) > 0).all() and (np.diff(y[27:31]) < 0).all() and (np.diff(x[31:36]) > 0).all()
    mirror = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)]
    mirror += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    mirror += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    assert np.abs(points[mirror] * (-1, 1, 1) - points).max() < 0.02


@pytest.mark.parametrize("pose", [(0, 0, 0, 0, 0, 0), (0.3, -0.5, 0.2, 0.4, -0.1, 1.0)])
def test_measures_do_not_see_the_pose(face: np.ndarray, pose: tuple[float, ...]) -> None:
    changed = face.copy()
    changed[[14, 87, 317], 1] -= 1.0  # lower lip down
    changed[list(mesh.LEFT_BROW + mesh.RIGHT_BROW), 1] += 0.4
    changed[[468, 473], 0] += 0.3  # both irises to the image's right
    changed[[468, 473], 1] -= 0.1  # and down
    changed[[61, 291], 1] += 0.5  # corners of the mouth up
    before, after = posed(face, *pose), posed(changed, *pose)
    assert mesh.mouth_opening(after) - mesh.mouth_opening(before) == pytest.approx(1.0, abs=0.05)
    assert mesh.brow_raise(after) - mesh.brow_raise(before) == pytest.approx(0.4, abs=0.03)
    assert mesh.smile(after) - mesh.smile(before) == pytest.approx(0.5, abs=0.03)
    width = np.linalg.norm(face[33] - face[133])
    horizontal, vertical = mesh.gaze(after)
    assert horizontal == pytest.approx(0.3 / width, abs=0.02) and vertical == pytest.approx(
        0.1 / width, abs=0.03
    )
    assert mesh.gaze(before)[0] == pytest.approx(0.0, abs=0.01)


def test_eyes_are_measured_apart(face: np.ndarray) -> None:
    shut = face.copy()
    shut[list(mesh.LEFT_EYE[1:8])] = face[list(mesh.LEFT_EYE[:8:-1])]
    left, right = mesh.eye_opening(posed(shut, 0.1, 0.2, 0.0, 0.0, 0.0, 0.0))
    assert left == pytest.approx(0.0, abs=0.02) and right > 0.2


def test_measures_keep_leading_axes_and_refuse_other_shapes(face: np.ndarray) -> None:
    clip = np.stack([posed(face, 0, 0.1 * i, 0, 0, 0, 0) for i in range(6)]).reshape(2, 3, 478, 3)
    for measure in (mesh.mouth_opening, mesh.smile, mesh.brow_raise):
        assert measure(clip).shape == (2, 3)
    assert [part.shape for part in (*mesh.eye_opening(clip), *mesh.gaze(clip))] == [(2, 3)] * 4
    with pytest.raises(ValueError, match="expected meshes"):
        mesh.mouth_opening(clip[..., :468, :])


def test_the_astronaut_smiles_with_open_eyes(astronaut_face: Face) -> None:
    assert min(mesh.eye_opening(astronaut_face.mesh)) > 0.2
    assert mesh.mouth_opening(astronaut_face.mesh) > 0.2, "her teeth show"
