"""The head's pose and its pose-free shape, from a face mesh.

Coordinates. A *crop mesh* is `[..., 478, 3]` in crop units: x to the right and y down, -1..1 across the square
head crop, z at the same scale and smaller towards the camera (MediaPipe's convention). A *canonical mesh* is the
same shape with the pose taken off: centimetres of MediaPipe's canonical face, x right, y up, z towards the camera.

The camera is a weak perspective one, `mesh = scale * R @ canonical + translation`: unlike MediaPipe's own 4x4
matrix it does not depend on where in the photograph the head stands, so drivers and portraits with different
framing agree.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import torch
from safetensors.torch import load_file
from torch import Tensor

MESH_POINTS = 478
"""468 face points and 2 x 5 iris points."""

_FLIP = (1.0, -1.0, -1.0)  # image axes (y down, z away) <-> head axes (y up, z towards the camera)

_NEWTON_STEPS = 6
"""More than it takes to all digits of float32 for faces, even for flat ones."""

POSE_SCALE = 0.063
"""Crop units per centimetre when the log-scale entry of a pose is 0: a usual head crop."""


@cache
def canonical_face() -> dict[str, Tensor]:
    """MediaPipe's canonical face: `vertices [468,3]` in cm, `triangles [898,3]`, `procrustes_weights [468]`."""
    with resources.as_file(resources.files("pdfgc.assets") / "canonical_face.safetensors") as path:
        return load_file(path)


@cache
def _stable_points() -> list[int]:
    return torch.nonzero(canonical_face()["procrustes_weights"] > 0)[:, 0].tolist()


def fit_pose(mesh: Tensor) -> Tensor:
    """Pose of each mesh by weighted Procrustes on MediaPipe's 33 stable points.

    Args:
        mesh: `[..., 478, 3]` crop meshes.

    Returns:
        `[..., 6]`: pitch, yaw, roll in radians (R = Rz(roll) Ry(yaw) Rx(pitch); positive pitch looks down,
        positive yaw turns to the image's right, positive roll tips the head to the image's left), then x and y
        of the head's origin in crop units and the natural logarithm of scale / `POSE_SCALE` (spec 3, eq. 5).
    """
    face, stable = canonical_face(), _stable_points()
    weight = face["procrustes_weights"][stable].to(mesh)
    weight = (weight / weight.sum())[:, None]
    source = face["vertices"][stable].to(mesh)
    target = mesh[..., stable, :] * mesh.new_tensor(_FLIP)
    source_mean = (weight * source).sum(-2, keepdim=True)
    target_mean = (weight * target).sum(-2, keepdim=True)
    source_centred, target_centred = source - source_mean, target - target_mean
    covariance = (weight * target_centred).transpose(-1, -2) @ source_centred
    # where tensors are only described, for ONNX, there is no singular value decomposition
    align = _align_by_newton if torch.compiler.is_compiling() else _align_by_svd
    rotation, stretch = align(covariance)
    scale = stretch / (weight * source_centred.square()).sum((-1, -2))
    origin = target_mean[..., 0, :] - scale[..., None] * (rotation @ source_mean[0])
    return torch.cat(
        [
            rotation_to_euler(rotation),
            origin[..., :1],
            -origin[..., 1:2],
            torch.log(scale / POSE_SCALE)[..., None],
        ],
        -1,
    )


def _align_by_svd(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation that fits covariances `[..., 3, 3]` best, and the sum of what it explains `[...]` (Kabsch)."""
    u, singular, vt = torch.linalg.svd(covariance)
    sign = torch.ones_like(singular)
    sign[..., 2] = torch.sign(torch.linalg.det(u @ vt))
    return u @ (sign[..., None] * vt), (singular * sign).sum(-1)


def _align_by_newton(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """As `_align_by_svd`, by the scaled Newton iteration for the polar factor (Higham 1986).

    For covariances of positive determinant, which those of faces are: only a mirrored one has another.
    """
    turn = covariance.new_tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    x = covariance
    for _ in range(_NEWTON_STEPS):
        one, two = turn @ x, turn.T @ x  # rows moved up by one and by two
        cofactors = (one @ turn.T) * (two @ turn) - (one @ turn) * (two @ turn.T)
        determinant = (x * cofactors).sum((-2, -1), keepdim=True) / 3
        size = determinant.pow(1 / 3)
        x = (x / size + cofactors * (size / determinant)) / 2
    return x, (x * covariance).sum((-2, -1))


def rotation_to_euler(rotation: Tensor) -> Tensor:
    """`[..., 3, 3]` rotations to `[..., 3]` pitch, yaw, roll in radians."""
    pitch = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    yaw = torch.asin((-rotation[..., 2, 0]).clamp(-1, 1))
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return torch.stack([pitch, yaw, roll], -1)


def euler_to_rotation(euler: Tensor) -> Tensor:
    """`[..., 3]` pitch, yaw, roll in radians to `[..., 3, 3]` rotations, R = Rz(roll) Ry(yaw) Rx(pitch)."""
    (cx, cy, cz), (sx, sy, sz) = torch.cos(euler).unbind(-1), torch.sin(euler).unbind(-1)
    rows = [
        cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz,
        cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz,
        -sy, sx * cy, cx * cy,
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def remove_pose(mesh: Tensor, pose: Tensor) -> Tensor:
    """Crop meshes `[..., 478, 3]` and their poses `[..., 6]` to canonical meshes in centimetres."""
    scale = POSE_SCALE * torch.exp(pose[..., 5])[..., None, None]
    origin = torch.stack([pose[..., 3], -pose[..., 4], torch.zeros_like(pose[..., 3])], -1)
    head_axes = mesh * mesh.new_tensor(_FLIP)
    return (head_axes - origin[..., None, :]) @ euler_to_rotation(pose[..., :3]) / scale


def apply_pose(canonical: Tensor, pose: Tensor) -> Tensor:
    """Canonical meshes `[..., 478, 3]` in centimetres and poses `[..., 6]` to crop meshes.

    The depth of the head's origin is not part of a pose; it comes out as 0, so only depth differences count.
    """
    scale = POSE_SCALE * torch.exp(pose[..., 5])[..., None, None]
    origin = torch.stack([pose[..., 3], -pose[..., 4], torch.zeros_like(pose[..., 3])], -1)
    head_axes = scale * canonical @ euler_to_rotation(pose[..., :3]).transpose(-1, -2) + origin[..., None, :]
    return head_axes * canonical.new_tensor(_FLIP)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """`[...]` twice the signed area between two vectors of the plane, `[..., 2]`; positive from x to y."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def lid_gap(mesh: Tensor, eye: tuple[int, ...]) -> Tensor:
    """The gap in the middle of an eye's lids over the eye's width.

    Args:
        mesh: `[B, 478, 2 or 3]` in any units.
        eye: `mesh.RIGHT_EYE` or `mesh.LEFT_EYE`.

    Returns:
        `[B]`.
    """
    gap, width = ((mesh[:, eye[i]] - mesh[:, eye[j]]).norm(dim=-1) for i, j in ((4, 12), (0, 8)))
    return gap / width.clamp(min=1e-6)
