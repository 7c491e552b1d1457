"""Stage 1: appearance against motion (paper section 3.1).

A portrait and a driving frame of one clip. The portrait brings who is seen, through E_app; the driving frame brings
the motion, through E_mot, after an augmentation that spoils what it could say about identity. G0 has to paint the
driving frame from both.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pdfgc.networks.paper.build import make_appearance, make_generator, make_motion
from pdfgc.priors.teachers import make_face_teacher, make_perceptual
from pdfgc.training.paper.frames import PaperClips, far_pair
from pdfgc.training.paper.losses import motion_reconstruction
from pdfgc.training.paper.parts import (
    FIRST_GENERATOR,
    TRUNK,
    calm_residuals,
    enliven_motion,
    make_discriminator,
)
from pdfgc.training.paper.pictures import (
    ENCODERS,
    MADE,
    adversarial_losses,
    adversary,
    compare_pictures,
    discriminator_losses,
    is_adversarial,
    later_losses,
    to_float,
    to_sheet,
)
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage


class PaperStage1(Stage):
    """Trains `appearance` and `motion.model`; G in stage 3 begins with G0 (`first_generator`);
    the discriminator serves this stage alone."""

    name: ClassVar[str] = "stage1"

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        sizes = config.paper.networks
        self.settings = config.paper
        self.weights = config.stages.stage1.weights
        self.clips = PaperClips(setup.clips, config.size)
        self.clips.warn_of_small_pictures()  # once a run is enough
        shown = setup.held_out.where(pictures=True)
        self.shown = PaperClips(shown if len(shown) else setup.clips, config.size)
        self.appearance = make_appearance(sizes)
        calm_residuals(self.appearance)
        self.trunk = make_motion(sizes, config.size).model
        enliven_motion(self.trunk)
        self.generator = make_generator(sizes, config.size, motion=sizes.motion)
        self.discriminator = make_discriminator(config, len(self.clips.people))
        self.modules = {
            "appearance": self.appearance,
            TRUNK: self.trunk,
            FIRST_GENERATOR: self.generator,
            "discriminator": self.discriminator,
        }
        self.phases = (
            Phase(
                "generator",
                ("appearance", TRUNK, FIRST_GENERATOR),
                rates={"appearance": ENCODERS, TRUNK: ENCODERS},
            ),
            *adversary(config, self.weights),
        )
        self.exports = ("appearance", TRUNK)
        self.for_later = (FIRST_GENERATOR,)
        self.perceptual = None if self.is_off("perceptual") else make_perceptual(config.paper.teachers)
        self.joins_at = later_losses(self.settings, self.weights, "motion")
        self.faces = None if self.is_off("motion") else make_face_teacher(config.paper.teachers)

    def batch(self, draw: Draw) -> Batch:
        """Two frames of a clip, and the second once more as E_mot sees it."""
        items = []
        for random in draw.items():
            pair = self.clips.draw_pair(random, self.settings.portrait_gap)
            driving = pair.only(1)
            items.append(
                {
                    "pictures": self.clips.pictures(pair),
                    "shown": self.clips.augmented(driving, self.settings.motion, random)[0],
                    "mesh": self.clips.meshes(driving)[0],
                    "person": torch.tensor(self.clips.person(pair)),
                }
            )
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """The painted driving frame against the true one: `perceptual` (VGG), `l1`, `motion` (L_mot, eq. 1),
        `adversarial` and `matching`; in the discriminator's phase, `discriminator`. The last
        three begin later (`adversarial_from`, `teachers_from`)."""
        portrait, target = to_float(batch["pictures"]).unbind(1)
        if phase == "discriminator":
            return discriminator_losses(self.discriminator, target, batch)
        made = self.paint(portrait, to_float(batch["shown"]))
        batch[MADE] = made.detach()
        losses = {"l1": (made - target).abs().mean()}
        if is_adversarial(self.weights) and step >= self.settings.adversarial_from:
            losses |= adversarial_losses(self.discriminator, made, target, batch["person"])
        if self.perceptual is not None:
            losses["perceptual"] = self.perceptual(made, target).mean()
        if self.faces is not None and step >= self.settings.teachers_from:
            with torch.no_grad():
                wanted = self.faces(target, batch["mesh"])
            losses["motion"] = motion_reconstruction(self.faces(made, batch["mesh"]), wanted)
        return losses

    def paint(self, portrait: Tensor, driving: Tensor) -> Tensor:
        """Pictures `[B, 3, S, S]` in -1..1 of who is in the portrait, moved like who is in the driving frame."""
        vector, start = self.appearance(portrait)
        style = torch.cat([vector, self.trunk(driving)], 1)
        made: Tensor = self.generator(start, style)
        return made

    def sample(self) -> np.ndarray | None:
        """Portrait, driving frame, what is made of them, and what the next clip's portrait makes of the same motion."""
        portrait, driving, _ = self._shown()
        other = portrait.roll(1, 0)
        return to_sheet([portrait, driving, self.paint(portrait, driving), other, self.paint(other, driving)])

    def validate(self) -> dict[str, float]:
        """`held_l1` of pictures not trained on (of trained ones when nobody is held out), `held_motion` (L_mot), and
        both of not moving at all."""
        portrait, driving, meshes = self._shown()
        return compare_pictures(self.faces, self.paint(portrait, driving), portrait, driving, meshes)

    def _shown(self) -> tuple[Tensor, Tensor, Tensor]:
        """Portraits and driving frames, and the meshes of both `[N, 2, 478, 3]`."""
        pairs = [far_pair(group[0]) for group in self.shown.clips.by_identity.values()][:8]
        pictures = torch.stack([self.shown.pictures(pair) for pair in pairs]).to(self.device)
        meshes = torch.stack([self.shown.meshes(pair) for pair in pairs]).to(self.device)
        portrait, driving = to_float(pictures).unbind(1)
        return portrait, driving, meshes


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperStage1(setup)
