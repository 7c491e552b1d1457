"""The four networks that preset `paper` is in use, from its configuration."""

from __future__ import annotations

from torch import nn

from pdfgc.config_paper import PaperNetworks
from pdfgc.motion import FACTORS
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.networks.paper.generator import Generator
from pdfgc.networks.paper.motion import MotionEncoder, MotionTrunk
from pdfgc.networks.speech_mel import MelSpeechNetwork

MODULES = ("appearance", "motion", "speech", "generator")
"""Their names in weights files."""

PATCH = 32
"""Pixels of a picture per entry of the appearance map."""


def make_appearance(sizes: PaperNetworks) -> AppearanceEncoder:
    """E_app."""
    return AppearanceEncoder(
        sizes.appearance, width=sizes.appearance_width, map_channels=sizes.generator_channels[0]
    )


def make_motion(sizes: PaperNetworks, size: int) -> MotionEncoder:
    """E_mot with its four heads, for pictures of `size` pixels."""
    trunk = MotionTrunk(
        size=size,
        channels=sizes.motion_channels,
        landmarks=sizes.landmarks,
        feature=sizes.motion,
        depth=sizes.motion_depth,
    )
    return MotionEncoder(trunk, FACTORS, feature=sizes.motion)


def make_speech(sizes: PaperNetworks) -> MelSpeechNetwork:
    """E_aud."""
    return MelSpeechNetwork(hidden=sizes.speech_hidden, feature=sizes.motion, code=FACTORS["lips"])


def make_generator(sizes: PaperNetworks, size: int, *, motion: int = sum(FACTORS.values())) -> Generator:
    """G for pictures of `size` pixels; `motion` 512 makes G0, which the unified motion feature drives."""
    vector = AppearanceEncoder.vector_size(sizes.appearance_width)
    return Generator(style=vector + motion, channels=sizes.generator_channels, start=size // PATCH)


def make_networks(sizes: PaperNetworks, size: int) -> dict[str, nn.Module]:
    """All of `MODULES`, untrained."""
    return {
        "appearance": make_appearance(sizes),
        "motion": make_motion(sizes, size),
        "speech": make_speech(sizes),
        "generator": make_generator(sizes, size),
    }
