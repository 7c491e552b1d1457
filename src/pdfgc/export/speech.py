"""The graphs from sound to lip codes, which both presets have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pdfgc.export.graph import Graph, Input, Output
from pdfgc.networks.hearing import SAMPLE_RATE, Hearing, SpeechNetwork
from pdfgc.networks.speech_mel import MelSpeechNetwork, mel_patches

_HEARING_SECONDS = (0.2, 30.0)


def hearing_graph(hearing: Hearing, loudness: str) -> Graph:
    """Sound to features.

    Args:
        hearing: what hears it.
        loudness: to which the sound is to be brought, in words.
    """
    wave = 0.1 * torch.randn(1, 2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(2))
    least, most = (int(seconds * SAMPLE_RATE) for seconds in _HEARING_SECONDS)
    return Graph(
        "hearing",
        "for every stretch of speech",
        _Hearing(hearing),
        (
            Input(
                "wave",
                f"mono sound at 16 kHz, -1..1, {loudness}",
                wave,
                {1: "samples"},
            ),
        ),
        (Output("features", f"{hearing.rate} a second", {1: "features"}),),
        {"samples": (least, most)},
    )


def speech_graph(speech: SpeechNetwork, hearing: Hearing, *, gain: float = 1.0, lips: str) -> Graph:
    """Features of speech to lip codes.

    Args:
        speech: the network.
        hearing: whose features it reads.
        gain: on the codes.
        lips: what else is to be known of the codes.
    """
    seconds = torch.linspace(0, 1, 10)[None]
    features = torch.randn(1, 60, hearing.width, generator=torch.Generator().manual_seed(3))
    return Graph(
        "speech",
        "for every stretch of speech",
        _MelSpeech(speech, gain) if isinstance(speech, MelSpeechNetwork) else _Speech(speech, gain),
        (
            Input("features", "of the graph hearing", features, {1: "features"}),
            Input("at", "seconds from the first feature on; the frames' times", seconds, {1: "frames"}),
        ),
        (Output("lips", lips, {1: "frames"}),),
        {"features": (2, 100_000)},
    )


class _Hearing(nn.Module):
    def __init__(self, hearing: Hearing) -> None:
        super().__init__()
        self.hearing = hearing

    def forward(self, wave: Tensor) -> Tensor:
        features: Tensor = self.hearing(wave)
        return features


class _Speech(nn.Module):
    def __init__(self, speech: SpeechNetwork, gain: float) -> None:
        super().__init__()
        self.speech = speech
        self.gain = gain

    def forward(self, features: Tensor, at: Tensor) -> Tensor:
        codes: Tensor = self.speech(features, at)
        return self.gain * codes


class _MelSpeech(nn.Module):
    """All patches at once: how many there are is not known when the graph is written."""

    def __init__(self, speech: MelSpeechNetwork, gain: float) -> None:
        super().__init__()
        self.speech = speech
        self.gain = gain

    def forward(self, features: Tensor, at: Tensor) -> Tensor:
        contrast = self.speech.model(mel_patches(features, at).flatten(0, 1)[:, None])
        return self.gain * self.speech.encode(contrast.unflatten(0, at.shape))
