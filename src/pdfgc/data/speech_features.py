"""Speech features of clips, computed once per run: they come from a frozen network."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pdfgc.data.clips import Clip
from pdfgc.files import atomic_path
from pdfgc.networks.speech import FEATURE_RATE, WIDTH, WhisperTrunk, hear
from pdfgc.progress import track

log = logging.getLogger(__name__)


class SpeechFeatures:
    """Whisper features at 50 Hz of every clip that has sound, cached in a folder."""

    def __init__(self, clips: tuple[Clip, ...], trunk: WhisperTrunk, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._features: dict[Path, Tensor] = {}
        for clip in track(clips, total=len(clips), description="speech features"):
            if clip.info.samples > 0:
                self._features[clip.path] = _cached(clip, trunk, cache)

    def __contains__(self, clip: Clip) -> bool:
        return clip.path in self._features

    def window(self, clip: Clip, start: float, seconds: float) -> tuple[Tensor, float]:
        """Features around a time span.

        Args:
            clip: one of the clips.
            start: first second wanted.
            seconds: how many.

        Returns:
            `[seconds * 50, 384]` float32, zero past the ends of the sound, and the second its first row stands for.
        """
        features = self._features[clip.path]
        rows = round(seconds * FEATURE_RATE)
        first = int(start * FEATURE_RATE)
        window = torch.zeros(rows, WIDTH)
        low, high = max(first, 0), min(first + rows, len(features))
        if high > low:
            window[low - first : high - first] = features[low:high].float()
        return window, first / FEATURE_RATE


def features_of(wave: Tensor, trunk: WhisperTrunk) -> Tensor:
    """`[N]` samples at 16 kHz of any length to `[ceil(N / 320), 384]` features, chunk by chunk."""
    parts = [heard[begin - first : end - first] for _, heard, first, begin, end in hear([wave], trunk)]
    return torch.cat(parts) if parts else torch.zeros(0, WIDTH)


def _cached(clip: Clip, trunk: WhisperTrunk, cache: Path) -> Tensor:
    path = cache / f"{clip.path.stem}.speech.safetensors"
    if not path.exists():
        features = features_of(torch.from_numpy(clip.audio()), trunk).half()
        with atomic_path(path) as temporary:
            save_file({"features": features}, temporary)
    return load_file(path)["features"]
