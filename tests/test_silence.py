"""Silence is told from speech by level."""

from __future__ import annotations

import torch

from pdfgc.silence import speech_share

RATE = 16000


def test_a_pause_is_silent_and_the_words_around_it_are_not() -> None:
    wave = 0.1 * torch.randn(3 * RATE)
    wave[RATE : 2 * RATE] *= 1e-3
    share = speech_share(wave, torch.tensor([0.5, 1.5, 2.5]), RATE)
    assert share.tolist() == [1.0, 0.0, 1.0]


def test_the_mouth_opens_before_the_sound() -> None:
    wave = torch.cat([torch.zeros(RATE), 0.1 * torch.randn(RATE)])
    share = speech_share(wave, torch.tensor([0.8, 0.95]), RATE)
    assert share.tolist() == [0.0, 1.0]


def test_nothing_is_silent() -> None:
    assert speech_share(torch.zeros(0), torch.tensor([0.0]), RATE).tolist() == [0.0]
    assert speech_share(torch.zeros(RATE), torch.tensor([0.3]), RATE).tolist() == [0.0]
