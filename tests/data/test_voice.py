"""Speech against what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pdfgc.data.clips import AUDIO_RATE
from pdfgc.data.voice import voice_probabilities, voice_share
from pdfgc.media.audio import read_audio

SPEECH = Path(__file__).parents[2] / "demo" / "speech.flac"


def melody(seconds: float) -> np.ndarray:
    """Plucked chords, four a second."""
    random = np.random.default_rng(0)
    time = np.arange(AUDIO_RATE // 4) / AUDIO_RATE
    beats = []
    for _ in range(round(4 * seconds)):
        notes = 220 * 2 ** (random.choice([0, 4, 7, 12, 16], 3) / 12)
        beats.append(
            sum(np.sin(2 * np.pi * note * time) / (k + 1) for k, note in enumerate(notes)) * np.exp(-6 * time)
        )
    return (0.15 * np.concatenate(beats)).astype(np.float32)


def test_speech_is_a_voice_and_music_and_noise_are_not() -> None:
    speech = read_audio(SPEECH)[: 4 * AUDIO_RATE]
    assert voice_share(speech) > 0.8
    assert voice_share(melody(4.0)) < 0.2
    assert voice_share(np.random.default_rng(0).normal(0, 0.1, 4 * AUDIO_RATE).astype(np.float32)) < 0.2


def test_pauses_do_not_count() -> None:
    speech = read_audio(SPEECH)[: 2 * AUDIO_RATE]
    sparse = np.concatenate([np.zeros(4 * AUDIO_RATE, np.float32), speech])
    assert voice_probabilities(sparse)[: 4 * AUDIO_RATE // 512].mean() < 0.1
    assert voice_share(sparse) > 0.8


def test_edges() -> None:
    threads = torch.get_num_threads()
    assert voice_share(np.zeros(100, np.float32)) == 0.0
    assert voice_share(np.zeros(AUDIO_RATE, np.float32)) < 0.2
    assert torch.get_num_threads() == threads
