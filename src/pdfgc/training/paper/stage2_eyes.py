"""Stage 2, eyes: the eyes of one frame in the face of another (paper section 3.2, eq. 4).

The code's entries are tied to what they stand for in the authors' release, gaze in 2:4 and blink in 0, 1, 4, 5, by
the tracker's scores of lids and gaze, so that gaze and blink can be driven apart (ours; the paper leaves it open).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.training.distributed import gather_rows
from pdfgc.training.losses import info_nce
from pdfgc.training.paper.eye_swap import swap_eyes
from pdfgc.training.paper.frames import Moment, PaperClips
from pdfgc.training.paper.head_stage import HeadStage
from pdfgc.training.stage import Batch, Draw, Setup, Stage
from pdfgc.training.stage2_eyes import eye_targets


class PaperEyesStage(HeadStage):
    """Trains E_eye with its code."""

    name: ClassVar[str] = "stage2-eyes"
    factor: ClassVar[str] = "eyes"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.temperature = setup.config.stages.stage2_eyes.temperature

    def batch(self, draw: Draw) -> Batch:
        """`pictures [3, B, ...]`: frame 2 with the eyes of frame 1, then both; `scores [3, B, 52]`."""
        pictures, scores = [], []
        for random in draw.items():
            pair = self.clips.draw_pair(random)
            first, second = self.clips.pictures(pair).permute(0, 2, 3, 1).numpy()
            meshes = self.clips.meshes(pair).numpy()
            mixed = swap_eyes(second, meshes[1], first, meshes[0])
            pictures.append(torch.from_numpy(np.stack([mixed, first, second])).permute(0, 3, 1, 2))
            scores.append(self.clips.blendshapes(pair)[[0, 0, 1]])
        return {"pictures": torch.stack(pictures, 1).contiguous(), "scores": torch.stack(scores, 1)}

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`swap`: the anchor is near the frame whose eyes it has and far from the one whose face it has, and from the
        rest of the batch (eq. 4); `geometry`: the code is the state of lids and irises."""
        features = self.features(batch["pictures"].flatten(0, 1))
        anchor, positive, negative = (gather_rows(feature) for feature in features.chunk(3))
        codes = self.motion.embed("eyes", features)
        return {
            "swap": info_nce(anchor, torch.cat([positive, negative]), temperature=self.temperature),
            "geometry": F.l1_loss(codes.float(), eye_targets(batch["scores"].flatten(0, 1))),
        }

    def sample(self) -> np.ndarray | None:
        """Faces with exchanged eyes, the frame the eyes are from, the frame the face is from."""
        shown = self.batch(Draw(seed=0, step=0, first=0, count=6, whole=6))["pictures"]
        rows = shown.permute(1, 3, 0, 4, 2).flatten(2, 3).flatten(0, 1)
        return rows.numpy()

    def compare(self, codes: Tensor, clips: PaperClips, moments: list[Moment]) -> dict[str, float]:
        """Correlation of each part of the code with what it stands for."""
        targets = eye_targets(torch.cat([clips.blendshapes(moment) for moment in moments]))
        names = ("blink_left", "blink_right", "gaze_x", "gaze_y", "wide_left", "wide_right")
        return {name: float(np.corrcoef(codes[:, i], targets[:, i])[0, 1]) for i, name in enumerate(names)}


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperEyesStage(setup)
