"""Hearing by Whisper: chunks of a stream, level, times."""

from __future__ import annotations

import pytest
import torch

from pdfgc.networks.hearing import CHUNK_SECONDS, SAMPLE_RATE, hear, speech_chunks
from pdfgc.networks.speech import SpeechHead, WhisperTrunk, normalise_level


@pytest.mark.parametrize("block", [1000, 16000, 10**9])
def test_chunks_do_not_depend_on_the_blocks(block: int) -> None:
    wave = torch.randn(int(SAMPLE_RATE * (2.4 * CHUNK_SECONDS)))
    chunks = list(speech_chunks(wave.split(block), 320))
    assert [chunk[2] for chunk in chunks] == [0, 50 * CHUNK_SECONDS, 100 * CHUNK_SECONDS]
    assert chunks[-1][3] == -(-len(wave) // 320)
    for samples, first, begin, end in chunks:
        assert torch.equal(samples[: 320 * 10], wave[first * 320 : first * 320 + 320 * 10])
        assert first <= begin < end
        assert len(samples) >= (end - first) * 320


def test_no_sound_gives_no_chunks() -> None:
    assert list(speech_chunks([], 320)) == []


def test_features_of_a_long_sound_join() -> None:
    torch.manual_seed(0)
    trunk = WhisperTrunk().eval()
    wave = torch.randn(SAMPLE_RATE * 2)
    ((samples, features, first, begin, end),) = list(hear([wave], trunk))
    assert (first, begin, end) == (0, 0, 100)
    assert features.shape == (100, 384)
    assert len(samples) == len(wave)


def test_level_does_not_matter() -> None:
    wave = 0.2 * torch.randn(SAMPLE_RATE)
    assert torch.allclose(normalise_level(wave * 0.3), normalise_level(wave), atol=1e-5)
    silence = torch.zeros(SAMPLE_RATE)
    assert torch.equal(normalise_level(silence), silence)


def test_head_answers_at_the_times_asked() -> None:
    torch.manual_seed(0)
    head = SpeechHead(hidden=16, feature=16, code=20).eval()
    features = torch.randn(1, 100, 384)
    codes = head(features, torch.tensor([[0.5, 0.51, 0.52, 99.0]]))
    assert codes.shape == (1, 4, 20)
    contrast = head.contrast(features, torch.tensor([[0.5, 0.52]]))
    assert not torch.allclose(contrast[:, 0], contrast[:, 1])
