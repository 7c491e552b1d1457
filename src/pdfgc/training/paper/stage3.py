"""Stage 3: expression, and the final generator (paper section 3.3).

Expression is what the other factors leave unexplained: its code is averaged over a window of augmented frames, kept
uncorrelated with speech over a memory bank (eq. 6), and has to paint the driving frame together with appearance,
lips, eyes and pose (complementary learning, eq. 7 and 8).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.motion import FACTORS
from pdfgc.networks.paper.build import make_appearance, make_generator, make_motion, make_speech
from pdfgc.priors.face_features import FaceFeatures, MediaPipeTeacher
from pdfgc.priors.teachers import make_face_teacher, make_gaze_teacher, make_perceptual
from pdfgc.training.distributed import rank
from pdfgc.training.losses import squared_correlation
from pdfgc.training.memory_bank import MemoryBank
from pdfgc.training.paper.first_generator import begin_as_first, fit_code_map
from pdfgc.training.paper.frames import Moment, PaperClips, far_pair, window_of
from pdfgc.training.paper.losses import lip_consistency, motion_reconstruction, window_mean
from pdfgc.training.paper.parts import (
    FIRST_GENERATOR,
    code_name,
    head_name,
    heed_codes,
    load_parts,
    make_discriminator,
    motion_parts,
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

_EXPRESSION = (head_name("expression"), code_name("expression"))
_CODES = (code_name("lips"), "speech.mouth_embed")


class PaperStage3(Stage):
    """Trains E_exp, the lip codes, E_app further, and G; all else of E_mot and E_aud is frozen."""

    name: ClassVar[str] = "stage3"
    requires: ClassVar[tuple[str, ...]] = ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose")

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        sizes, self.settings = config.paper.networks, config.paper
        self.weights = config.stages.stage3.weights
        self.window = config.stages.stage3.window
        self.clips = PaperClips(setup.clips, config.size, sound=True)
        held_out = setup.held_out.where(pictures=True, sound=True)
        self.shown = PaperClips(held_out if len(held_out) else setup.clips, config.size, sound=True)
        self.appearance = make_appearance(sizes)
        self.motion = make_motion(sizes, config.size)
        self.speech = make_speech(sizes)
        self.generator = make_generator(sizes, config.size)
        heed_codes(self.generator, FACTORS)
        self.discriminator = make_discriminator(config, len(self.clips.people))
        self.bank = MemoryBank(
            config.stages.stage3.bank, expression=FACTORS["expression"], speech=sizes.motion
        )
        parts = {
            "appearance": self.appearance,
            **motion_parts(self.motion, *FACTORS),
            "speech.model": self.speech.model,
            "speech.mouth_embed": self.speech.mouth_embed,
        }
        fresh = (*_EXPRESSION, *_CODES)
        load_parts(setup.earlier, {name: part for name, part in parts.items() if name not in fresh})
        self.modules = {
            **parts,
            "generator": self.generator,
            "discriminator": self.discriminator,
            "bank": self.bank,
        }
        self.exports = (*fresh, "appearance", "generator")
        self.phases = (
            Phase("generator", self.exports, rates={"appearance": ENCODERS}),
            *adversary(config, self.weights),
        )
        teachers = config.paper.teachers
        self.perceptual = None if self.is_off("perceptual") else make_perceptual(teachers)
        self.faces = None if self.is_off("motion") else make_face_teacher(teachers)
        self.gaze = None if self.is_off("gaze") else make_gaze_teacher(teachers)
        self.tracker = self._make_tracker(teachers.gaze)
        self.joins_at = later_losses(self.settings, self.weights, "motion", "sync", "gaze")
        if self.settings.generator_from == "stage1" and not (setup.earlier.pretend or setup.goes_on()):
            self._begin_generator(setup)

    def _make_tracker(self, gaze: str) -> nn.Module | None:
        """What finds the irises in a picture: L_mot's teacher where that finds points, or one beside it."""
        if self.gaze is None or gaze != "iris":
            return None
        return self.faces if isinstance(self.faces, MediaPipeTeacher) else MediaPipeTeacher()

    def _begin_generator(self, setup: Setup) -> None:
        """Gives G what G0 has learnt.

        Raises:
            InputError: stage 1 is of a version that did not keep G0.
        """
        config = setup.config
        if setup.earlier.holder(FIRST_GENERATOR) is None:
            raise InputError(
                f"stage1 in {setup.earlier.run} is of an older version, which did not keep its generator for stage3; "
                "begin without it: --set paper.generator_from=nothing"
            )
        if rank() > 0:
            return  # all processes get the first one's weights
        sizes = config.paper.networks
        first = make_generator(sizes, config.size, motion=sizes.motion)
        load_parts(setup.earlier, {FIRST_GENERATOR: first})
        seed = config.stages.stage3.training.seed
        begin_as_first(self.generator, first, FACTORS, fit_code_map(self.motion, self.clips, seed))

    def batch(self, draw: Draw) -> Batch:
        """A portrait, a driving frame with its sound, and the augmented frames of the window about it."""
        items = []
        for random in draw.items():
            pair = self.clips.draw_pair(random, self.settings.portrait_gap)
            driving = pair.only(1)
            around = window_of(pair.clip, int(pair.frames[1]), self.window)
            items.append(
                {
                    "pictures": self.clips.pictures(pair),
                    "window": self.clips.augmented(around, self.settings.window, random),
                    "patch": self.clips.patches(driving)[0],
                    "mesh": self.clips.meshes(driving)[0],
                    "person": torch.tensor(self.clips.person(pair)),
                    "by_ear": torch.tensor(bool(random.random() >= self.settings.seen_lips)),
                }
            )
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """The painted driving frame against the true one: `perceptual` (L_vgg, eq. 7), `l1`, `sync`, `gaze` and
        `motion` (L_con, eq. 8), `adversarial`, `matching`; `correlation` of expression with speech (eq. 6); in the
        discriminator's phase, `discriminator`."""
        portrait, target = to_float(batch["pictures"]).unbind(1)
        if phase == "discriminator":
            return discriminator_losses(self.discriminator, target, batch)
        with torch.no_grad():
            heard = self.speech.model(batch["patch"][:, None])
        expression = window_mean(self.expression(to_float(batch["window"].flatten(0, 1))), self.window)
        codes = self.codes(target, expression, heard, batch["by_ear"])
        made = self.paint(portrait, codes)
        batch[MADE] = made.detach()
        losses = {"l1": (made - target).abs().mean()}
        if is_adversarial(self.weights) and step >= self.settings.adversarial_from:
            losses |= adversarial_losses(self.discriminator, made, target, batch["person"])
        if self.perceptual is not None:
            losses["perceptual"] = self.perceptual(made, target).mean()
        teach = step >= self.settings.teachers_from
        if teach and not self.is_off("sync"):
            losses["sync"] = lip_consistency(self.motion.head("lips", self.motion.model(made)), heard)
        if not self.is_off("correlation"):
            rows = self.bank.extend(expression=expression.float(), speech=heard.float())
            losses["correlation"] = squared_correlation(rows["expression"], rows["speech"])
        return losses | (self._teachers_losses(made, target, batch["mesh"]) if teach else {})

    def _teachers_losses(self, made: Tensor, target: Tensor, mesh: Tensor) -> dict[str, Tensor]:
        """`motion` and `gaze`: what the teachers read off the painted and the true frame."""
        losses = {}
        read: dict[nn.Module, tuple[FaceFeatures, FaceFeatures]] = {}
        for teacher in (self.faces, self.tracker):
            if teacher is not None and teacher not in read:
                with torch.no_grad():
                    wanted = teacher(target, mesh)
                read[teacher] = teacher(made, mesh), wanted
        if self.faces is not None:
            losses["motion"] = motion_reconstruction(*read[self.faces])
        if self.gaze is not None:
            meshes = (mesh, mesh) if self.tracker is None else [seen.mesh for seen in read[self.tracker]]
            with torch.no_grad():
                looking = self.gaze(target, meshes[1])
            losses["gaze"] = F.l1_loss(self.gaze(made, meshes[0]), looking)
        return losses

    def expression(self, frames: Tensor) -> Tensor:
        """Expression codes `[N, 30]` of frames in -1..1; the trunk takes no gradient."""
        with torch.no_grad():
            unified = self.motion.model(frames)
        return self.motion.embed("expression", self.motion.head("expression", unified))

    def codes(self, driving: Tensor, expression: Tensor, heard: Tensor, by_ear: Tensor) -> Tensor:
        """All codes side by side, in the style's order: `[B, 542]`.

        Args:
            driving: `[B, 3, S, S]` in -1..1: eyes and pose, and lips where the sound does not drive them.
            expression: `[B, 30]`.
            heard: `[B, 512]` E_aud's features.
            by_ear: `[B]` whether the sound drives the lips.
        """
        with torch.no_grad():
            unified = self.motion.model(driving)
            seen = self.motion.head("lips", unified)
            own = {
                factor: self.motion.embed(factor, self.motion.head(factor, unified))
                for factor in ("eyes", "pose")
            }
        spoken = self.speech.mouth_embed(heard)
        lips = torch.where(by_ear[:, None], spoken, self.motion.embed("lips", seen).to(spoken.dtype))
        codes = {"lips": lips, "expression": expression, **own}
        return torch.cat([codes[factor] for factor in FACTORS], 1)

    def paint(self, portrait: Tensor, codes: Tensor) -> Tensor:
        """Pictures `[B, 3, S, S]` in -1..1 of who is in the portrait."""
        vector, start = self.appearance(portrait)
        made: Tensor = self.generator(start, torch.cat([vector, codes], 1))
        return made

    def sample(self) -> np.ndarray | None:
        """Portrait, driving frame, result, and the result with the next clip's expression."""
        portrait, driving, _, expression, heard, by_ear = self._shown()
        made, other = (
            self.paint(portrait, self.codes(driving, code, heard, by_ear))
            for code in (expression, expression.roll(1, 0))
        )
        return to_sheet([portrait, driving, made, other])

    def validate(self) -> dict[str, float]:
        """`held_l1` of pictures not trained on (of trained ones when nobody is held out), `held_motion` (L_mot), and
        both of not moving at all."""
        portrait, driving, meshes, *rest = self._shown()
        made = self.paint(portrait, self.codes(driving, *rest))
        return compare_pictures(self.faces, made, portrait, driving, meshes)

    def _shown(self) -> tuple[Tensor, ...]:
        """Portraits, driving frames, the meshes of both, expression, what is heard, and that it drives the lips."""
        pairs = [far_pair(group[0]) for group in self.shown.clips.by_identity.values()][:8]
        driving: list[Moment] = [pair.only(1) for pair in pairs]
        pictures = torch.stack([self.shown.pictures(pair) for pair in pairs]).to(self.device)
        meshes = torch.stack([self.shown.meshes(pair) for pair in pairs]).to(self.device)
        patches = torch.cat([self.shown.patches(moment) for moment in driving]).to(self.device)
        portrait, frame = to_float(pictures).unbind(1)
        by_ear = torch.ones(len(pairs), dtype=torch.bool, device=self.device)
        return portrait, frame, meshes, self.expression(frame), self.speech.model(patches[:, None]), by_ear


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return PaperStage3(setup)
