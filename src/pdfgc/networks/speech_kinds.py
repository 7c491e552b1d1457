"""The speech networks to choose from: `networks.speech` of the configuration."""

from __future__ import annotations

from typing import Literal

from pdfgc.networks.hearing import Hearing, SpeechNetwork
from pdfgc.networks.speech import SpeechHead, WhisperTrunk
from pdfgc.networks.speech_mel import MelHearing, MelSpeechNetwork

SpeechKind = Literal["whisper", "mel"]


def make_hearing(kind: SpeechKind) -> Hearing:
    """The hearing of a kind, its weights (if it has any) not loaded yet."""
    return WhisperTrunk() if kind == "whisper" else MelHearing()


def make_speech_network(kind: SpeechKind, *, hidden: int, feature: int, code: int) -> SpeechNetwork:
    """The untrained network of a kind, for features of the hearing of that kind.

    Args:
        kind: which.
        hidden: its width; 256 is the paper's.
        feature: size of the contrastive feature.
        code: size of the lip code.
    """
    network = SpeechHead if kind == "whisper" else MelSpeechNetwork
    return network(hidden=hidden, feature=feature, code=code)
