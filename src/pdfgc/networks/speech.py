"""E_aud of preset `small`: speech to the lip factor.

The first two layers of Whisper tiny.en (MIT; 50 features a second, 384 each) listen, frozen; a small temporal
network turns them into the contrastive feature and the lip code at the frames of the video.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE = 16000
FEATURE_RATE = 50
"""Whisper's features a second; feature i is centred on second i / 50."""

WIDTH = 384
LAYERS = 2
_HEADS = 6
_MEL_BINS = 80
_FFT, _HOP = 400, 160
_POSITIONS = 1500
_SAMPLES_PER_FEATURE = SAMPLE_RATE // FEATURE_RATE

CHUNK_SECONDS = 16
CONTEXT_SECONDS = 2
"""Long speech is heard in chunks with context on both sides, so memory does not grow with its length."""


def mel_filters() -> Tensor:
    """Slaney's mel filters as Whisper uses them: `[80, 201]`, 0..8000 Hz, area-normalised."""
    linear_hz, step = 1000.0, 200.0 / 3
    log_step = math.log(6.4) / 27

    def to_mel(hz: float) -> float:
        return hz / step if hz < linear_hz else linear_hz / step + math.log(hz / linear_hz) / log_step

    mels = torch.linspace(0.0, to_mel(SAMPLE_RATE / 2), _MEL_BINS + 2, dtype=torch.float64)
    knee = linear_hz / step
    edges = torch.where(mels < knee, mels * step, linear_hz * torch.exp(log_step * (mels - knee)))
    bins = torch.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=torch.float64)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).float()


def normalise_level(wave: Tensor) -> Tensor:
    """`[N]` samples brought to the same loudness: the loudest fifth of the sound to an RMS of 0.1, by 20 dB at most."""
    frames = wave[: len(wave) // _SAMPLES_PER_FEATURE * _SAMPLES_PER_FEATURE].view(-1, _SAMPLES_PER_FEATURE)
    if len(frames) == 0:
        return wave
    power = frames.square().mean(1)
    loud = power.topk(max(len(power) // 5, 1)).values.mean().sqrt()
    return wave * (0.1 / loud.clamp(min=1e-6)).clamp(0.1, 10.0)


class WhisperTrunk(nn.Module):
    """The convolutional stem and first layers of Whisper's encoder; frozen."""

    mel: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(_MEL_BINS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(_POSITIONS, WIDTH))
        self.layers = nn.ModuleList([_EncoderLayer() for _ in range(LAYERS)])
        self.register_buffer("mel", mel_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(_FFT), persistent=False)
        self.requires_grad_(False)

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


class SpeechHead(nn.Module):
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
        """Contrastive features at given times.

        Args:
            features: `[B, L, 384]` from `WhisperTrunk`, at 50 Hz.
            at: `[B, T]` times in seconds from the first feature on.

        Returns:
            `[B, T, feature]`.
        """
        x = self.drop(self.norm(features).transpose(1, 2))
        x = self.blocks(self.inputs(x)).transpose(1, 2)
        return self.outputs(F.gelu(_at_times(x, at)))

    def encode(self, contrast: Tensor) -> Tensor:
        """Contrastive features `[..., feature]` to lip codes `[..., code]`."""
        return self.code(torch.relu(contrast))

    def forward(self, features: Tensor, at: Tensor) -> Tensor:
        """Lip codes `[B, T, code]`; arguments as `contrast`."""
        return self.encode(self.contrast(features, at))


def _at_times(x: Tensor, at: Tensor) -> Tensor:
    """Rows of `x [B, L, C]` at 50 Hz, linearly interpolated at `at [B, T]` seconds; held at the ends."""
    position = (at * FEATURE_RATE).clamp(0, x.shape[1] - 1)
    left = position.floor().long().clamp(max=max(x.shape[1] - 2, 0))
    share = (position - left)[..., None].to(x.dtype)
    right = (left + 1).clamp(max=x.shape[1] - 1)
    rows = torch.arange(len(x), device=x.device)[:, None]
    return x[rows, left] * (1 - share) + x[rows, right] * share


@torch.no_grad()
def hear(blocks: Iterable[Tensor], trunk: WhisperTrunk) -> Iterator[tuple[Tensor, Tensor, int, int, int]]:
    """Features of a stream of samples, chunk by chunk.

    Yields:
        `[n]` the chunk's samples and `[n / 320, 384]` their features, context included, then three feature numbers
        as `speech_chunks`.
    """
    for samples, first, begin, end in speech_chunks(blocks):
        yield samples, trunk(normalise_level(samples)[None])[0], first, begin, end


def speech_chunks(blocks: Iterable[Tensor]) -> Iterator[tuple[Tensor, int, int, int]]:
    """Cut a stream of samples into chunks with context.

    Args:
        blocks: `[n]` float samples at 16 kHz, one after the other.

    Yields:
        The samples of a chunk with its context; the number of the feature that stands first in it; and the
        first and last (exclusive) feature that the chunk is there for. What comes out does not depend on how the
        stream was cut into blocks.
    """
    chunk, context = CHUNK_SECONDS * SAMPLE_RATE, CONTEXT_SECONDS * SAMPLE_RATE
    unit = _SAMPLES_PER_FEATURE
    held = torch.zeros(0)
    start, begin, total = 0, 0, 0  # of `held`, of the next chunk's own part, of the stream so far: samples
    for block in blocks:
        held = torch.cat([held, block])
        total += len(block)
        while total >= begin + chunk + context:
            own = held[: begin + chunk + context - start]
            yield own, start // unit, begin // unit, (begin + chunk) // unit
            begin += chunk
            held, start = held[begin - context - start :], begin - context
    if total > begin:
        yield F.pad(held, (0, -len(held) % unit)), start // unit, begin // unit, -(-total // unit)
