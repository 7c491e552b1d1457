"""Whether a sound is speech: Silero's voice detector (MIT), which knows music and noise for what they are.

Singing is a voice to it, and so is speech over music; music alone and noise are not.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from pdfgc.data.clips import AUDIO_RATE

_WINDOW = 512
_BELOW_LOUD_DB = 10.0


def voice_share(wave: np.ndarray) -> float:
    """Mean probability of a voice in the loud parts of a sound, 0..1; 0 for less than 32 ms.

    Loud are windows of 32 ms within 10 dB of the 95th percentile of levels, so that pauses do not count. Measured on
    150 clips: four with music 0.00 to 0.22, slow syllables in noise 0.46 at least, other speech mostly above 0.9.

    Args:
        wave: `[N]` float32 at 16 kHz, -1..1.
    """
    count = len(wave) // _WINDOW
    if count == 0:
        return 0.0
    windows = wave[: count * _WINDOW].reshape(count, _WINDOW).astype(np.float64)
    level = 10 * np.log10((windows**2).mean(1) + 1e-14)
    loud = level >= np.percentile(level, 95) - _BELOW_LOUD_DB
    return float(voice_probabilities(wave)[:count][loud].mean())


def voice_probabilities(wave: np.ndarray) -> np.ndarray:
    """`[ceil(N / 512)]` probability of a voice in every 32 ms."""
    import torch

    with torch.inference_mode():
        samples = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
        probabilities: np.ndarray = _detector().audio_forward(samples[None], AUDIO_RATE)[0].numpy()
    return probabilities


@cache
def _detector() -> Any:
    import torch

    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad

    torch.set_num_threads(threads)  # its import takes all but one away
    return load_silero_vad()
