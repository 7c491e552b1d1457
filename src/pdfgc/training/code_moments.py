"""Moments that codes and mesh decoder learn from in stage 3: a portrait, a driving window, its sound."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdfgc.config import Config
from pdfgc.data.faces import FaceTable, draw_clip
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.face.mesh import LIPS_INNER
from pdfgc.training.stage1 import FaceAugmentation
from pdfgc.training.stage2_lips import TalkingFaces

SPEECH_SECONDS = 0.6
"""The speech networks see up to 0.24 s to both sides of a moment."""
_BY_EAR = 0.6
"""Share of moments with speech whose lips are driven by it; the others' are driven by the picture."""

_SINGLE_FRAME = 0.5
"""Share of moments driven by the picture whose expression is that of the one frame: where speech drives the lips, such
an expression would be used to tell what it left out."""

_TALKING = 0.7
"""Share of moments drawn from clips with speech."""


def lip_gaps(canonical: Tensor) -> Tensor:
    """Distance of the upper from the lower inner lip at three places: `[B, 478, 3]` to `[B, 3]` cm, signed."""
    upper, lower = list(LIPS_INNER[4:7]), list(LIPS_INNER[16:13:-1])
    return canonical[:, upper, 1] - canonical[:, lower, 1]


class CodeMoments:
    """Draws moments: people first, half of the faces as they are and half with their identity hidden."""

    def __init__(self, faces: FaceTable, speech: SpeechFeatures, config: Config) -> None:
        stage1 = config.stages.stage1
        self.faces = faces
        self.talking = TalkingFaces(faces, speech)
        self.people = faces.by_identity()
        self.augment = FaceAugmentation(faces, stretch=stage1.stretch / 2, swap_neutral=stage1.swap_neutral)
        self.window = config.stages.stage3.window

    def draw(self, random: np.random.Generator) -> dict[str, Tensor]:
        """One moment.

        Returns:
            `portrait`, `target` and `neutral` `[478, 3]`: the portrait's mesh, the driving one, and the clip's face
            without expression; `own*`: the portrait as the encoder sees it; `canonical [K, 478, 3]`, `blendshapes
            [K, 52]`, `pose [K, 6]`: the driving window as the encoder sees it; `features [L, width]` and `times`: the
            speech and the moment in it; `heard`: whether there is any; `by_ear`: whether it drives the lips;
            `single_frame`: whether the decoder gets the expression of the driving frame instead of the window's.
        """
        faces = self.faces
        talks = random.random() < _TALKING
        people = self.talking.people if talks else self.people
        clip = draw_clip(people, random)
        rows = faces.frames(clip)
        own, driving = (rows[int(i)] for i in random.integers(len(rows), size=2))
        half = self.window // 2
        window = [
            min(max(row, rows.start), rows.stop - 1) for row in range(driving - half, driving + half + 1)
        ]
        hidden = random.random() < 0.5
        own_shown = faces.canonical[own : own + 1]
        shown = faces.canonical[window]
        if hidden:
            own_shown, shown = self.augment(torch.cat([own_shown, shown]), clip, random).split(
                [1, len(window)]
            )
        features, times = self._speech(clip, driving, talks)
        by_ear = talks and random.random() < _BY_EAR
        return {
            "portrait": faces.canonical[own],
            "own": own_shown[0],
            "own_blendshapes": faces.blendshapes[own],
            "own_pose": faces.pose[own],
            "target": faces.canonical[driving],
            "neutral": faces.neutral[clip],
            "canonical": shown,
            "blendshapes": faces.blendshapes[window],
            "pose": faces.pose[window],
            "features": features,
            "times": times,
            "heard": torch.tensor(talks),
            "by_ear": torch.tensor(by_ear),
            "single_frame": torch.tensor(not by_ear and random.random() < _SINGLE_FRAME),
        }

    def _speech(self, clip: int, row: int, talks: bool) -> tuple[Tensor, Tensor]:
        if not talks:
            return self.talking.speech.nothing(SPEECH_SECONDS), torch.tensor(SPEECH_SECONDS / 2)
        time = float(self.faces.times[row])
        features, first = self.talking.speech.window(
            self.faces.clips[clip], time - SPEECH_SECONDS / 2, SPEECH_SECONDS
        )
        return features, torch.tensor(time - first, dtype=torch.float32)
