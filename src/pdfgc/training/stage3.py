"""Stage 3: expression, and the final generator (paper section 3.3).

Two phases share a step. *codes*: expression is what the other factors leave unexplained; its code is averaged over a
window, kept uncorrelated with speech by a memory bank (eq. 6), and has to rebuild the driving mesh together with
lips, eyes and pose (complementary learning, eq. 8, on the mesh). *generator*: the mesh-warp generator repaints
driving frames from a portrait of the same clip (eq. 7).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.data.faces import FaceTable, shape_of_pose
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.errors import InputError
from pdfgc.face.mesh import LEFT_EYE, LIPS_OUTER, RIGHT_EYE
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.mesh_warp import MeshWarpGenerator, Window, resize, warp
from pdfgc.networks.motion import POSE, FactorHead, MeshMotionEncoder
from pdfgc.networks.sketch import EYES, IRISES, LIPS, MOUTH
from pdfgc.networks.speech_kinds import make_hearing, make_speech_network
from pdfgc.priors.perceptual import LPIPS
from pdfgc.training.code_moments import CodeMoments, lip_gaps
from pdfgc.training.losses import squared_correlation, weighted_l1
from pdfgc.training.memory_bank import MemoryBank
from pdfgc.training.pictures import augmented, draw_pictures
from pdfgc.training.results import read_result
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage
from pdfgc.training.stage1 import point_weights
from pdfgc.training.stage2_eyes import EYES as EYE_CODE
from pdfgc.training.stage2_lips import LIPS as LIP_CODE

EXPRESSION = 30

_FEATURE_WEIGHT = 4.0
"""How much more an error of eyes and mouth counts than one elsewhere in a frame."""

_CODE_LOSSES = ("mesh", "opening", "closed", "canonical", "correlation", "entanglement")
_PAINT_LOSSES = ("l1", "perceptual", "flow")

_CLOSE_UPS, _ANYWHERE = 0.55, 0.25
"""Shares of steps that paint close-ups, half mouths and half eyes, and that paint anywhere in the frame."""

_CLOSER = 1.5

_SHEET = 8


class Stage3(Stage):
    """Trains `expression`, `decoder`, the lip codes of `lips` and `speech`, and `generator`."""

    name: ClassVar[str] = "stage3"
    requires: ClassVar[tuple[str, ...]] = ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose")

    def __init__(self, setup: Setup) -> None:
        self.settings = settings = setup.config.stages.stage3
        sizes = setup.config.networks
        self.size = setup.config.size
        self.pictures = setup.clips.where(pictures=True)
        self.held_out = setup.held_out.where(pictures=True)
        self.weights = settings.weights
        wide = {"feature": sizes.motion, "hidden": sizes.motion_hidden}
        self.motion = MeshMotionEncoder(**wide)
        self.lips = FactorHead(**wide, code=LIP_CODE)
        self.eyes = FactorHead(**wide, code=EYE_CODE)
        self.speech = make_speech_network(
            sizes.speech, hidden=sizes.speech_hidden, feature=sizes.motion_hidden, code=LIP_CODE
        )
        hearing = make_hearing(sizes.speech)
        trained: dict[str, nn.Module] = {
            "motion": self.motion,
            "lips": self.lips,
            "eyes": self.eyes,
            "hearing": hearing,
            "speech": self.speech,
        }
        for name, module in trained.items():
            setup.earlier.load(name, module)
        self.expression = FactorHead(**wide, code=EXPRESSION)
        self.decoder = MeshDecoder(lips=LIP_CODE, expression=EXPRESSION, hidden=sizes.decoder_hidden)
        self.generator = MeshWarpGenerator(channels=sizes.warp_channels, flow_channels=sizes.flow_channels)
        self.bank = MemoryBank(settings.bank, expression=EXPRESSION, speech=sizes.motion_hidden)
        self.other_bank = MemoryBank(settings.bank, expression=EXPRESSION, others=POSE + EYE_CODE)
        self.modules = {
            **trained,
            "expression": self.expression,
            "decoder": self.decoder,
            "generator": self.generator,
            "bank": self.bank,
            "other_bank": self.other_bank,
        }
        self.exports = ("expression", "decoder", "lips", "speech", "generator")
        faces = FaceTable.load(setup.clips)
        self.decoder.set_turned(shape_of_pose(faces))
        if settings.start_from:
            self._start_from(Path(settings.start_from))
        codes = Phase("codes", ("expression", "decoder", "lips", "speech"), learning_rate=2.0)
        paint = Phase("generator", ("generator",))
        self.phases = ((codes,) if self._is_on(_CODE_LOSSES) else ()) + (
            (paint,) if self._is_on(_PAINT_LOSSES) else ()
        )
        self.perceptual = None if self.is_off("perceptual") else LPIPS("alex").eval().requires_grad_(False)
        speech = SpeechFeatures(faces.clips, hearing, setup.cache)
        self.moments = CodeMoments(faces, speech, setup.config)
        self.points = point_weights()

    def _start_from(self, path: Path) -> None:
        result = read_result(path)
        for name in self.exports:  # the frozen parts are this run's own
            state = result.module(name)
            try:
                if state:
                    self.modules[name].load_state_dict(state)
            except RuntimeError as error:
                raise InputError(f"the part {name} of {path} does not fit the configuration") from error

    def batch(self, draw: Draw) -> Batch:
        """Moments for the codes, and portraits with driving frames for the generator."""
        moments, pictures = [], []
        paint = self._is_on(_PAINT_LOSSES)
        for random in draw.items():
            if self._is_on(_CODE_LOSSES):
                moments += [self.moments.draw(random) for _ in range(self.settings.moments)]
            if paint:
                pictures.append(draw_pictures(self.pictures, random, self.settings.drivers, self.size))
        batch = {}
        if moments:
            batch = {f"moment.{name}": torch.stack([m[name] for m in moments]) for name in moments[0]}
        if paint:
            batch |= {name: torch.stack([p[name] for p in pictures]) for name in pictures[0]}
            batch["window"] = self._draw_window(
                np.random.default_rng((draw.seed, draw.step)), batch["meshes"]
            )
        return batch

    def _is_on(self, losses: tuple[str, ...]) -> bool:
        return not all(self.is_off(loss) for loss in losses)

    def _draw_window(self, random: np.random.Generator, meshes: Tensor) -> Tensor:
        """Left, top and side of the part to paint: a close-up of mouths or eyes, or more about a face or anywhere.

        All items of a batch share it; heads stand alike in their crops. Multiples of 8 pixels.
        """
        size = self.size
        kind = random.random()
        side = self.settings.close_up if kind < _CLOSE_UPS else self.settings.painted
        loop = LIPS_OUTER if kind < _CLOSE_UPS / 2 else (*LEFT_EYE, *RIGHT_EYE)
        points = meshes[:, -1, list(loop)] if kind < _CLOSE_UPS else meshes[:, -1]
        middle = (points[..., :2].mean((0, 1)).numpy() + 1) * (size / 2)
        middle = middle + random.uniform(-0.05, 0.05, 2) * size
        if kind > 1 - _ANYWHERE:
            middle = random.uniform(side / 2, size - side / 2, 2)
        corner = np.clip(np.round((middle - side / 2) / 8) * 8, 0, size - side)
        return torch.tensor([*corner.astype(np.int64), side])

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses of a phase, see `_code_losses` and `_generator_losses`."""
        if phase == "codes":
            return self._code_losses({k[7:]: v for k, v in batch.items() if k.startswith("moment.")})
        return self._generator_losses(batch)

    def _code_losses(self, moment: dict[str, Tensor]) -> dict[str, Tensor]:
        """`mesh` and `opening` (of the lips): the driving mesh rebuilt from codes; `canonical`: zero codes give the
        neutral face, and zero lips a shut mouth (`closed`); `correlation`: of expression with speech (eq. 6)."""
        window = moment["canonical"].shape[1]
        own = self._codes(moment["own"], moment["own_blendshapes"], moment["own_pose"])
        frontal = self.motion.frontal(moment["canonical"].flatten(0, 1), moment["blendshapes"].flatten(0, 1))
        expression = self.expression(frontal).unflatten(0, (-1, window)).mean(1)
        middle = self.motion(*(moment[name][:, window // 2] for name in ("canonical", "blendshapes", "pose")))
        heard = self.speech.contrast(moment["features"], moment["times"][:, None])[:, 0]
        spoken = self.speech.encode(heard)
        seen = self._lips(middle)
        by_ear = moment["by_ear"][:, None]
        driving = {
            "lips": torch.where(by_ear, spoken, seen),
            "expression": expression,
            "eyes": self.eyes(middle),
            "pose": moment["pose"][:, window // 2],
        }
        decoder, points = self.decoder, self.points.to(expression)
        rebuilt = decoder(moment["portrait"], own, driving)
        zero = {name: torch.zeros_like(code) for name, code in own.items()} | {"pose": own["pose"]}
        silent = decoder(moment["portrait"], own, own | {"lips": zero["lips"]})
        losses = {
            "closed": lip_gaps(silent).abs().mean(),
            "mesh": weighted_l1(rebuilt, moment["target"], points),
            "opening": (lip_gaps(rebuilt) - lip_gaps(moment["target"])).abs().mean(),
            "canonical": weighted_l1(decoder(moment["portrait"], own, zero), moment["neutral"], points),
        }
        if not self.is_off("correlation"):
            losses |= self._correlations(moment, expression, heard.detach(), driving["eyes"])
        return losses

    def _correlations(
        self, moment: dict[str, Tensor], expression: Tensor, heard: Tensor, eyes: Tensor
    ) -> dict[str, Tensor]:
        """`correlation` with speech (eq. 6), and `entanglement`: the same with pose and eyes, which the tracker's
        brows and cheeks covary with."""
        middle = moment["pose"].shape[1] // 2
        others = torch.cat([moment["pose"][:, middle], eyes], 1).detach()
        rows = self.other_bank.extend(expression=expression, others=others)
        losses = {"entanglement": squared_correlation(rows["expression"], rows["others"])}
        audible = moment["heard"]
        if bool(audible.any()):
            rows = self.bank.extend(expression=expression[audible], speech=heard[audible])
            losses["correlation"] = squared_correlation(rows["expression"], rows["speech"])
        return losses

    def _lips(self, feature: Tensor) -> Tensor:
        """Lip codes of pictures; what contrast has found stays as it is, only the code is learnt here."""
        self.lips.layers.eval()  # frozen: its normalisation may not follow this stage's batches
        return self.lips.code(torch.relu(self.lips.contrast(feature).detach()))

    def _codes(self, canonical: Tensor, blendshapes: Tensor, pose: Tensor) -> dict[str, Tensor]:
        feature = self.motion(canonical, blendshapes, pose)
        return {
            "lips": self._lips(feature),
            "expression": self.expression(self.motion.frontal(canonical, blendshapes)),
            "eyes": self.eyes(feature),
            "pose": pose,
        }

    def _generator_losses(self, batch: Batch) -> dict[str, Tensor]:
        """`l1` and `perceptual` (eq. 7) of the painted part, `flow`: the warped portrait, small, against the frame."""
        window = Window(*batch["window"].tolist())
        frame, painted, offsets, target, sketch, portrait = self._paint(batch, window)
        wanted, drawn = window.of(target, self.size), window.of(sketch, self.size)
        features = drawn[:, [EYES, IRISES, LIPS, MOUTH]].amax(1, keepdim=True)
        small = resize(portrait, offsets.shape[-1])
        losses = {
            "l1": weighted_l1(frame, wanted, 1 + _FEATURE_WEIGHT * features),
            "flow": (warp(small, offsets) - resize(target, offsets.shape[-1])).abs().mean(),
            "painted": painted.mean().detach(),
        }
        if self.perceptual is not None:
            if window.side < self.settings.painted:  # seen closer, so that teeth and lids count
                frame, wanted = (
                    F.interpolate(x, scale_factor=_CLOSER, mode="bilinear") for x in (frame, wanted)
                )
            losses["perceptual"] = self.perceptual(frame, wanted).mean()
        return losses

    def _paint(self, batch: Batch, window: Window) -> tuple[Tensor, ...]:
        generator = self.generator
        pictures = batch["pictures"].float() / 127.5 - 1
        sketches = batch["sketches"].float() / 255
        drivers = pictures.shape[1] - 1
        portrait = pictures[:, 0].contiguous(memory_format=torch.channels_last)
        features = generator.encode(portrait).repeat(drivers)
        with torch.no_grad(), torch.autocast(pictures.device.type, enabled=False):
            flows = generator.flows(
                batch["meshes"][:, 0].repeat_interleave(drivers, 0), batch["meshes"][:, 1:].flatten(0, 1)
            )
        driving = sketches[:, 1:].flatten(0, 1)
        source = sketches[:, 0].repeat_interleave(drivers, 0)
        frame, painted, offsets = generator(features, flows, source, driving, window)
        return (
            frame,
            painted,
            offsets,
            pictures[:, 1:].flatten(0, 1),
            driving,
            portrait.repeat_interleave(drivers, 0),
        )

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
        if batch is None or not self._is_on(_PAINT_LOSSES):
            return None
        frame, painted, offsets, target, _, portrait = self._paint(batch, Window(0, 0, self.size))
        moved = warp(portrait, resize(offsets, self.size))
        columns = [portrait, target, frame, moved, painted.expand(-1, 3, -1, -1) * 2 - 1]
        rows = torch.cat([column.float() for column in columns], 3)[:_SHEET]
        sheet = ((rows.permute(0, 2, 3, 1).flatten(0, 1) + 1) * 127.5).clamp(0, 255)
        return sheet.round().byte().cpu().numpy()

    def validate(self) -> dict[str, float]:
        """On held-out people: `lpips` and `l1` of whole frames, and `l1` of the portrait left as it is."""
        batch = self._held_out_batch()
        if batch is None or not self._is_on(_PAINT_LOSSES):
            return {}
        frame, _, _, target, _, portrait = self._paint(batch, Window(0, 0, self.size))
        scores = {"held_l1": (frame - target).abs().mean(), "held_still_l1": (portrait - target).abs().mean()}
        if self.perceptual is not None:
            scores["held_lpips"] = self.perceptual(frame.float(), target).mean()
        return {name: float(score) for name, score in scores.items()}


def _farthest(meshes: np.ndarray) -> int:
    """The frame whose face is farthest from the first one's."""
    return int(np.abs(meshes - meshes[:1]).mean((1, 2)).argmax())


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return Stage3(setup)
