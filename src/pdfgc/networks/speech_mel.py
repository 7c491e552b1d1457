"""E_aud as the paper has it: ResNet-SE-34 with self-attentive pooling on mel patches (spec 2 and 4).

Modules are named as in the authors' release, so its `audio_model` state dict loads as it is.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.networks.hearing import Hearing, SpeechNetwork
from pdfgc.networks.mel import COLUMN_RATE, MEL_BINS, log_mel, paper_filters, paper_window, to_rms

PATCH = 20
"""Columns of the patch of a frame."""

_LEAD = 8
"""Columns of the patch before the frame's own: at 25 frames a second it begins at column 4 (frame - 2)."""

_TIE = 1e-3
"""Columns by which a time may be off: of two that are equally near the later is taken, however it was rounded."""

_BLOCKS = (3, 4, 6, 3)
_REDUCTION = 8
_ATTENTION = 128
_PATCHES_AT_ONCE = 64  # in use: 16 seconds at once would take half a gigabyte


class MelHearing(Hearing):
    """The authors' log-mel columns; nothing in it is learnt."""

    rate: ClassVar[int] = COLUMN_RATE
    width: ClassVar[int] = MEL_BINS
    cached_as: ClassVar[str] = "mel"

    filters: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", paper_filters(), persistent=False)
        self.register_buffer("window", paper_window(), persistent=False)

    def set_level(self, wave: Tensor) -> Tensor:
        """`[N]` samples at an RMS of 0.1."""
        return to_rms(wave)

    def forward(self, wave: Tensor) -> Tensor:
        """`[B, N]` samples at 16 kHz to columns `[B, ceil(N / 160) + 7, 80]`, 0..1."""
        return log_mel(wave, self.filters, self.window).transpose(1, 2)


class MelSpeechNetwork(SpeechNetwork):
    """The mel patch around a moment to the lip factor.

    Args:
        hidden: channels of the last layer; 256 is the paper's.
        feature: size of the contrastive feature.
        code: size of the lip code.
    """

    def __init__(self, *, hidden: int = 256, feature: int = 512, code: int = 500) -> None:
        super().__init__()
        self.model = _ResNetSE(hidden=hidden, feature=feature)
        self.mouth_embed = nn.Sequential(nn.ReLU(), nn.Linear(feature, code))

    def contrast(self, features: Tensor, at: Tensor) -> Tensor:
        """As `SpeechNetwork.contrast`; a time is taken at the nearest column."""
        patches = mel_patches(features, at).flatten(0, 1)[:, None]
        parts = (patches,) if self.training else patches.split(_PATCHES_AT_ONCE)
        return torch.cat([self.model(part) for part in parts]).unflatten(0, at.shape)

    def encode(self, contrast: Tensor) -> Tensor:
        """Contrastive features `[..., feature]` to lip codes `[..., code]`."""
        codes: Tensor = self.mouth_embed(contrast)
        return codes


def mel_patches(columns: Tensor, at: Tensor) -> Tensor:
    """The patches centred on given times.

    Args:
        columns: `[B, L, 80]` from `MelHearing`.
        at: `[B, T]` seconds from the first column on; taken at the nearest column.

    Returns:
        `[B, T, 80, 20]`, 0 (silence) past the ends.
    """
    length = columns.shape[1]
    nearest = (at * COLUMN_RATE + 0.5 + _TIE).floor().long()
    first = (nearest - _LEAD).clamp(-PATCH, length)
    index = first[..., None] + torch.arange(PATCH, device=at.device) + PATCH
    rows = torch.arange(columns.shape[0], device=at.device)[:, None, None]
    return F.pad(columns, (0, 0, PATCH, PATCH))[rows, index].transpose(-1, -2)


class _ResNetSE(nn.Module):
    """ResNet-34 with squeeze and excitation; weighted by attention over time, then a linear layer."""

    def __init__(self, *, hidden: int, feature: int) -> None:
        super().__init__()
        widths = [hidden // 8, hidden // 4, hidden // 2, hidden]
        self.conv1 = nn.Conv2d(1, widths[0], 3, padding=1)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _layer(widths[0], widths[0], _BLOCKS[0], stride=1)
        self.layer2 = _layer(widths[0], widths[1], _BLOCKS[1], stride=2)
        self.layer3 = _layer(widths[1], widths[2], _BLOCKS[2], stride=2)
        self.layer4 = _layer(widths[2], widths[3], _BLOCKS[3], stride=2)
        pooled = hidden * MEL_BINS // 8
        self.attention = nn.Sequential(
            nn.Conv1d(pooled, _ATTENTION, 1),
            nn.ReLU(),
            nn.BatchNorm1d(_ATTENTION),
            nn.Conv1d(_ATTENTION, pooled, 1),
            nn.Softmax(dim=2),
        )
        self.fc = nn.Linear(pooled, feature)

    def forward(self, patches: Tensor) -> Tensor:
        """`[N, 1, 80, 20]` to `[N, feature]`."""
        x = self.bn1(F.relu(self.conv1(patches)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x)))).flatten(1, 2)
        feature: Tensor = self.fc((x * self.attention(x)).sum(2))
        return feature


def _layer(inputs: int, outputs: int, blocks: int, *, stride: int) -> nn.Sequential:
    rest = [_Block(outputs, outputs, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(_Block(inputs, outputs, stride=stride), *rest)


class _Block(nn.Module):
    """Two convolutions with a shortcut; the authors normalise after the first rectifier."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.se = _SqueezeExcitation(outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(F.relu(self.conv1(x)))
        y = self.se(self.bn2(self.conv2(y)))
        return F.relu(y + self.downsample(x))


class _SqueezeExcitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // _REDUCTION, 1)
        self.fc = nn.Sequential(
            nn.Linear(channels, squeezed), nn.ReLU(), nn.Linear(squeezed, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        gates: Tensor = self.fc(x.mean((2, 3)))
        return x * gates[:, :, None, None]
