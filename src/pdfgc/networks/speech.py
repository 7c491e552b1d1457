"""E_aud of preset `small`: speech to the lip factor.

The first two layers of Whisper tiny.en (MIT; 50 features a second, 384 each) listen, frozen; a small temporal
network turns them into the contrastive feature and the lip code at the frames of the video.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.networks.hearing import SAMPLE_RATE, Hearing, SpeechNetwork
from pdfgc.networks.mel import MEL_BINS, mel_filters

FEATURE_RATE = 50
"""Whisper's features a second; feature i is centred on second i / 50."""

WIDTH = 384
LAYERS = 2
_HEADS = 6
_FFT, _HOP = 400, 160
_POSITIONS = 1500
_SAMPLES_PER_FEATURE = SAMPLE_RATE // FEATURE_RATE


def normalise_level(wave: Tensor) -> Tensor:
    """`[N]` samples brought to the same loudness: the loudest fifth of the sound to an RMS of 0.1, by 20 dB at most."""
    frames = wave[: len(wave) // _SAMPLES_PER_FEATURE * _SAMPLES_PER_FEATURE].view(-1, _SAMPLES_PER_FEATURE)
    if len(frames) == 0:
        return wave
    power = frames.square().mean(1)
    loud = power.topk(max(len(power) // 5, 1)).values.mean().sqrt()
    return wave * (0.1 / loud.clamp(min=1e-6)).clamp(0.1, 10.0)


class WhisperTrunk(Hearing):
    """The convolutional stem and first layers of Whisper's encoder; frozen."""

    rate: ClassVar[int] = FEATURE_RATE
    width: ClassVar[int] = WIDTH
    cached_as: ClassVar[str] = "speech"

    mel: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MEL_BINS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(_POSITIONS, WIDTH))
        self.layers = nn.ModuleList([_EncoderLayer() for _ in range(LAYERS)])
        self.register_buffer("mel", mel_filters(fft=_FFT), persistent=False)
        self.register_buffer("window", torch.hann_window(_FFT), persistent=False)
        self.requires_grad_(False)

    def set_level(self, wave: Tensor) -> Tensor:
        """As `normalise_level`."""
        return normalise_level(wave)

    def log_mel(self, wave: Tensor) -> Tensor:
        """`[B, N]` samples at 16 kHz, -1..1, to Whisper's log-mel `[B, 80, N / 160]`."""
        spectrum = torch.stft(wave, _FFT, _HOP, window=self.window, return_complex=True)[..., :-1]
        power = self.mel @ spectrum.abs().square()
        logs = power.clamp(min=1e-10).log10()
        loudest = logs.amax((-2, -1), keepdim=True).clamp(
            min=0.0
        )  # silence stays silent: no floor raised to speech
        return (torch.maximum(logs, loudest - 8.0) + 4.0) / 4.0

    def forward(self, wave: Tensor) -> Tensor:
        """`[B, N]` samples at 16 kHz, -1..1, at most 30 s, to features `[B, N / 320, 384]` at 50 Hz."""
        x = F.gelu(self.conv1(self.log_mel(wave)))
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return x


class _EncoderLayer(nn.Module):
    """A transformer layer, pre-norm, as in Whisper."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.attention_out = nn.Linear(WIDTH, WIDTH)
        self.feed_norm = nn.LayerNorm(WIDTH)
        self.feed_in = nn.Linear(WIDTH, 4 * WIDTH)
        self.feed_out = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.query_key_value(self.attention_norm(x)).unflatten(-1, (3, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.attention_out(attended)
        return x + self.feed_out(F.gelu(self.feed_in(self.feed_norm(x))))


class _TemporalBlock(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)  # of each moment alone: what is heard later must not change it
        self.first = nn.Conv1d(channels, channels, 5, padding=2 * dilation, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        normal = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.second(F.gelu(self.first(normal)))


class SpeechHead(SpeechNetwork):
    """Trunk features to the lip factor: a temporal network that sees 0.24 s to both sides."""

    def __init__(
        self, *, hidden: int = 256, feature: int = 512, code: int = 500, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.inputs = nn.Conv1d(WIDTH, hidden, 1)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*[_TemporalBlock(hidden, dilation) for dilation in (1, 1, 2, 2)])
        self.outputs = nn.Linear(hidden, feature)
        self.code = nn.Linear(feature, code)

    def contrast(self, features: Tensor, at: Tensor) -> Tensor:
        """As `SpeechNetwork.contrast`, of features of `WhisperTrunk`."""
        x = self.drop(self.norm(features).transpose(1, 2))
        x = self.blocks(self.inputs(x)).transpose(1, 2)
        return self.outputs(F.gelu(_at_times(x, at)))

    def encode(self, contrast: Tensor) -> Tensor:
        """Contrastive features `[..., feature]` to lip codes `[..., code]`."""
        codes: Tensor = self.code(torch.relu(contrast))
        return codes


def _at_times(x: Tensor, at: Tensor) -> Tensor:
    """Rows of `x [B, L, C]` at 50 Hz, linearly interpolated at `at [B, T]` seconds; held at the ends."""
    position = (at * FEATURE_RATE).clamp(0, x.shape[1] - 1)
    left = position.floor().long().clamp(max=max(x.shape[1] - 2, 0))
    share = (position - left)[..., None].to(x.dtype)
    right = (left + 1).clamp(max=x.shape[1] - 1)
    rows = torch.arange(x.shape[0], device=x.device)[:, None]
    return x[rows, left] * (1 - share) + x[rows, right] * share
