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

from pdfgc.networks.paper.build import make_motion
from pdfgc.training.distributed import gather_rows
from pdfgc.training.paper.eye_swap import swap_eyes
from pdfgc.training.paper.frames import PaperClips
from pdfgc.training.paper.losses import precise_info_nce
from pdfgc.training.paper.parts import TRUNK, load_parts, motion_parts
from pdfgc.training.paper.pictures import to_float
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage
from pdfgc.training.stage2_eyes import eye_targets

_MEASURED = 64


class PaperEyesStage(Stage):
    """Trains E_eye with its code."""

    name: ClassVar[str] = "stage2-eyes"
    requires: ClassVar[tuple[str, ...]] = ("stage1",)

    def __init__(self, setup: Setup) -> None:
        config, settings = setup.config, setup.config.stages.stage2_eyes
        self.weights = settings.weights
        self.temperature = settings.temperature
        self.clips = PaperClips(setup.clips, config.size)
        held_out = setup.held_out.where(pictures=True)
        self.held_out = PaperClips(held_out, config.size) if len(held_out) else None
        self.motion = make_motion(config.paper.networks, config.size)
        self.modules = motion_parts(self.motion, "eyes")
        load_parts(setup.earlier, {TRUNK: self.motion.model})
        trained = tuple(name for name in self.modules if name != TRUNK)
        self.phases = (Phase("eyes", trained),)
        self.exports = trained

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
        features = self._features(batch["pictures"].flatten(0, 1))
        anchor, positive, negative = (gather_rows(feature) for feature in features.chunk(3))
        codes = self.motion.embed("eyes", features)
        return {
            "swap": precise_info_nce(anchor, torch.cat([positive, negative]), temperature=self.temperature),
            "geometry": F.l1_loss(codes.float(), eye_targets(batch["scores"].flatten(0, 1))),
        }

    def _features(self, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            unified = self.motion.model(to_float(pictures))
        return self.motion.head("eyes", unified)

    def sample(self) -> np.ndarray | None:
        """Faces with exchanged eyes, the frame the eyes are from, the frame the face is from."""
        shown = self.batch(Draw(seed=0, step=0, first=0, count=6))["pictures"]
        rows = shown.permute(1, 3, 0, 4, 2).flatten(2, 3).flatten(0, 1)
        return rows.numpy()

    def validate(self) -> dict[str, float]:
        """Correlation of each part of the code with what it stands for, on held-out people."""
        if self.held_out is None:
            return {}
        random = np.random.default_rng(0)
        moments = [self.held_out.draw(random, 8) for _ in range(_MEASURED // 8)]
        pictures = torch.cat([self.held_out.pictures(moment) for moment in moments]).to(self.device)
        targets = eye_targets(torch.cat([self.held_out.blendshapes(moment) for moment in moments]))
        codes = self.motion.embed("eyes", self._features(pictures)).float().cpu()
        names = ("blink_left", "blink_right", "gaze_x", "gaze_y", "wide_left", "wide_right")
        return {name: float(np.corrcoef(codes[:, i], targets[:, i])[0, 1]) for i, name in enumerate(names)}


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperEyesStage(setup)
