"""Computed flows: known motions give known offsets."""

from __future__ import annotations

import torch

from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face
from pdfgc.networks.flow import kernel_widths, mesh_flow, pixel_centres, rigid_flows

GRID = 32


def _face(pose: list[float]) -> torch.Tensor:
    vertices = canonical_face()["vertices"]
    padded = torch.cat([vertices, vertices[:10]])[:MESH_POINTS]
    return apply_pose(padded[None], torch.tensor([pose]))


def test_a_shifted_mesh_is_read_from_where_it_was() -> None:
    source = _face([0.0] * 6)
    driving = source + torch.tensor([0.1, -0.05, 0.0])
    offsets = mesh_flow(source, driving, kernel_widths(GRID), GRID)
    assert torch.allclose(offsets[0].mean((1, 2)), torch.tensor([-0.1, 0.05]), atol=1e-5)


def test_mesh_flow_agrees_with_a_plain_kernel_regression() -> None:
    torch.manual_seed(0)
    source = _face([0.1, 0.2, 0.0, 0.0, 0.0, 0.0])
    driving = source + 0.05 * torch.randn_like(source)
    widths = kernel_widths(GRID)
    offsets = mesh_flow(source, driving, widths, GRID)
    pixel = pixel_centres(GRID)[20, 9]
    distance = (driving[0, :, :2] - pixel).square().sum(1)
    depth = driving[0, :, 2] - driving[0, :, 2].mean()
    weight = torch.softmax(-distance / (2 * widths**2) - depth / 0.1, 0)
    expected = (weight[:, None] * (source - driving)[0, :, :2]).sum(0)
    assert torch.allclose(offsets[0, :, 20, 9], expected, atol=1e-4)


def test_a_head_that_has_left_the_picture_takes_all_pixels_along() -> None:
    source = _face([0.0] * 6)
    driving = source + torch.tensor([5.0, 0.0, 0.0])
    driving.requires_grad_()
    offsets = mesh_flow(source, driving, kernel_widths(GRID), GRID)
    assert torch.allclose(offsets.mean((0, 2, 3)), torch.tensor([-5.0, 0.0]), atol=1e-3)
    offsets.sum().backward()
    assert driving.grad is not None and driving.grad.isfinite().all()


def test_rigid_flows_of_equal_poses_vanish_and_of_a_shift_are_the_shift() -> None:
    pose = torch.tensor([[0.1, -0.3, 0.2, 0.05, 0.1, 0.1]])
    assert rigid_flows(pose, pose, GRID).abs().max() < 1e-5
    moved = pose.clone()
    moved[:, 3] += 0.2
    flows = rigid_flows(pose, moved, GRID)
    assert torch.allclose(flows[:, 0::2].mean(), torch.tensor(-0.2), atol=1e-5)
    assert flows[:, 1::2].abs().max() < 1e-5


def test_rigid_flow_takes_a_point_of_the_plane_where_the_head_takes_it() -> None:
    own = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    turned = torch.tensor([[0.0, 0.4, 0.0, 0.0, 0.0, 0.0]])
    in_camera = torch.tensor([2.0, 1.0, 3.0])  # cm, on the first plane of the driving head
    from pdfgc.face.geometry import POSE_SCALE, euler_to_rotation

    landed = euler_to_rotation(turned[0, :3]).T @ in_camera  # the portrait faces the camera
    pixel = in_camera[:2] * torch.tensor([1.0, -1.0]) * POSE_SCALE
    cell = ((pixel + 1) * GRID / 2 - 0.5).round().long()
    centre = pixel_centres(GRID)[cell[1], cell[0]]
    flow = rigid_flows(own, turned, GRID)[0, :2, cell[1], cell[0]]
    expected = landed[:2] * torch.tensor([1.0, -1.0]) * POSE_SCALE
    assert torch.allclose(centre + flow, expected, atol=1.5 / GRID)
