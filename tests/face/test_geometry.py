"""Poses put on are found again; conventions of axes and signs, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pdfgc.face.geometry import (
    MESH_POINTS,
    POSE_SCALE,
    _align_by_newton,
    _align_by_svd,
    apply_pose,
    canonical_face,
    euler_to_rotation,
    fit_pose,
    remove_pose,
    rotation_to_euler,
)


@pytest.fixture(scope="module")
def face() -> Tensor:
    """`[478, 3]` cm, irises at the origin: no pose depends on them."""
    return torch.cat([canonical_face()["vertices"], torch.zeros(10, 3)])


def _poses(count: int = 64) -> Tensor:
    limits = torch.tensor([0.6, 0.9, 0.5, 0.4, 0.4, 0.5])
    return (torch.rand(count, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1) * limits


def test_a_face_at_rest_has_no_pose(face: Tensor) -> None:
    mesh = apply_pose(face, torch.zeros(6))
    assert torch.allclose(mesh, face * POSE_SCALE * torch.tensor([1.0, -1.0, -1.0]))
    assert torch.allclose(fit_pose(mesh), torch.zeros(6), atol=1e-5)


def test_the_pose_that_was_put_on_is_found(face: Tensor) -> None:
    poses = _poses()
    meshes = apply_pose(face.expand(len(poses), -1, -1), poses)
    assert meshes.shape == (len(poses), MESH_POINTS, 3)
    assert torch.allclose(fit_pose(meshes), poses, atol=1e-5)
    assert torch.allclose(remove_pose(meshes, poses), face.expand_as(meshes), atol=1e-4)


@pytest.mark.parametrize(
    ("pose", "point", "lands"),
    [
        ((math.pi / 2, 0, 0), (0, 0, 1), (0, 1)),  # looking down, the nose points down the image
        ((0, math.pi / 2, 0), (0, 0, 1), (1, 0)),  # turned to the image's right, so does the nose
        ((0, 0, math.pi / 2), (0, 1, 0), (-1, 0)),  # tipped to the image's left, so is the crown
    ],
    ids=["pitch", "yaw", "roll"],
)
def test_which_way_positive_angles_turn(
    pose: tuple[float, ...], point: tuple[float, ...], lands: tuple[float, ...]
) -> None:
    turned = apply_pose(torch.tensor([point]).float(), torch.tensor([*pose, 0, 0, 0]).float())
    assert torch.allclose(turned[0, :2] / POSE_SCALE, torch.tensor(lands).float(), atol=1e-6)


def test_place_and_size_are_crop_units(face: Tensor) -> None:
    still, moved = apply_pose(face, torch.zeros(6)), apply_pose(face, torch.tensor([0, 0, 0, 0.2, -0.3, 0]))
    assert torch.allclose(moved - still, torch.tensor([0.2, -0.3, 0.0]).expand_as(still), atol=1e-6)
    doubled = apply_pose(face, torch.tensor([0, 0, 0, 0, 0, math.log(2)]))
    assert torch.allclose(doubled, 2 * still, atol=1e-6)


def test_euler_angles_and_rotations_are_inverse() -> None:
    angles = _poses()[:, :3]
    rotations = euler_to_rotation(angles)
    assert torch.allclose(rotations @ rotations.transpose(1, 2), torch.eye(3).expand(64, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotations), torch.ones(64), atol=1e-5)
    assert torch.allclose(rotation_to_euler(rotations), angles, atol=1e-5)


def test_a_change_of_shape_moves_the_pose_little(face: Tensor) -> None:
    jaw = face.clone()
    jaw[face[:, 1] < -5] -= torch.tensor([0.0, 2.0, 0.0])  # an open mouth
    assert fit_pose(apply_pose(jaw, torch.zeros(6)))[:3].abs().max() < math.radians(3)


@pytest.mark.parametrize("depth", [1.0, 0.02], ids=["round", "flat"])
def test_both_ways_to_align_agree(depth: float) -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(64, 40, 3, generator=generator) * torch.tensor([1.0, 1.3, depth])
    turned = points @ euler_to_rotation(_poses()[:, :3]).transpose(1, 2)
    noisy = 3 * turned + 0.02 * torch.randn(points.shape, generator=generator) * depth
    covariance = noisy.transpose(1, 2) @ points
    for ours, theirs in zip(_align_by_newton(covariance), _align_by_svd(covariance), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=2e-5)


def test_a_mirrored_face_is_turned_not_mirrored(face: Tensor) -> None:
    mirrored = apply_pose(face, torch.zeros(6)) * torch.tensor([-1.0, 1.0, 1.0])
    rotation = euler_to_rotation(fit_pose(mirrored)[:3])
    assert torch.linalg.det(rotation) == pytest.approx(1.0, abs=1e-4)
