"""Irises laid over painted eyes: where, how far, and of what colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from pdfgc.networks.irises import Irises

SIZE = 256
SKIN, WHITE, BLUE = (200, 150, 120), (190, 190, 190), (30, 60, 140)
EYES = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))


def _mesh(*, aside: float = 0.0, opened: float = 1.0) -> np.ndarray:
    """A face from the front; irises moved to the side by eye widths, lids opened so many times as far."""
    vertices = canonical_face()["vertices"]
    face = torch.cat([vertices, torch.zeros(MESH_POINTS - len(vertices), 3)])
    for loop, iris in EYES:
        corners = face[[loop[0], loop[8]]]
        middle, width = corners.mean(0), float((corners[1] - corners[0]).norm())
        for upper, lower in zip(range(1, 8), range(15, 8, -1), strict=True):
            line = (face[loop[upper]] + face[loop[lower]]) / 2
            for lid in (upper, lower):
                face[loop[lid]] = line + opened * (face[loop[lid]] - line)
        middle = middle + torch.tensor([aside * width, 0.0, 0.0])
        radius = 0.2 * width
        face[iris[0]] = middle
        for point, (across, up) in zip(iris[1:], ((1, 0), (0, 1), (-1, 0), (0, -1)), strict=True):
            face[point] = middle + radius * torch.tensor([across, up, 0.0])
    pose = torch.zeros(1, 6)
    pose[:, 5] = 0.6
    return apply_pose(face[None], pose)[0].numpy()


def _pixels(mesh: np.ndarray) -> np.ndarray:
    return (mesh[:, :2].astype(np.float64) + 1) * SIZE / 2 - 0.5


def _face(mesh: np.ndarray, *, white: tuple[int, int, int] = WHITE, irises: bool = True) -> np.ndarray:
    """Skin, and eyes between their lids: whites, and irises where they are wanted."""
    picture = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    points = _pixels(mesh)
    for loop, iris in EYES:
        eye = np.full_like(picture, white)
        if irises:
            radius = np.linalg.norm(points[iris[1]] - points[iris[0]])
            centre = np.round(points[iris[0]] * 16).astype(int).tolist()
            cv2.circle(eye, centre, round(radius * 16), BLUE, -1, cv2.LINE_AA, 4)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(mask, [np.round(points[list(loop)] * 16).astype(np.int32)], (1,), cv2.LINE_8, 4)
        picture[mask > 0] = eye[mask > 0]
    return picture


def _at(picture: np.ndarray, mesh: np.ndarray, point: int) -> np.ndarray:
    x, y = np.round(_pixels(mesh)[point]).astype(int)
    return picture[y, x].astype(int)


@pytest.fixture(scope="module")
def irises() -> Irises:
    mesh = _mesh()
    return Irises(_face(mesh), mesh)


def test_eyes_held_as_the_portrait_s_are_left_alone(irises: Irises) -> None:
    painted = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_array_equal(irises.draw(painted, _mesh()[None]), painted)


@pytest.mark.parametrize("aside", [-0.2, 0.2])
def test_a_gaze_aside_gets_a_whole_iris_there(irises: Irises, aside: float) -> None:
    mesh = _mesh(aside=aside)
    painted = _face(mesh, irises=False)
    drawn = irises.draw(painted[None], mesh[None])[0]
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        np.testing.assert_allclose(_at(drawn, mesh, iris[0]), BLUE, atol=12)
    changed = np.argwhere((drawn != painted).any(-1))[:, ::-1]
    points = _pixels(mesh)
    inside = np.zeros((SIZE, SIZE), np.uint8)
    for loop, _ in EYES:
        cv2.fillPoly(inside, [np.round(points[list(loop)]).astype(np.int32)], (1,))
    assert len(changed) > 20
    assert (cv2.dilate(inside, np.ones((3, 3)))[changed[:, 1], changed[:, 0]] == 1).all(), "only eyes change"


def test_an_eye_that_opens_shows_what_the_lids_hid(irises: Irises) -> None:
    mesh = _mesh(opened=1.8)
    drawn = irises.draw(_face(mesh, irises=False)[None], mesh[None])[0]
    points = _pixels(mesh)
    for loop, iris in EYES:
        top = points[iris[0]] + 0.7 * (points[iris[2]] - points[iris[0]])
        assert cv2.pointPolygonTest(points[list(loop)].astype(np.float32), top.tolist(), True) > 1.5, (
            "it is seen"
        )
        x, y = np.round(top).astype(int)
        np.testing.assert_allclose(drawn[y, x].astype(int), BLUE, atol=25)


def test_shut_eyes_stay_as_they_were_painted(irises: Irises) -> None:
    mesh = _mesh(aside=0.2, opened=0.15)
    painted = _face(mesh)
    np.testing.assert_array_equal(irises.draw(painted[None], mesh[None])[0], painted)


def test_whites_do_not_glow(irises: Irises) -> None:
    mesh = _mesh(opened=1.8)
    dark = Irises(_face(_mesh(), white=(90, 90, 90)), _mesh())
    painted = _face(mesh, white=(250, 250, 250), irises=False)
    corner = np.round(_pixels(mesh)[RIGHT_EYE[0]] * 0.7 + _pixels(mesh)[RIGHT_IRIS[0]] * 0.3).astype(int)
    before, usual, dimmed = (
        int(picture[corner[1], corner[0]].mean())
        for picture in (
            painted,
            irises.draw(painted[None], mesh[None])[0],
            dark.draw(painted[None], mesh[None])[0],
        )
    )
    assert usual == before, "a third brighter than the portrait's is allowed"
    assert dimmed < 0.65 * before


def test_dark_glasses_lend_no_iris() -> None:
    mesh, wanted = _mesh(), _mesh(aside=0.2)
    brown = np.full((SIZE, SIZE, 3), (40, 20, 10), np.uint8)
    painted = _face(wanted, irises=False)
    drawn = Irises(brown, mesh).draw(painted[None], wanted[None])[0]
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        assert np.ptp(_at(drawn, wanted, iris[0]).astype(int)) < 3, "a white as it was painted, if darker"


def test_one_eye_that_lends_no_iris_keeps_the_other_s() -> None:
    mesh, wanted = _mesh(), _mesh(aside=0.2)
    mesh[list(LEFT_IRIS)] = mesh[LEFT_IRIS[0]]  # seen from the side
    painted = _face(wanted, irises=False)
    np.testing.assert_array_equal(Irises(_face(_mesh()), mesh).draw(painted[None], wanted[None])[0], painted)


@pytest.mark.parametrize("point", [RIGHT_EYE[4], RIGHT_IRIS[0]])
def test_points_that_are_no_numbers_change_nothing(irises: Irises, point: int) -> None:
    mesh = _mesh(aside=0.2)
    mesh[[point, LEFT_IRIS[0]]] = np.nan
    painted = _face(_mesh(), irises=False)
    np.testing.assert_array_equal(irises.draw(painted[None], mesh[None])[0], painted)
    assert Irises(painted, mesh).draw(painted[None], mesh[None]).shape == (1, SIZE, SIZE, 3)


def test_a_face_outside_the_frame_or_of_no_size_changes_nothing(irises: Irises) -> None:
    painted = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    far, flat = _mesh(aside=0.2), _mesh(aside=0.2)
    far[:, 0] += 5
    flat[:, :2] *= 1e-3
    np.testing.assert_array_equal(irises.draw(painted, np.stack([far, flat])), painted)
    np.testing.assert_array_equal(Irises(painted[0], flat).draw(painted, np.stack([far, far])), painted)


@pytest.mark.parametrize("degrees", [75, 120, 180])
def test_eyes_that_are_turned_away_are_not_painted(irises: Irises, degrees: float) -> None:
    mesh = _mesh(aside=0.2)
    turn = np.radians(degrees)
    x, z = mesh[:, 0].copy(), mesh[:, 2].copy()
    mesh[:, 0], mesh[:, 2] = np.cos(turn) * x + np.sin(turn) * z, np.cos(turn) * z - np.sin(turn) * x
    painted = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_array_equal(irises.draw(painted, mesh[None]), painted)
