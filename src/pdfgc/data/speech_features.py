"""Speech features of clips, computed once per run: the hearing is not trained."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pdfgc.data.clips import Clip
from pdfgc.files import atomic_path
from pdfgc.networks.hearing import Hearing, hear
from pdfgc.progress import track

log = logging.getLogger(__name__)


class SpeechFeatures:
    """What a hearing hears in every clip that has sound, cached in a folder."""

    def __init__(self, clips: tuple[Clip, ...], hearing: Hearing, cache: Path) -> None:
        self._rate, self._width = hearing.rate, hearing.width
        cache.mkdir(parents=True, exist_ok=True)
        self._features: dict[Path, Tensor] = {}
        for clip in track(clips, total=len(clips), description="speech features"):
            if clip.info.samples > 0:
                self._features[clip.path] = _cached(clip, hearing, cache)

    def __contains__(self, clip: Clip) -> bool:
        return clip.path in self._features

    def window(self, clip: Clip, start: float, seconds: float) -> tuple[Tensor, float]:
        """Features around a time span.

        Args:
            clip: one of the clips.
            start: first second wanted.
            seconds: how many.

        Returns:
            `[seconds * rate, width]` float32, zero past the ends of the sound, and the second its first row stands for.
        """
        features = self._features[clip.path]
        window = self.nothing(seconds)
        first = int(start * self._rate)
        low, high = max(first, 0), min(first + len(window), len(features))
        if high > low:
            window[low - first : high - first] = features[low:high].float()
        return window, first / self._rate

    def nothing(self, seconds: float) -> Tensor:
        """A window `[seconds * rate, width]` of no sound."""
        return torch.zeros(round(seconds * self._rate), self._width)


def features_of(wave: Tensor, hearing: Hearing) -> Tensor:
    """`[N]` samples at 16 kHz of any length to features `[L, width]`, chunk by chunk."""
    parts, echoes = [], torch.zeros(0, hearing.width)
    for _, heard, first, begin, end in hear([wave], hearing):
        parts.append(heard[begin - first : end - first])
        echoes = heard[end - first :]  # of the last chunk, what still hears the last samples
    return torch.cat([*parts, echoes])


def _cached(clip: Clip, hearing: Hearing, cache: Path) -> Tensor:
    # By the video's folders too: VoxCeleb2 numbers the utterances of every video from 00001. And by what is heard:
    # clips are prepared anew, and runs are copied.
    wave = clip.audio()
    name = (
        f"{clip.path.stem}.{hashlib.sha256(wave.tobytes()).hexdigest()[:12]}.{hearing.cached_as}.safetensors"
    )
    path = cache / Path(clip.info.source).parent / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        features = features_of(torch.from_numpy(wave), hearing).half()
        with atomic_path(path) as temporary:
            save_file({"features": features}, temporary)
    return load_file(path)["features"]
