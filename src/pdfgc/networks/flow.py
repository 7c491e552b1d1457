"""Where the driving mesh says each pixel comes from: backward flows computed, not learned.

All maps are offsets in crop units (-1..1 across the crop): a pixel at `p` of the driving frame is read from the
portrait at `p + offset(p)`. Three guesses are offered to the generator, which mixes and corrects them:

- the *mesh* flow, a kernel regression of the 478 displacements: exact near mesh points;
- two *rigid* flows, the head's rotation and translation applied to a plane facing the camera, one through the face
  outline and one through the ears: right for hair, ears and neck, which the mesh does not cover;
- no motion, for the background (implicit, an offset of zero).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.face.geometry import MESH_POINTS, POSE_SCALE, canonical_face, euler_to_rotation, lid_gap
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

RIGID_PLANES_CM = (3.0, -4.0)
"""Depth of the rigid planes in front of the head's origin: the rim of the face mesh, and the ears and hair line."""

_FAR = 1e-280  # sum of kernels below which a pixel is too far from the face to tell mesh points apart
_DEPTH_SOFTNESS = 0.1  # crop units: points this much nearer to the camera weigh e times more, a soft z-buffer
_SHUT, _SHUT_SOFTNESS = 0.14, 0.015  # lid gap over eye width at which an iris half vanishes
_WIDTH_PER_SPACING = 0.6  # kernel width as a share of the distance to the neighbouring mesh points


def pixel_centres(size: int, device: torch.device | None = None) -> Tensor:
    """`[size, size, 2]` x, y of the pixel centres of a square map in crop units (grid_sample, align_corners=False)."""
    axis = (torch.arange(size, dtype=torch.float32, device=device) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1)


def kernel_widths(grid: int) -> Tensor:
    """`[478]` kernel width of every mesh point in crop units: fine at eyes and lips, coarse on the cheeks."""
    face = canonical_face()
    vertices, triangles = face["vertices"], face["triangles"].long()
    edges = torch.cat([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    lengths = (vertices[edges[:, 0]] - vertices[edges[:, 1]]).norm(dim=-1)
    total, count = torch.zeros(MESH_POINTS), torch.zeros(MESH_POINTS)
    for end in (0, 1):
        total.index_add_(0, edges[:, end], lengths)
        count.index_add_(0, edges[:, end], torch.ones_like(lengths))
    widths = _WIDTH_PER_SPACING * POSE_SCALE * total / count.clamp(min=1)
    finest = 0.5 * 2 / grid  # half a cell: a narrower kernel would fall between the samples
    return widths.clamp(min=finest)


def mesh_flow(source: Tensor, driving: Tensor, widths: Tensor, grid: int) -> Tensor:
    """Kernel regression of the mesh displacements.

    A Gaussian kernel is a product of one along x and one along y, so the sums over all mesh points at all pixels are
    one matrix product. In float64: towards the border the kernels fall far below float32's least number. Pixels so
    far from the face that they fall below float64's too go with the mean displacement.

    Args:
        source: `[B, 478, 3]` the portrait's crop mesh.
        driving: `[B, 478, 3]` the driving crop mesh.
        widths: `[478]` from `kernel_widths`.
        grid: side of the map.

    Returns:
        Offsets `[B, 2, grid, grid]`.
    """
    points = driving[..., :2].double()
    axis = pixel_centres(grid, source.device)[0, :, 0].double()
    sharpness = (0.5 / widths.to(source).double().square())[:, None]
    across, down = (torch.exp(-sharpness * (axis - points[..., i : i + 1]).square()) for i in range(2))
    nearness = -(driving[..., 2] - driving[..., 2].mean(1, keepdim=True)) / _DEPTH_SOFTNESS
    weight = torch.exp((nearness + _shown(driving[..., :2])).double())[..., None]
    weighted = torch.cat([weight * (source[..., :2] - points), weight], -1)  # [B, 478, 3]
    sums = down.transpose(1, 2) @ (weighted[..., None] * across[:, :, None]).flatten(2)
    x, y, total = sums.view(-1, grid, 3, grid).unbind(2)
    total = total[:, None]
    near = total > _FAR
    mean = weighted[..., :2].sum(1) / weight.sum(1)
    offsets = torch.stack([x, y], 1) / torch.where(near, total, torch.ones_like(total))
    return torch.where(near, offsets, mean[..., None, None]).float()


def _shown(points: Tensor) -> Tensor:
    """Logarithm of how much each point can be seen, `[B, 478]`: irises vanish behind closing lids.

    Without it, a closed eye would still be read from the portrait's iris.
    """
    shown = torch.zeros_like(points[..., 0])
    for eye, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        shown[:, list(iris)] = F.logsigmoid((lid_gap(points, eye) - _SHUT) / _SHUT_SOFTNESS)[:, None]
    return shown


def rigid_flows(source_pose: Tensor, driving_pose: Tensor, grid: int) -> Tensor:
    """Flows of planes that turn and move with the head.

    Args:
        source_pose: `[B, 6]` the portrait's pose (`geometry.fit_pose`).
        driving_pose: `[B, 6]`.
        grid: side of the map.

    Returns:
        Offsets `[B, 2 * planes, grid, grid]`, x and y of each plane of `RIGID_PLANES_CM` in turn.
    """
    rotation_s, rotation_d = euler_to_rotation(source_pose[:, :3]), euler_to_rotation(driving_pose[:, :3])
    scale_s = POSE_SCALE * torch.exp(source_pose[:, 5])[:, None, None]
    scale_d = POSE_SCALE * torch.exp(driving_pose[:, 5])[:, None, None]
    points = pixel_centres(grid, source_pose.device).view(1, -1, 2)
    flip = source_pose.new_tensor([1.0, -1.0])
    centred = (points - driving_pose[:, None, 3:5]) * flip / scale_d
    flows = []
    for depth in RIGID_PLANES_CM:
        in_camera = torch.cat([centred, torch.full_like(centred[..., :1], depth)], -1)
        turned = in_camera @ rotation_d @ rotation_s.transpose(1, 2)
        landed = scale_s * turned[..., :2] * flip + source_pose[:, None, 3:5]
        flows.append((landed - points).transpose(1, 2).reshape(-1, 2, grid, grid))
    return torch.cat(flows, 1)
