"""What the stages that train one head on the frozen motion feature share: those of eyes and pose."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pdfgc.networks.paper.build import make_motion
from pdfgc.training.paper.frames import Moment, PaperClips
from pdfgc.training.paper.parts import TRUNK, load_parts, motion_parts
from pdfgc.training.paper.pictures import to_float
from pdfgc.training.stage import Phase, Setup, Stage

_MOMENTS, _FRAMES = 8, 8
"""Held-out moments that are measured, and frames of each."""


class HeadStage(Stage):
    """Trains the head of one factor with its code; a subclass names the factor, and brings batches and losses."""

    requires: ClassVar[tuple[str, ...]] = ("stage1",)
    factor: ClassVar[str]

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        self.weights = config.stage(self.name).weights
        self.clips = PaperClips(setup.clips, config.size)
        held_out = setup.held_out.where(pictures=True)
        self.held_out = PaperClips(held_out, config.size) if len(held_out) else None
        self.motion = make_motion(config.paper.networks, config.size)
        self.modules = motion_parts(self.motion, self.factor)
        load_parts(setup.earlier, {TRUNK: self.motion.model})
        self.exports = tuple(name for name in self.modules if name != TRUNK)
        self.phases = (Phase(self.factor, self.exports),)

    def features(self, pictures: Tensor) -> Tensor:
        """The head's own feature `[B, D]` of pictures `[B, 3, S, S]` uint8; the trunk takes no gradient."""
        with torch.no_grad():
            unified = self.motion.model(to_float(pictures))
        return self.motion.head(self.factor, unified)

    def validate(self) -> dict[str, float]:
        """As `compare`, on the same frames of held-out people every time; nothing when nobody is held out."""
        if self.held_out is None:
            return {}
        random = np.random.default_rng(0)
        moments = [self.held_out.draw(random, _FRAMES) for _ in range(_MOMENTS)]
        pictures = torch.cat([self.held_out.pictures(moment) for moment in moments]).to(self.device)
        codes = self.motion.embed(self.factor, self.features(pictures)).float().cpu()
        return self.compare(codes, self.held_out, moments)

    @abstractmethod
    def compare(self, codes: Tensor, clips: PaperClips, moments: list[Moment]) -> dict[str, float]:
        """Measures by name of the codes `[N, D]` of the frames of some moments, all in a row."""
