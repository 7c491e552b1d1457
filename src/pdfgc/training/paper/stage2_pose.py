"""Stage 2, pose: the pose head reads the tracker's 6-D pose off the frozen feature (paper section 3.2, eq. 5)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.motion import POSE_UNITS
from pdfgc.networks.paper.build import make_motion
from pdfgc.training.paper.frames import PaperClips
from pdfgc.training.paper.parts import TRUNK, load_parts, motion_parts
from pdfgc.training.paper.pictures import to_float
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage

_MEASURED = 64


class PaperPoseStage(Stage):
    """Trains E_pose; its code is `geometry.fit_pose` in `POSE_UNITS`."""

    name: ClassVar[str] = "stage2-pose"
    requires: ClassVar[tuple[str, ...]] = ("stage1",)

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        self.weights = config.stages.stage2_pose.weights
        self.clips = PaperClips(setup.clips, config.size)
        held_out = setup.held_out.where(pictures=True)
        self.held_out = PaperClips(held_out, config.size) if len(held_out) else None
        self.motion = make_motion(config.paper.networks, config.size)
        self.modules = motion_parts(self.motion, "pose")
        load_parts(setup.earlier, {TRUNK: self.motion.model})
        trained = tuple(name for name in self.modules if name != TRUNK)
        self.phases = (Phase("pose", trained),)
        self.exports = trained

    def batch(self, draw: Draw) -> Batch:
        """Frames as they are, for what moves them is what is to be read."""
        moments = [self.clips.draw(random, 1) for random in draw.items()]
        return {
            "pictures": torch.cat([self.clips.pictures(moment) for moment in moments]),
            "pose": torch.cat([self.clips.poses(moment) for moment in moments]),
        }

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`pose`: mean absolute error in units of about 0.2 rad and 0.1 crop."""
        units = batch["pose"].new_tensor(POSE_UNITS)
        return {"pose": F.l1_loss(self._codes(batch["pictures"]), batch["pose"] / units)}

    def _codes(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            unified = self.motion.model(to_float(pictures))
        return self.motion.embed("pose", self.motion.head("pose", unified)).float()

    def validate(self) -> dict[str, float]:
        """Mean error in degrees on held-out people."""
        if self.held_out is None:
            return {}
        random = np.random.default_rng(0)
        moments = [self.held_out.draw(random, 8) for _ in range(_MEASURED // 8)]
        pictures = torch.cat([self.held_out.pictures(moment) for moment in moments]).to(self.device)
        target = torch.cat([self.held_out.poses(moment) for moment in moments])
        error = (self._codes(pictures).cpu() * target.new_tensor(POSE_UNITS) - target).abs().mean(0)
        degrees = torch.rad2deg(error[:3]).tolist()
        return dict(zip(("pitch_deg", "yaw_deg", "roll_deg"), degrees, strict=True))


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperPoseStage(setup)
