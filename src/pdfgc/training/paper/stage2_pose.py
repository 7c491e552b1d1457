"""Stage 2, pose: the pose head reads the tracker's 6-D pose off the frozen feature (paper section 3.2, eq. 5)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.motion import POSE_UNITS
from pdfgc.training.paper.frames import Moment, PaperClips
from pdfgc.training.paper.head_stage import HeadStage
from pdfgc.training.stage import Batch, Draw, Setup, Stage


class PaperPoseStage(HeadStage):
    """Trains E_pose; its code is `geometry.fit_pose` in `POSE_UNITS`."""

    name: ClassVar[str] = "stage2-pose"
    factor: ClassVar[str] = "pose"

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
        codes = self.motion.embed("pose", self.features(batch["pictures"])).float()
        return {"pose": F.l1_loss(codes, batch["pose"] / units)}

    def compare(self, codes: Tensor, clips: PaperClips, moments: list[Moment]) -> dict[str, float]:
        """Mean errors in degrees."""
        target = torch.cat([clips.poses(moment) for moment in moments])
        error = (codes * target.new_tensor(POSE_UNITS) - target).abs().mean(0)
        degrees = torch.rad2deg(error[:3]).tolist()
        return dict(zip(("pitch_deg", "yaw_deg", "roll_deg"), degrees, strict=True))


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperPoseStage(setup)
