"""Triangles of lips and lids: which there are, how they are drawn, and that they carry their corners exactly."""

from __future__ import annotations

import numpy as np
import torch

from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, LIPS_INNER, LIPS_OUTER, RIGHT_EYE, RIGHT_IRIS
from pdfgc.networks.eye_rings import eye_triangles
from pdfgc.networks.flow import pixel_centres
from pdfgc.networks.triangles import (
    corners_of,
    draw_triangles,
    seam_triangles,
    skin_triangles,
    triangle_flow,
    triangle_maps,
)

SIZE = 128
IRIS = 0.6
"""Radius of the irises in cm: lids hide a part of them."""


def _meshes(*yaws: float) -> torch.Tensor:
    vertices = canonical_face()["vertices"]
    face = torch.cat([vertices, vertices[: MESH_POINTS - len(vertices)]])
    for eye, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        rim = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])  # y up
        face[list(iris)] = vertices[list(eye)].mean(0) + IRIS * rim
    pose = torch.zeros(len(yaws), 6)
    pose[:, 1], pose[:, 5] = torch.tensor(yaws), 1.2  # fills the picture
    return apply_pose(face.expand(len(yaws), -1, -1), pose)


def test_they_are_all_of_the_lips_and_two_rings_about_the_eyes_but_no_opening() -> None:
    triangles = {frozenset(row) for row in skin_triangles().tolist()}
    assert len(triangles) == len(skin_triangles())
    for opening in (LIPS_INNER, RIGHT_EYE, LEFT_EYE):
        assert not any(triangle <= set(opening) for triangle in triangles)
        edges = [{opening[i - 1], opening[i]} for i in range(len(opening))]
        assert all(any(edge <= triangle for triangle in triangles) for edge in edges), "no gap at the opening"
    outer = [{LIPS_OUTER[i - 1], LIPS_OUTER[i]} for i in range(len(LIPS_OUTER))]
    sides = [sum(edge <= triangle for triangle in triangles) for edge in outer]
    assert sides == [1] * len(outer), "lips end at their outer edge"


def test_they_all_turn_the_same_way() -> None:
    edges = [tuple(row[[i - 1, i]]) for row in seam_triangles() for i in range(3)]
    assert len(set(edges)) == len(edges), "no two triangles run along an edge in the same direction"
    a, b, c = (corners_of(_meshes(0.0))[0, seam_triangles()[:, corner]] for corner in range(3))
    front = torch.linalg.cross(b - a, c - a)[:, 2] > 0
    assert front.float().mean() > 0.95, "a few of the neutral mesh are folded at the corners of the mouth"
    assert front[: len(eye_triangles())].all()


def test_what_turns_away_is_not_drawn() -> None:
    ahead, turned = draw_triangles(_meshes(0.0, 1.4).numpy(), SIZE)
    assert len(np.unique(ahead)) > 0.8 * len(seam_triangles())
    assert 0 < len(np.unique(turned)) < 0.7 * len(np.unique(ahead))


def test_what_is_seen_edge_on_is_not_read_far_outside_itself() -> None:
    source, driving = _meshes(0.0), _meshes(0.0)
    flat, corner = skin_triangles()[100], skin_triangles()[100][2]
    driving[0, corner, :2] = driving[0, flat[:2], :2].mean(0) + 1e-4
    row = 1 + len(eye_triangles()) + 100
    assert triangle_maps(source, driving)[0, row, 6] == 0
    assert triangle_maps(source, source)[0, row, 6] == 1


