"""Stage 2, lips: lip motion and speech of the same moment find each other (paper section 3.2, eq. 2 and 3)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pdfgc.data.faces import FaceTable, draw_clip
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.errors import InputError
from pdfgc.networks.motion import FactorHead, MeshMotionEncoder
from pdfgc.networks.speech_kinds import make_hearing, make_speech_network
from pdfgc.priors.whisper import load_whisper_trunk
from pdfgc.training.distributed import gather_rows
from pdfgc.training.losses import info_nce
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage
from pdfgc.training.stage1 import FaceAugmentation

LIPS = 500

WINDOW_SECONDS = 3.0
"""Speech given to the speech network at once; frames are taken from its middle, half a second off the ends."""

_MARGIN = 0.5
_QUIET = 3e-3  # root mean square below which a clip counts as silent


class TalkingFaces:
    """Clips with speech, and draws of moments from them."""

    def __init__(self, faces: FaceTable, speech: SpeechFeatures) -> None:
        self.faces = faces
        self.speech = speech
        talking = [
            [clip for clip in clips if _is_heard(faces, clip, speech)] for clips in faces.by_identity()
        ]
        self.people = [clips for clips in talking if clips]
        if not self.people:
            raise InputError(
                "expected prepared clips with speech to train the lips on, but none has audible sound"
            )

    def moments(self, random: np.random.Generator, count: int) -> tuple[int, list[int], Tensor, Tensor]:
        """A clip, `count` rows of it within one window, the window's features and the rows' times in it.

        Returns:
            Clip number, rows, `[L, width]` features and `[count]` seconds since the window's first feature.
        """
        clip = draw_clip(self.people, random)
        rows = self.faces.frames(clip)
        times = self.faces.times[rows.start : rows.stop].numpy()
        span = WINDOW_SECONDS - 2 * _MARGIN
        begin = random.uniform(times[0], max(times[-1] - span, times[0] + 1e-6))
        inside = np.flatnonzero((times >= begin) & (times <= begin + span))
        if len(inside) == 0:  # a gap without a face
            inside = np.array([int(np.abs(times - begin).argmin())])
        chosen = np.sort(random.choice(inside, count, replace=len(inside) < count))
        features, first = self.speech.window(self.faces.clips[clip], begin - _MARGIN, WINDOW_SECONDS)
        at = torch.tensor(times[chosen] - first, dtype=torch.float32)
        return clip, [rows[int(i)] for i in chosen], features, at


def _is_heard(faces: FaceTable, clip: int, speech: SpeechFeatures) -> bool:
    source = faces.clips[clip]
    return source in speech and len(source) >= 25 and float(np.sqrt((source.audio() ** 2).mean())) > _QUIET


class LipsStage(Stage):
    """Trains `lips` and `speech`; carries the frozen `hearing` into the model."""

    name: ClassVar[str] = "stage2-lips"
    requires: ClassVar[tuple[str, ...]] = ("stage1",)

    def __init__(self, setup: Setup) -> None:
        sizes, settings = setup.config.networks, setup.config.stages.stage2_lips
        stage1 = setup.config.stages.stage1
        self.faces = FaceTable.load(setup.clips)
        hearing = load_whisper_trunk() if sizes.speech == "whisper" else make_hearing(sizes.speech)
        speech = SpeechFeatures(self.faces.clips, hearing, setup.cache)
        self.talking = TalkingFaces(self.faces, speech)
        self.augment = FaceAugmentation(self.faces, stretch=stage1.stretch, swap_neutral=stage1.swap_neutral)
        self.held_out = None
        if len(setup.held_out.where(sound=True)):
            faces = FaceTable.load(setup.held_out.where(sound=True))
            self.held_out = TalkingFaces(faces, SpeechFeatures(faces.clips, hearing, setup.cache))
        motion = MeshMotionEncoder(feature=sizes.motion, hidden=sizes.motion_hidden)
        setup.earlier.load("motion", motion)
        self.motion = motion
        self.lips = FactorHead(feature=sizes.motion, hidden=sizes.motion_hidden, code=LIPS)
        self.speech = make_speech_network(
            sizes.speech, hidden=sizes.speech_hidden, feature=sizes.motion_hidden, code=LIPS
        )
        self.modules = {
            "motion": motion,
            "lips": self.lips,
            "speech": self.speech,
            "hearing": hearing,
        }
        self.phases = (Phase("lips", ("lips", "speech")),)
        self.exports = ("lips", "speech", "hearing")
        self.weights = settings.weights
        self.temperature = settings.temperature
        self.frames = settings.clip_frames

    def batch(self, draw: Draw) -> Batch:
        """Moments of several clips: negatives are other moments of the clip and all moments of the others."""
        canonical, rows_taken, features, times = [], [], [], []
        for random in draw.items():
            clip, rows, heard, at = self.talking.moments(random, self.frames)
            canonical.append(self.augment(self.faces.canonical[rows], clip, random))
            rows_taken.append(rows)
            features.append(heard)
            times.append(at)
        taken = torch.tensor(rows_taken)
        return {
            "canonical": torch.stack(canonical),
            "blendshapes": self.faces.blendshapes[taken],
            "pose": self.faces.pose[taken],
            "features": torch.stack(features),
            "times": torch.stack(times),
        }

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`lips_to_speech` and `speech_to_lips`: InfoNCE both ways (eq. 2, 3). The codes are learnt in stage 3."""
        lips, speech = (gather_rows(features) for features in self._features(batch))
        return {
            "lips_to_speech": info_nce(lips, speech, temperature=self.temperature),
            "speech_to_lips": info_nce(speech, lips, temperature=self.temperature),
        }

    def _features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        faces = [batch[name].flatten(0, 1) for name in ("canonical", "blendshapes", "pose")]
        lips = self.lips.contrast(self.motion(*faces))
        return lips, self.speech.contrast(batch["features"], batch["times"]).flatten(0, 1)

    def validate(self) -> dict[str, float]:
        """Share of held-out moments whose own sound is the nearest among 8 of the same clip (chance 0.125)."""
        if self.held_out is None:
            return {}
        random = np.random.default_rng(0)
        right, total = 0, 0
        faces = self.held_out.faces
        for _ in range(40):
            _, rows, heard, at = self.held_out.moments(random, 8)
            own = {
                "canonical": faces.canonical[rows],
                "blendshapes": faces.blendshapes[rows],
                "pose": faces.pose[rows],
                "features": heard,
                "times": at,
            }
            lips, speech = self._features({name: value[None].to(self.device) for name, value in own.items()})
            similarity = (
                torch.nn.functional.normalize(lips, dim=1) @ torch.nn.functional.normalize(speech, dim=1).T
            )
            right += int((similarity.argmax(1).cpu() == torch.arange(8)).sum())
            total += 8
        return {"retrieval_of_8": right / total}


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return LipsStage(setup)
