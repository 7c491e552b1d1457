"""Triangles inside the eyes: irises move as a whole, lids stay, and hidden or senseless irises do no harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from pdfgc.networks.eye_rings import eye_triangles, eyes_hold, ring_places, with_rings, within_lids
from pdfgc.networks.flow import pixel_centres
from pdfgc.networks.triangles import corners_of, draw_triangles, triangle_flow, triangle_maps

SIZE = 256
EYES = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))


def _mesh(aside: float = 0.0, up: float = 0.0, *, radius: float = 0.45, opened: float = 1.0) -> torch.Tensor:
    """`[1, 478, 3]` a face that fills the picture and looks aside and up by so many cm."""
    vertices = canonical_face()["vertices"].clone()
    rim = radius * torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    for eye, _ in EYES:
        lids, middle = list(eye), vertices[list(eye), 1].mean()
        vertices[lids, 1] = middle + opened * (vertices[lids, 1] - middle)
    irises = [vertices[list(eye)].mean(0) + torch.tensor([aside, up, 0.0]) + rim for eye, _ in EYES]
    pose = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 1.2]])
    return apply_pose(torch.cat([vertices, *irises])[None], pose)


def _flow(source: torch.Tensor, driving: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Offsets `[2, S, S]` and where triangles of eyes hold `[S, S]`."""
    drawn = torch.from_numpy(draw_triangles(driving.numpy(), SIZE))
    offsets, shown = triangle_flow(drawn, triangle_maps(source, driving), pixel_centres(SIZE))
    inside = (drawn[0] > 0) & (drawn[0] <= len(eye_triangles()))
    return offsets[0], shown[0, 0] & inside


def _at(point: torch.Tensor) -> tuple[int, int]:
    x, y = ((point[:2] + 1) * (SIZE / 2) - 0.5).round().int().tolist()
    return y, x


def test_triangles_fill_the_openings_and_face_the_camera() -> None:
    mesh = _mesh()
    corners = corners_of(mesh)[0].numpy()
    assert corners.shape == (MESH_POINTS + 64, 3)
    a, b, c = (corners[eye_triangles()[:, k], :2] for k in range(3))
    areas = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    assert (areas > 0).all()
    for eye, _ in EYES:
        x, y = mesh[0, list(eye), :2].numpy().T
        opening = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        half = areas[: len(areas) // 2] if eye is RIGHT_EYE else areas[len(areas) // 2 :]
        assert half.sum() == pytest.approx(opening, rel=1e-3)


@pytest.mark.parametrize(("aside", "up"), [(0.25, 0.0), (-0.25, 0.0), (0.1, 0.08)])
def test_an_iris_moves_as_a_whole_and_the_lids_do_not(aside: float, up: float) -> None:
    source, driving = _mesh(), _mesh(aside, up)
    offsets, shown = _flow(source, driving)
    for eye, iris in EYES:
        moved = (source - driving)[0, iris[0], :2]
        middle, rim = driving[0, iris[0]], driving[0, iris[1]]
        for share in (0.0, 0.5, -0.5, 0.9, -0.9):
            place = _at(middle + share * (rim - middle))
            assert shown[place]
            assert torch.allclose(offsets[:, place[0], place[1]], moved, atol=1e-3)
        for corner in (eye[0], eye[8]):
            y, x = _at(torch.lerp(driving[0, corner], middle, 0.1))
            assert shown[y, x]
            assert offsets[:, y, x].norm() < 0.35 * moved.norm(), "the white gives way"


def test_eyes_that_look_as_the_portrait_s_are_left_as_they_are() -> None:
    offsets, shown = _flow(_mesh(0.1, radius=0.7), _mesh(0.1, radius=0.7))
    assert shown.sum() > 100
    assert offsets[:, shown].abs().max() < 1e-5


def test_what_lids_hide_is_read_between_the_portrait_s_lids() -> None:
    source, driving = _mesh(radius=0.8, opened=0.6), _mesh(radius=0.8, opened=1.4)
    points = with_rings(source, within_lids(ring_places(driving), source))[0, MESH_POINTS:].reshape(2, 32, 3)
    for (eye, _), rings in zip(EYES, points, strict=True):
        height = source[0, list(eye), 1]
        assert (rings[:, 1] > height.min()).all() and (rings[:, 1] < height.max()).all()


def test_an_iris_that_the_tracker_puts_outside_the_eye_moves_nothing() -> None:
    lost = _mesh(up=1.5)
    assert eyes_hold(_mesh()).all()
    assert not eyes_hold(lost).any()
    for pair in ((lost, _mesh()), (_mesh(), lost)):
        assert not _flow(*pair)[1].any()


def test_an_iris_seen_edge_on_moves_nothing_and_its_points_are_finite() -> None:
    flat = _mesh()
    flat[:, list(RIGHT_IRIS)] = flat[:, RIGHT_IRIS[:1]]
    assert eyes_hold(flat).tolist() == [[False, True]]
    assert torch.isfinite(corners_of(flat)).all()
    assert torch.isfinite(triangle_maps(flat, _mesh())).all()
    half = len(eye_triangles()) // 2
    assert triangle_maps(flat, _mesh())[0, 1 : 1 + half, 6].sum() == 0


def test_a_lid_that_curls_about_a_corner_does_not_lose_the_eye() -> None:
    """As trackers draw wide eyes: from the iris two points of the loop stand in the wrong order."""
    curled = _mesh()
    eye = list(RIGHT_EYE)
    curled[:, eye[1], :2] = torch.lerp(curled[:, eye[0], :2], curled[:, eye[15], :2], 0.4)
    assert eyes_hold(curled).all()
    assert _flow(curled, curled)[1].sum() > 100
