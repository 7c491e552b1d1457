"""The sound of a clip: cut to the pictures, judged, and moved to where the mouth moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from pdfgc.data.clips import AUDIO_RATE
from pdfgc.data.rejection import Rejection
from pdfgc.data.settings import PrepareSettings
from pdfgc.data.sound_offset import REACH, SoundOffset
from pdfgc.data.voice import voice_share
from pdfgc.media.audio import stream_audio

_LEVEL_WINDOW = AUDIO_RATE // 50


@dataclass(frozen=True)
class ClipSound:
    """The sound of a clip as it is stored."""

    samples: np.ndarray
    """int16 at 16 kHz; empty without sound."""
    sync: str = ""
    """The verdict of `SoundOffset`, or empty where nobody listened."""
    late: Fraction = Fraction(0)
    """Seconds by which it came late before it was moved."""
    fit: float = 0.0
    """How well the mouth follows it now: a correlation."""
    fault: Rejection | None = None
    """Why there is no sound, where the video had some."""


NO_SOUND = ClipSound(np.zeros(0, np.int16))


class SoundReader:
    """The sound of a file, read forwards in pieces that may overlap a little."""

    def __init__(self, path: Path) -> None:
        self._blocks = stream_audio(path, AUDIO_RATE)
        self._kept = np.zeros(0, np.float32)
        self._first = 0
        """The sample number of `_kept[0]`."""

    def read(self, start: Fraction, end: Fraction) -> np.ndarray:
        """float32 samples from `start` to `end` in seconds; silence before 0, fewer where the sound ends earlier."""
        first, last = round(start * AUDIO_RATE), round(end * AUDIO_RATE)
        while self._first + len(self._kept) < last:
            block = next(self._blocks, None)
            if block is None:
                break
            self._kept = np.concatenate([self._kept, block])
            self._drop_before(first)
        self._drop_before(first)
        samples = self._kept[: max(last - self._first, 0)]
        return np.concatenate([np.zeros(min(max(-first, 0), last - first), np.float32), samples])

    def _drop_before(self, sample: int) -> None:
        drop = min(max(sample - self._first, 0), len(self._kept))
        self._kept = self._kept[drop:]
        self._first += drop


def clip_sound(
    sound: SoundReader,
    start: Fraction,
    end: Fraction,
    listen: Callable[[np.ndarray], SoundOffset] | None,
    settings: PrepareSettings,
) -> ClipSound:
    """The sound of the pictures from `start` to `end`, in step with them where that can be told.

    Args:
        sound: of the video.
        start, end: seconds.
        listen: finds the offset in float32 samples that begin `REACH` before `start` and end as much after `end`.
        settings: limits.
    """
    wide = sound.read(start - REACH, end + REACH)
    margin = round(REACH * AUDIO_RATE)
    length = round((end - start) * AUDIO_RATE)
    own = wide[margin : margin + length]
    fault = sound_fault(own, settings)
    if fault is not None:
        return ClipSound(NO_SOUND.samples, fault=fault)
    if listen is None:
        return ClipSound(_to_int16(own))
    offset = listen(wide)
    if offset.verdict == "unsure" and settings.strict_sync:
        detail = f"the mouth follows the sound at r {offset.fit:.2f} at best"
        return ClipSound(NO_SOUND.samples, offset.verdict, fault=Rejection("out of step", detail))
    late = offset.correction
    first = margin + round(late * AUDIO_RATE)
    fit = offset.fit if late else offset.unshifted
    return ClipSound(_to_int16(wide[first : first + length]), offset.verdict, late, fit)


def sound_fault(wave: np.ndarray, settings: PrepareSettings) -> Rejection | None:
    """Why a sound cannot teach lips, or None.

    Args:
        wave: `[N]` float32 at 16 kHz.
        settings: limits.
    """
    level = loud_level(wave)
    if level < settings.loudness:
        return Rejection("silent", f"loud parts of {level:.0f} dBFS")
    share = voice_share(wave)
    if share < settings.voice:
        return Rejection("no speech", f"a voice in {share:.0%} of the loud parts")
    return None


def loud_level(wave: np.ndarray) -> float:
    """Level of the loudest twentieth of a sound in dBFS, in windows of 20 ms; -140 for silence."""
    windows = wave[: len(wave) // _LEVEL_WINDOW * _LEVEL_WINDOW].reshape(-1, _LEVEL_WINDOW)
    power = float(np.percentile((windows.astype(np.float64) ** 2).mean(1), 95)) if len(windows) else 0.0
    return 10 * float(np.log10(power + 1e-14))


def _to_int16(wave: np.ndarray) -> np.ndarray:
    return np.round(wave * 32767).astype(np.int16)
