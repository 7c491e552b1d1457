"""Stage 2, lips: lip motion and speech of the same moment find each other (paper section 3.2, eq. 2 and 3)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.networks.paper.build import make_motion, make_speech
from pdfgc.training.distributed import gather_rows
from pdfgc.training.losses import info_nce
from pdfgc.training.paper.frames import PaperClips
from pdfgc.training.paper.parts import TRUNK, head_name, load_parts
from pdfgc.training.paper.pictures import to_float
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage

SPAN = 2.0
"""Seconds within which the frames of an item lie: negatives of the same clip must differ by more than the voice."""

_ASKED, _CANDIDATES = 8, 8


class PaperLipsStage(Stage):
    """Trains E_lip and E_aud up to the contrastive feature; their codes are learnt in stage 3."""

    name: ClassVar[str] = "stage2-lips"
    requires: ClassVar[tuple[str, ...]] = ("stage1",)

    def __init__(self, setup: Setup) -> None:
        config, settings = setup.config, setup.config.stages.stage2_lips
        self.settings = config.paper
        self.weights = settings.weights
        self.temperature = settings.temperature
        self.frames = settings.clip_frames
        self.clips = PaperClips(setup.clips, config.size, sound=True)
        held_out = setup.held_out.where(pictures=True, sound=True)
        self.held_out = PaperClips(held_out, config.size, sound=True) if len(held_out) else None
        self.motion = make_motion(config.paper.networks, config.size)
        self.speech = make_speech(config.paper.networks)
        load_parts(setup.earlier, {TRUNK: self.motion.model})
        trained = {
            head_name("lips"): self.motion.get_submodule("to_mouth"),
            "speech.model": self.speech.model,
        }
        self.modules = {TRUNK: self.motion.model, **trained}
        self.phases = (Phase("lips", tuple(trained)),)
        self.exports = tuple(trained)

    def batch(self, draw: Draw) -> Batch:
        """Frames of several clips with their sound: negatives are other moments of the clip and all of the others."""
        shown, patches = [], []
        for random in draw.items():
            moment = self.clips.draw(random, self.frames, span=SPAN)
            shown.append(self.clips.augmented(moment, self.settings.motion, random))
            patches.append(self.clips.patches(moment))
        return {"shown": torch.stack(shown), "patches": torch.stack(patches)}

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`lips_to_speech` and `speech_to_lips`: InfoNCE both ways (eq. 2, 3)."""
        lips, speech = (gather_rows(features) for features in self._features(batch))
        return {
            "lips_to_speech": info_nce(lips, speech, temperature=self.temperature),
            "speech_to_lips": info_nce(speech, lips, temperature=self.temperature),
        }

    def _features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            unified = self.motion.model(to_float(batch["shown"].flatten(0, 1)))
        return self.motion.head("lips", unified), self.speech.model(batch["patches"].flatten(0, 1)[:, None])

    def validate(self) -> dict[str, float]:
        """Share of held-out moments whose own sound is the nearest among 8 of the same clip (chance 0.125)."""
        if self.held_out is None:
            return {}
        random = np.random.default_rng(0)
        right = 0
        for _ in range(_ASKED):
            moment = self.held_out.draw(random, _CANDIDATES, span=SPAN)
            batch = {"shown": self.held_out.pictures(moment), "patches": self.held_out.patches(moment)}
            lips, speech = self._features(
                {name: value[None].to(self.device) for name, value in batch.items()}
            )
            nearest = (F.normalize(lips, dim=1) @ F.normalize(speech, dim=1).T).argmax(1).cpu()
            right += int((nearest == torch.arange(_CANDIDATES)).sum())
        return {"retrieval_of_8": right / (_ASKED * _CANDIDATES)}


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperLipsStage(setup)
