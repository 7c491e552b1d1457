"""How well codes carry a face that was never trained on: what stage 3 measures of its phase `codes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdfgc.data.faces import FaceTable
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.training.code_moments import SPEECH_SECONDS, lip_gaps
from pdfgc.training.expression_codes import ExpressionCodes

_FRAMES = 60  # of each clip, evenly spread
_CLIPS = 16
_STILL = 0.02  # cm; a mouth that moves less has no correlation worth the name


@dataclass(frozen=True)
class HeldOutCodes:
    """Faces of held-out people, each clip driven from its own first frame."""

    faces: FaceTable
    speech: SpeechFeatures

    @torch.no_grad()
    def measure(self, learning: ExpressionCodes, device: torch.device) -> dict[str, float]:
        """`held_mesh`: distance in cm of the rebuilt from the driving mesh, `held_still_mesh` of the portrait's own;
        `held_seen_opening` and `held_heard_opening`: mean correlation over clips of the mouth's opening with the
        driver's, lips driven by the picture and by the sound. Measures that no clip allows are left out."""
        found: dict[str, list[float]] = {}
        for clip in range(min(len(self.faces.clips), _CLIPS)):
            for name, value in self._measure_clip(clip, learning, device).items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _measure_clip(self, clip: int, learning: ExpressionCodes, device: torch.device) -> dict[str, float]:
        rows = self.faces.frames(clip)
        drivers = np.unique(np.linspace(rows.start, rows.stop - 1, _FRAMES).round().astype(int))
        canonical, scores, pose = (
            values[[rows.start, *drivers]].to(device)
            for values in (self.faces.canonical, self.faces.blendshapes, self.faces.pose)
        )
        codes = learning.codes(canonical, scores, pose)
        own = {name: code[:1].expand(len(drivers), -1) for name, code in codes.items()}
        driving = {name: code[1:] for name, code in codes.items()}
        portrait, target = canonical[:1].expand(len(drivers), -1, -1), canonical[1:]
        rebuilt = learning.decoder(portrait, own, driving)
        measures = {
            "held_mesh": _distance(rebuilt, target),
            "held_still_mesh": _distance(portrait, target),
            "held_seen_opening": _correlation(rebuilt, target),
        }
        if self.faces.clips[clip] in self.speech:
            driving["lips"] = self._heard(clip, drivers, learning, device)
            measures["held_heard_opening"] = _correlation(learning.decoder(portrait, own, driving), target)
        return {name: value for name, value in measures.items() if np.isfinite(value)}

    def _heard(
        self, clip: int, drivers: np.ndarray, learning: ExpressionCodes, device: torch.device
    ) -> Tensor:
        """Lip codes of the sound at the driving frames: `[n, 500]`."""
        windows, since = [], []
        for time in self.faces.times[drivers].tolist():
            features, first = self.speech.window(
                self.faces.clips[clip], time - SPEECH_SECONDS / 2, SPEECH_SECONDS
            )
            windows.append(features)
            since.append(time - first)
        at = torch.tensor(since, dtype=torch.float32)[:, None]
        return learning.speech(torch.stack(windows).to(device), at.to(device))[:, 0]


def _distance(result: Tensor, target: Tensor) -> float:
    return float((result - target).norm(dim=-1).mean())


def _correlation(result: Tensor, target: Tensor) -> float:
    """Of the lips' gap over the frames; NaN when one of the mouths does not move."""
    a, b = (lip_gaps(mesh).mean(1).cpu().numpy() for mesh in (result, target))
    if min(a.std(), b.std()) < _STILL:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
