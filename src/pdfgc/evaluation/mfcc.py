"""Mel-frequency cepstra as SyncNet hears them (the defaults of `python_speech_features`, its front end)."""

from __future__ import annotations

import numpy as np

RATE = 16_000
COLUMN_RATE = 100
"""Columns a second."""

COEFFICIENTS = 13

_LENGTH, _STEP, _FFT, _BANDS = 400, RATE // COLUMN_RATE, 512, 26
_EMPHASIS = 0.97
_LIFTER = 22


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Cepstra of sound.

    Each column covers 400 samples from 160 m on (zeros past the end), without a window: emphasis of 0.97, power
    spectrum of 512 points, 26 triangles evenly spaced in mel from 0 to 8 kHz, logarithm, orthonormal cosine
    transform, sine lifter of 22. The first coefficient is the logarithm of the whole energy.

    Args:
        samples: `[N]` 16-bit values (-32768..32767) at 16 kHz.

    Returns:
        `[1 + max(0, ceil((N - 400) / 160)), 13]` float64.
    """
    wave = np.asarray(samples, np.float64)
    emphasised = np.concatenate([wave[:1], wave[1:] - _EMPHASIS * wave[:-1]])
    columns = 1 + max(0, -(-(len(wave) - _LENGTH) // _STEP))
    padded = np.pad(emphasised, (0, max(0, (columns - 1) * _STEP + _LENGTH - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _LENGTH)[::_STEP][:columns]
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / _FFT
    bands = _floor(power @ _triangles().T)
    cepstra = np.log(bands) @ _cosines().T
    cepstra *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER)
    cepstra[:, 0] = np.log(_floor(power.sum(1)))
    return cepstra


def _floor(values: np.ndarray) -> np.ndarray:
    return np.where(values == 0, np.finfo(np.float64).eps, values)


def _triangles() -> np.ndarray:
    """`[26, 257]`: rising from one edge to the next, falling to the one after; edges are whole bins."""
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), _BANDS + 2)
    edges = np.floor((_FFT + 1) * 700 * (10 ** (mels / 2595) - 1) / RATE)
    bins = np.arange(_FFT // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.minimum(rising, falling).clip(0)


def _cosines() -> np.ndarray:
    """`[13, 26]` rows of the orthonormal cosine transform of the second type."""
    phase = np.pi / _BANDS * np.outer(np.arange(COEFFICIENTS), np.arange(_BANDS) + 0.5)
    rows = np.sqrt(2 / _BANDS) * np.cos(phase)
    rows[0] /= np.sqrt(2)
    return rows
