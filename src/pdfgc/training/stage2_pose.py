"""Stage 2, pose: the pose head reads the tracker's 6-D pose off the frozen motion feature (eq. 5)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.data.faces import FaceTable, draw_clip
from pdfgc.networks.motion import MeshMotionEncoder, PoseHead
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage
from pdfgc.training.stage1 import FaceAugmentation


class PoseStage(Stage):
    """Trains `pose`."""

    name: ClassVar[str] = "stage2-pose"
    requires: ClassVar[tuple[str, ...]] = ("stage1",)

    def __init__(self, setup: Setup) -> None:
        sizes, settings = setup.config.networks, setup.config.stages.stage2_pose
        stage1 = setup.config.stages.stage1
        self.faces = FaceTable.load(setup.clips)
        self.people = self.faces.by_identity()
        self.augment = FaceAugmentation(self.faces, stretch=stage1.stretch, swap_neutral=stage1.swap_neutral)
        self.held_out = FaceTable.load(setup.held_out) if len(setup.held_out) else None
        motion = MeshMotionEncoder(feature=sizes.motion, hidden=sizes.motion_hidden)
        setup.earlier.load("motion", motion)
        self.motion = motion
        self.head = PoseHead(feature=sizes.motion, hidden=sizes.motion_hidden)
        self.modules = {"motion": motion, "pose": self.head}
        self.phases = (Phase("pose", ("pose",)),)
        self.exports = ("pose",)
        self.weights = settings.weights
        self.jitter = settings.jitter
        self.pose_units = self.head.pose_units.clone()  # on the CPU, where batches are made

    def batch(self, draw: Draw) -> Batch:
        """Frames of anyone, each with a random turn added, so that the rare large poses are learnt too."""
        canonical, blendshapes, poses = [], [], []
        for random in draw.items():
            clip = draw_clip(self.people, random)
            rows = self.faces.frames(clip)
            row = rows[int(random.integers(len(rows)))]
            canonical.append(self.augment(self.faces.canonical[row : row + 1], clip, random)[0])
            blendshapes.append(self.faces.blendshapes[row])
            turn = torch.tensor(self.jitter * random.standard_normal(6), dtype=torch.float32)
            poses.append(self.faces.pose[row] + turn * self.pose_units)
        return {
            "canonical": torch.stack(canonical),
            "blendshapes": torch.stack(blendshapes),
            "pose": torch.stack(poses),
        }

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`pose`: mean absolute error in the head's units (about 0.2 rad, 0.1 crop)."""
        head = self.head
        feature = self.motion(batch["canonical"], batch["blendshapes"], batch["pose"])
        return {"pose": F.l1_loss(head(feature) / head.pose_units, batch["pose"] / head.pose_units)}

    def validate(self) -> dict[str, float]:
        """Mean error in degrees on held-out people."""
        faces = self.held_out
        if faces is None:
            return {}
        rows = torch.from_numpy(np.linspace(0, len(faces.pose) - 1, 2000).astype(np.int64))
        known = [t[rows].to(self.device) for t in (faces.canonical, faces.blendshapes, faces.pose)]
        error = (self.head(self.motion(*known)) - known[2]).abs().mean(0)
        degrees = torch.rad2deg(error[:3]).tolist()
        return dict(zip(("pitch_deg", "yaw_deg", "roll_deg"), degrees, strict=True))


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PoseStage(setup)
