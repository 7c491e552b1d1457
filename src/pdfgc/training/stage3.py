"""Stage 3: expression, and the final generator (paper section 3.3).

Phases share a step. *codes* (`expression_codes.py`): expression codes and the mesh decoder. *generator* and
*discriminator* (`painting.py`): the mesh-warp generator repaints driving frames from a portrait of the same clip. A
phase whose losses all have weight 0 is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.data.faces import FaceTable, shape_of_pose
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.errors import InputError
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.mesh_warp import MeshWarpGenerator, Window, resize, warp
from pdfgc.networks.motion import POSE, FactorHead, MeshMotionEncoder
from pdfgc.networks.patch_discriminator import PatchDiscriminator
from pdfgc.networks.speech_kinds import make_hearing, make_speech_network
from pdfgc.priors.face_features import MediaPipeTeacher
from pdfgc.priors.perceptual import LPIPS
from pdfgc.training.code_moments import CodeMoments
from pdfgc.training.expression_codes import ExpressionCodes
from pdfgc.training.held_out_codes import HeldOutCodes
from pdfgc.training.memory_bank import MemoryBank
from pdfgc.training.painting import Painting, motion_difference
from pdfgc.training.pictures import PictureTable, augmented, draw_pictures
from pdfgc.training.results import read_result
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage
from pdfgc.training.stage2_eyes import EYES as EYE_CODE
from pdfgc.training.stage2_lips import LIPS as LIP_CODE
from pdfgc.wording import nearest

EXPRESSION = 30

_CODE_LOSSES = (
    "mesh",
    "opening",
    "gestures",
    "closed",
    "canonical",
    "corners",
    "correlation",
    "entanglement",
)
_PAINT_LOSSES = ("l1", "perceptual", "flow", "motion")

_SHEET = 8


class Stage3(Stage):
    """Trains `expression`, `decoder`, the lip codes of `lips` and `speech`, and `generator`."""

    name: ClassVar[str] = "stage3"
    requires: ClassVar[tuple[str, ...]] = ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose")
    stays_on_cpu: ClassVar[frozenset[str]] = frozenset({"window", "moment.heard"})

    def __init__(self, setup: Setup) -> None:
        self.settings = settings = setup.config.stages.stage3
        self.size = setup.config.size
        self.weights = settings.weights
        self.held_out = setup.held_out.where(pictures=True)
        self.exports = ("expression", "decoder", "lips", "speech", "generator")
        codes, paint = self._is_on(_CODE_LOSSES), self._is_on(_PAINT_LOSSES)
        learning, generator, discriminator = self._make_networks(setup)
        faces = FaceTable.load(setup.clips)
        learning.decoder.set_turned(shape_of_pose(faces))
        if settings.start_from:
            self._start_from(Path(settings.start_from))
        _freeze(generator, settings.frozen)
        self.learning = learning
        self.moments = self.held_out_codes = None
        if codes:
            speech = SpeechFeatures(faces.clips, self.hearing, setup.cache)
            self.moments = CodeMoments(faces, speech, setup.config)
            self.held_out_codes = self._held_out_codes(setup)
        self.pictures = PictureTable.load(setup.clips.where(pictures=True)) if paint else None
        self.usual_face = None if self.pictures is None else self.pictures.usual_face()
        perceptual = None if self.is_off("perceptual") else LPIPS(settings.perceptual)
        teacher = MediaPipeTeacher() if paint and not self.is_off("motion") else None
        self.painting = Painting(generator, discriminator, perceptual, teacher, settings, self.size)
        phases = []
        if codes:
            modules = ("expression", "decoder", "lips", "speech")
            phases.append(Phase("codes", modules, learning_rate=2.0))
        if paint:
            phases.append(Phase("generator", ("generator",)))
            if self.painting.adversarial:
                judged = ("adversarial", "feature_matching")
                self.joins_at = {name: settings.adversarial_from for name in judged if not self.is_off(name)}
                phases.append(Phase("discriminator", ("discriminator",), betas=(0.5, 0.99), ema=False))
        self.phases = tuple(phases)

    def _make_networks(self, setup: Setup) -> tuple[ExpressionCodes, MeshWarpGenerator, PatchDiscriminator]:
        """Fills `modules`: those of the earlier stages with their weights, the others new."""
        sizes, settings = setup.config.networks, self.settings
        width, hidden = sizes.motion, sizes.motion_hidden
        motion = MeshMotionEncoder(feature=width, hidden=hidden)
        lips = FactorHead(feature=width, hidden=hidden, code=LIP_CODE)
        eyes = FactorHead(feature=width, hidden=hidden, code=EYE_CODE)
        speech = make_speech_network(
            sizes.speech, hidden=sizes.speech_hidden, feature=sizes.motion_hidden, code=LIP_CODE
        )
        self.hearing = make_hearing(sizes.speech)
        earlier: dict[str, nn.Module] = {
            "motion": motion,
            "lips": lips,
            "eyes": eyes,
            "hearing": self.hearing,
            "speech": speech,
        }
        for name, module in earlier.items():
            setup.earlier.load(name, module)
        expression = FactorHead(feature=width, hidden=hidden, code=EXPRESSION)
        decoder = MeshDecoder(lips=LIP_CODE, expression=EXPRESSION, hidden=sizes.decoder_hidden)
        bank = MemoryBank(settings.bank, expression=EXPRESSION, speech=sizes.motion_hidden)
        other_bank = MemoryBank(settings.bank, expression=EXPRESSION, others=POSE + EYE_CODE)
        generator = MeshWarpGenerator(
            channels=sizes.warp_channels, flow_channels=sizes.flow_channels, context=sizes.warp_context
        )
        discriminator = PatchDiscriminator(sizes.judge_channels)
        self.modules = {
            **earlier,
            "expression": expression,
            "decoder": decoder,
            "generator": generator,
            "discriminator": discriminator,
            "bank": bank,
            "other_bank": other_bank,
        }
        learning = ExpressionCodes(
            motion,
            lips,
            eyes,
            speech,
            expression,
            decoder,
            bank,
            other_bank,
            apart_from_speech=not self.is_off("correlation"),
            apart_from_others=not self.is_off("entanglement"),
        )
        return learning, generator, discriminator

    def _held_out_codes(self, setup: Setup) -> HeldOutCodes | None:
        if not len(setup.held_out):
            return None
        faces = FaceTable.load(setup.held_out)
        return HeldOutCodes(faces, SpeechFeatures(faces.clips, self.hearing, setup.cache))

    def _start_from(self, path: Path) -> None:
        result = read_result(path)
        for name in self.exports:  # the frozen parts are this run's own
            state = result.module(name)
            try:
                if state:
                    self.modules[name].load_state_dict(state)
            except RuntimeError as error:
                raise InputError(f"the part {name} of {path} does not fit the configuration") from error

    def _is_on(self, losses: tuple[str, ...]) -> bool:
        return not all(self.is_off(loss) for loss in losses)

    def batch(self, draw: Draw) -> Batch:
        """Moments for the codes, and portraits with driving frames for the generator."""
        moments, pictures = [], []
        for random in draw.items():
            if self.moments is not None:
                moments += [self.moments.draw(random) for _ in range(self.settings.moments)]
            if self.pictures is not None:
                pictures.append(draw_pictures(self.pictures, random, self.settings.drivers, self.size))
        batch = {}
        if moments:
            batch = {f"moment.{name}": torch.stack([m[name] for m in moments]) for name in moments[0]}
        if self.usual_face is not None:
            batch |= {name: torch.stack([p[name] for p in pictures]) for name in pictures[0]}
            random = np.random.default_rng((draw.seed, draw.step))
            batch["window"] = self.painting.draw_window(random, self.usual_face)
            batch |= self.painting.choose_watched(draw)
        return batch

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses of a phase: `ExpressionCodes.losses`, or those of `Painting`."""
        if phase == "codes":
            return self.learning.losses({k[7:]: v for k, v in batch.items() if k.startswith("moment.")})
        if phase == "generator":
            return self.painting.generator_losses(batch, step)
        return self.painting.discriminator_losses(batch)

    def networks(self) -> list[nn.Module]:
        """The networks that judge pictures too."""
        judges = (self.painting.perceptual, self.painting.teacher)
        return [*super().networks(), *(judge for judge in judges if isinstance(judge, nn.Module))]

    def _held_out_batch(self) -> Batch | None:
        """The same pairs of frames every time, one of each held-out clip, as far apart as the clip has them."""
        clips = [clip for group in self.held_out.by_identity.values() for clip in group[:1]]
        pairs = [
            augmented(clip, np.array([0, _farthest(clip.mesh())]), self.size) for clip in clips[: 2 * _SHEET]
        ]
        return (
            {name: torch.stack([pair[name] for pair in pairs]).to(self.device) for name in pairs[0]}
            if pairs
            else None
        )

    def sample(self) -> np.ndarray | None:
        """Held-out people: portrait, driving frame, result, portrait warped, painted share."""
        batch = self._held_out_batch()
        if batch is None or self.pictures is None:
            return None
        frame, painted, offsets, target, _, portrait = self.painting.paint(batch, Window(0, 0, self.size))
        moved = warp(portrait, resize(offsets, self.size))
        columns = [portrait, target, frame, moved, painted.expand(-1, 3, -1, -1) * 2 - 1]
        rows = torch.cat([column.float() for column in columns], 3)[:_SHEET]
        sheet = ((rows.permute(0, 2, 3, 1).flatten(0, 1) + 1) * 127.5).clamp(0, 255)
        return sheet.round().byte().cpu().numpy()

    def validate(self) -> dict[str, float]:
        """On held-out people: how codes carry them (`HeldOutCodes.measure`), and of painted frames `held_lpips`,
        `held_motion`, `held_l1` and the last of the portrait left as it is."""
        scores = {}
        if self.held_out_codes is not None:
            scores = self.held_out_codes.measure(self.learning, self.device)
        return {**scores, **self._validate_painting()}

    def _validate_painting(self) -> dict[str, float]:
        batch = self._held_out_batch()
        if batch is None or self.pictures is None:
            return {}
        window = Window(0, 0, self.size)
        frame, _, _, target, _, portrait = self.painting.paint(batch, window)
        scores = {"held_l1": (frame - target).abs().mean(), "held_still_l1": (portrait - target).abs().mean()}
        if self.painting.perceptual is not None:
            scores["held_lpips"] = self.painting.perceptual(frame.float(), target).mean()
        if self.painting.teacher is not None:
            meshes = batch["meshes"][:, 1]
            scores["held_motion"] = motion_difference(self.painting.teacher, frame, target, meshes, window)
        return {name: float(score) for name, score in scores.items()}


def _freeze(generator: MeshWarpGenerator, names: Sequence[str]) -> None:
    """Leaves parts of the generator as they are.

    Raises:
        InputError: it has no such part.
    """
    parts = [name for name, _ in generator.named_modules() if name]
    for name in names:
        if name not in parts:
            near = nearest(name, parts, however_unlike=True)
            raise InputError(f"the generator has no part {name!r} to be frozen; did you mean {near!r}?")
        generator.get_submodule(name).requires_grad_(False)


def _farthest(meshes: np.ndarray) -> int:
    """The frame whose face is farthest from the first one's."""
    return int(np.abs(meshes - meshes[:1]).mean((1, 2)).argmax())


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return Stage3(setup)
