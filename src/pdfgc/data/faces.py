"""All faces of a set of clips in memory, pose taken off: what the stages on the mesh learn from.

Pictures stay on the disk; a hundred thousand faces take 0.6 GB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdfgc.data.clips import Clip, ClipSet
from pdfgc.face.geometry import fit_pose, remove_pose
from pdfgc.networks.mesh_decoder import pose_terms

_RIDGE = 1.0  # of the regression of shape on blendshapes: keeps scores that never move from mattering


@dataclass(frozen=True)
class FaceTable:
    """The frames of all clips, one after the other, in the order of `clips`."""

    clips: tuple[Clip, ...]
    starts: np.ndarray
    """`[C + 1]` first frame of every clip, and the end."""
    canonical: Tensor
    """`[N, 478, 3]` pose-free meshes in cm."""
    blendshapes: Tensor
    """`[N, 52]`"""
    pose: Tensor
    """`[N, 6]`"""
    times: Tensor
    """`[N]` seconds in their own clip."""
    neutral: Tensor
    """`[C, 478, 3]` each clip's face without expression: what its shape would be with all blendshapes at zero."""

    @classmethod
    def load(cls, clips: ClipSet) -> FaceTable:
        """Reads the faces of the clips."""
        ordered = tuple(clip for group in clips.by_identity.values() for clip in group)
        canonical, poses, blendshapes, times = [], [], [], []
        for clip in ordered:
            mesh = torch.from_numpy(clip.mesh())
            pose = fit_pose(mesh)
            canonical.append(remove_pose(mesh, pose))
            poses.append(pose)
            blendshapes.append(torch.from_numpy(clip.blendshapes()))
            times.append(torch.from_numpy(clip.times()))
        starts = np.cumsum([0, *(len(part) for part in canonical)])
        neutral = neutral_shapes(canonical, blendshapes)
        return cls(
            ordered,
            starts,
            torch.cat(canonical),
            torch.cat(blendshapes),
            torch.cat(poses),
            torch.cat(times),
            neutral,
        )

    def frames(self, clip: int) -> range:
        """Rows of a clip."""
        return range(int(self.starts[clip]), int(self.starts[clip + 1]))

    def by_identity(self) -> list[list[int]]:
        """Clip numbers of each person."""
        groups: dict[str, list[int]] = {}
        for number, clip in enumerate(self.clips):
            groups.setdefault(clip.identity, []).append(number)
        return list(groups.values())


def draw_clip(people: list[list[int]], random: np.random.Generator) -> int:
    """A clip's number: first a person, all alike, then one of that person's clips (`FaceTable.by_identity`)."""
    clips = people[random.integers(len(people))]
    return int(clips[random.integers(len(clips))])


def neutral_shapes(canonical: list[Tensor], blendshapes: list[Tensor]) -> Tensor:
    """Each clip's shape at blendshapes zero, by one linear model of how blendshapes move a face.

    Args:
        canonical: `[T, 478, 3]` for every clip.
        blendshapes: `[T, 52]` for every clip.

    Returns:
        `[C, 478, 3]`.
    """
    scores = torch.cat([part - part.mean(0) for part in blendshapes])
    shapes = torch.cat([(part - part.mean(0)).flatten(1) for part in canonical])
    gram = scores.T @ scores + _RIDGE * torch.eye(scores.shape[1])
    per_score = torch.linalg.solve(gram, scores.T @ shapes)
    means = torch.stack([part.mean(0) for part in canonical])
    score_means = torch.stack([part.mean(0) for part in blendshapes])
    return means - (score_means @ per_score).view_as(means)


def shape_of_pose(faces: FaceTable) -> Tensor:
    """How a tracked face changes its shape as it turns: a linear fit within each clip.

    Returns:
        `[478 * 3, 12]` cm for each of the terms of `networks.mesh_decoder.pose_terms`.
    """
    terms = pose_terms(faces.pose)
    gram = _RIDGE * torch.eye(terms.shape[1])
    moved = torch.zeros(terms.shape[1], faces.canonical[0].numel())
    for clip in range(len(faces.clips)):
        rows = faces.frames(clip)
        cause = terms[rows.start : rows.stop]
        shape = faces.canonical[rows.start : rows.stop].flatten(1)
        cause, shape = cause - cause.mean(0), shape - shape.mean(0)
        gram += cause.T @ cause
        moved += cause.T @ shape
    return torch.linalg.solve(gram, moved).T.contiguous()
