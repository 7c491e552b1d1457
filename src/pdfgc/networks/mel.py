"""Mel spectra: Slaney's filters, and the audio front end of the paper's speech network (spec 4)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE = 16000
MEL_BINS = 80

COLUMN_RATE = 100
"""Columns of `log_mel` a second; column m covers samples 160 m - 1120 .. 160 m + 159."""

_FFT, _HOP = 1280, SAMPLE_RATE // COLUMN_RATE
_BEFORE = _FFT - _HOP
_LOW_HZ, _HIGH_HZ = 125.0, 7600.0
_RMS = 0.1
_MOST_GAIN = 100.0
_FLOOR = 1e-5
_REFERENCE_DB = 20.0
_RANGE_DB = 100.0


def mel_filters(*, fft: int, low: float = 0.0, high: float = SAMPLE_RATE / 2) -> Tensor:
    """Slaney's mel filters, area-normalised, as librosa makes them.

    Args:
        fft: samples of the Fourier transform whose magnitudes are filtered.
        low: lower edge of the first filter in Hz.
        high: upper edge of the last filter in Hz.

    Returns:
        `[80, fft / 2 + 1]`.
    """
    linear_hz, step = 1000.0, 200.0 / 3
    log_step = math.log(6.4) / 27

    def to_mel(hz: float) -> float:
        return hz / step if hz < linear_hz else linear_hz / step + math.log(hz / linear_hz) / log_step

    mels = torch.linspace(to_mel(low), to_mel(high), MEL_BINS + 2, dtype=torch.float64)
    knee = linear_hz / step
    edges = torch.where(mels < knee, mels * step, linear_hz * torch.exp(log_step * (mels - knee)))
    bins = torch.linspace(0, SAMPLE_RATE / 2, fft // 2 + 1, dtype=torch.float64)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


def paper_filters() -> Tensor:
    """The filters of `log_mel`: `[80, 641]`, 125..7600 Hz."""
    return mel_filters(fft=_FFT, low=_LOW_HZ, high=_HIGH_HZ)


def paper_window() -> Tensor:
    """The window of `log_mel`: `[1280]`, half the root of a Hann window that is symmetric about half a sample."""
    phase = 2 * math.pi * (torch.arange(_FFT, dtype=torch.float64) + 0.5) / _FFT
    return ((0.5 - 0.5 * phase.cos()).sqrt() / 2).float()


def to_rms(wave: Tensor) -> Tensor:
    """`[N]` samples scaled to an RMS of 0.1; by 40 dB at most, so that a pause is not raised to speech."""
    level = wave.square().mean().sqrt() if len(wave) else wave.new_zeros(())
    return wave * (_RMS / level.clamp(min=_RMS / _MOST_GAIN))


def log_mel(wave: Tensor, filters: Tensor, window: Tensor) -> Tensor:
    """The authors' log-mel spectrum.

    Args:
        wave: `[B, N]` samples at 16 kHz, -1..1, level set (`to_rms`).
        filters: `paper_filters()`, on the wave's device.
        window: `paper_window()`, likewise.

    Returns:
        `[B, 80, ceil(N / 160) + 7]` in 0..1, at 100 columns a second; silence is 0.
    """
    columns = -(-wave.shape[-1] // _HOP) + _BEFORE // _HOP
    after = (columns - 1) * _HOP + _FFT - _BEFORE - wave.shape[-1]
    frames = F.pad(wave, (_BEFORE, after)).unfold(-1, _FFT, _HOP) * window
    magnitudes = torch.fft.rfft(frames).abs().transpose(-1, -2)
    decibels = 20 * (filters @ magnitudes).clamp(min=_FLOOR).log10() - _REFERENCE_DB
    return (decibels / _RANGE_DB + 1).clamp(0, 1)