def test_lips_that_are_to_meet_or_to_part_are_read_inside_their_edge() -> None:
    shut, opened = _meshes(0.0), _meshes(0.0)
    opened[:, LIPS_INNER[15], 1] += 0.15
    number = next(i for i, row in enumerate(seam_triangles().tolist()) if LIPS_INNER[15] in row)
    place = seam_triangles()[number].tolist().index(LIPS_INNER[15])

    def landed(source: torch.Tensor, driving: torch.Tensor) -> torch.Tensor:
        a, b, c, d, e, f, _ = triangle_maps(source, driving)[0, 1 + number]
        x, y = driving[0, seam_triangles()[number][place], :2]
        return torch.stack([x + a * x + b * y + c, y + d * x + e * y + f])

    edge, rim = opened[0, LIPS_INNER[15], :2], opened[0, LIPS_OUTER[15], :2]
    assert torch.allclose(landed(opened, opened), edge, atol=1e-5), "as open as the portrait: its own edge"
    inset = (landed(opened, shut) - edge).norm() / (rim - edge).norm()
    assert 0.05 < inset <= 0.151
    wide = opened.clone()
    wide[:, LIPS_INNER[15], 1] += 0.15
    assert torch.allclose(landed(opened, wide), edge, atol=1e-5), "parted lips have no dark line between them"
    closed = shut.clone()
    closed[:, LIPS_INNER[15]] = shut[:, LIPS_INNER[5]]
    edge, rim = closed[0, LIPS_INNER[15], :2], closed[0, LIPS_OUTER[15], :2]
    parted = (landed(closed, opened) - edge).norm() / (rim - edge).norm()
    assert 0.05 < parted <= 0.151, "shut lips have one"


def test_lids_that_shut_are_read_beyond_the_rim_of_the_eye() -> None:
    opened, shut = _meshes(0.0), _meshes(0.0)
    shut[:, RIGHT_EYE[1:8]] = torch.lerp(shut[:, RIGHT_EYE[:8:-1]], shut[:, RIGHT_EYE[1:8]], 0.2)
    edge = RIGHT_EYE[4]
    number = 1 + len(eye_triangles()) + int(np.flatnonzero((skin_triangles() == edge).any(1))[0])
    x, y = shut[0, edge, :2].tolist()

    def read_at(portrait: torch.Tensor) -> float:
        d, e, f = triangle_maps(portrait, shut)[0, number, 3:6].tolist()
        return y + d * x + e * y + f

    assert abs(read_at(shut) - y) < 1e-4
    assert read_at(opened) < float(opened[0, edge, 1]) - 0.005  # y runs down: above the lid's edge


def test_corners_land_where_they_were_in_the_portrait() -> None:
    source, driving = _meshes(0.0), _meshes(0.25)
    maps = triangle_maps(source, driving)[0, 1 + len(eye_triangles()) :]
    for number, corners in list(enumerate(skin_triangles().tolist()))[::7]:
        a, b, c, d, e, f, shown = maps[number]
        if not shown:
            continue
        x, y = driving[0, corners, 0], driving[0, corners, 1]
        landed = torch.stack([x + a * x + b * y + c, y + d * x + e * y + f], 1)
        assert torch.allclose(landed, source[0, corners, :2], atol=1e-4)


def test_a_face_that_stands_still_has_no_flow_and_two_frames_have_their_own() -> None:
    source = _meshes(0.1, 0.1)
    driving = source.clone()
    driving[1, :, 0] += 0.05
    drawn = torch.from_numpy(draw_triangles(driving.numpy(), SIZE))
    offsets, shown = triangle_flow(drawn, triangle_maps(source, driving), pixel_centres(SIZE))
    assert shown.any() and torch.equal(shown[:, 0], drawn > 0)
    assert offsets[0].abs().max() < 1e-5
    assert torch.allclose(offsets[1, 0][shown[1, 0]], torch.tensor(-0.05), atol=1e-4)
    assert offsets[1, 1].abs().max() < 1e-4


def test_what_the_portrait_hides_is_not_taken_from_it() -> None:
    source, driving = _meshes(1.2), _meshes(0.0)
    drawn = torch.from_numpy(draw_triangles(driving.numpy(), SIZE))
    _, shown = triangle_flow(drawn, triangle_maps(source, driving), pixel_centres(SIZE))
    assert 0.2 < shown[0, 0][drawn[0] > 0].float().mean() < 0.9
