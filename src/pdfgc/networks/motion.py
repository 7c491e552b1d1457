"""E_mot of preset `small`, and the factor heads: a face in, the codes of lips, expression, eyes and pose out.

The trunk is frozen and not ours: MediaPipe's face mesh and blendshapes. `MeshMotionEncoder` turns them into the
unified motion feature of the paper's stage 1; a `FactorHead` per factor reads its code off that feature (spec 2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pdfgc.face.geometry import MESH_POINTS

BLENDSHAPES = 52
POSE = 6

POSE_UNITS = (0.2, 0.3, 0.15, 0.1, 0.1, 0.1)
"""Radians and crop units by which poses are divided on their way in and multiplied on their way out."""


class MeshMotionEncoder(nn.Module):
    """Face mesh, blendshapes and pose to the unified motion feature."""

    mean: Tensor
    spread: Tensor
    pose_units: Tensor

    def __init__(self, *, feature: int = 512, hidden: int = 512) -> None:
        super().__init__()
        inputs = 3 * MESH_POINTS + BLENDSHAPES + POSE
        self.register_buffer("mean", torch.zeros(MESH_POINTS, 3))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("pose_units", torch.tensor(POSE_UNITS), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, feature),
        )
        self.skip = nn.Linear(inputs, feature)

    @torch.no_grad()
    def set_statistics(self, canonical: Tensor) -> None:
        """Centre and scale inputs by the canonical meshes `[N, 478, 3]` of the training set."""
        self.mean.copy_(canonical.mean(0))
        self.spread.copy_((canonical - self.mean).std())

    def forward(self, canonical: Tensor, blendshapes: Tensor, pose: Tensor) -> Tensor:
        """Unified motion feature.

        Args:
            canonical: `[B, 478, 3]` pose-free mesh in cm (`geometry.remove_pose`).
            blendshapes: `[B, 52]`, 0..1.
            pose: `[B, 6]` (`geometry.fit_pose`).

        Returns:
            `[B, feature]`.
        """
        shape = ((canonical - self.mean) / self.spread).flatten(1)
        x = torch.cat([shape, 4 * blendshapes - 1, pose / self.pose_units], 1)
        return self.layers(x) + self.skip(x)

    def frontal(self, canonical: Tensor, blendshapes: Tensor) -> Tensor:
        """The feature of the same face turned to the camera.

        Expression is read from this one: with the pose in sight, its code took up the nod of the head, with which
        brows and their scores covary in the tracker.
        """
        return self(canonical, blendshapes, canonical.new_zeros(canonical.shape[0], POSE))


class FactorHead(nn.Module):
    """One factor of the unified motion feature: MLP 512-512-512, then ReLU and a linear code (spec 2).

    The 512-d output of the MLP is what contrastive learning compares; the code drives the generator.
    """

    def __init__(self, *, feature: int = 512, hidden: int = 512, code: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(feature, hidden),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden),
        )
        self.code = nn.Linear(hidden, code)

    def contrast(self, feature: Tensor) -> Tensor:
        """`[B, feature]` to the contrastive feature `[B, hidden]`."""
        return self.layers(feature)

    def forward(self, feature: Tensor) -> Tensor:
        """`[B, feature]` to the factor's code `[B, code]`."""
        return self.code(torch.relu(self.layers(feature)))


class PoseHead(FactorHead):
    """Head pose in radians and crop units (`geometry.fit_pose`), regressed (eq. 5)."""

    pose_units: Tensor

    def __init__(self, *, feature: int = 512, hidden: int = 512) -> None:
        super().__init__(feature=feature, hidden=hidden, code=POSE)
        self.skip = nn.Linear(feature, POSE)
        self.register_buffer("pose_units", torch.tensor(POSE_UNITS), persistent=False)

    def forward(self, feature: Tensor) -> Tensor:
        return (super().forward(feature) + self.skip(feature)) * self.pose_units
