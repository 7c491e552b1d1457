"""What a hearing hears in clips, cached."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from pdfgc.data.clips import AUDIO_RATE, Clip, open_clip
from pdfgc.data.speech_features import SpeechFeatures, features_of
from pdfgc.networks.hearing import Hearing
from synthetic import write_talking_clip


class Loudness(Hearing):
    """Hears the mean of every 20 ms, and counts how often it listens."""

    rate: ClassVar[int] = 50
    width: ClassVar[int] = 2
    cached_as: ClassVar[str] = "loudness"
    calls = 0

    def set_level(self, wave: Tensor) -> Tensor:
        return wave

    def forward(self, wave: Tensor) -> Tensor:
        type(self).calls += 1
        step = AUDIO_RATE // self.rate
        wave = torch.nn.functional.pad(wave, (0, -wave.shape[1] % step))
        return wave.view(len(wave), -1, step).mean(2)[..., None].expand(-1, -1, self.width)


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Clip, ...]:
    """Two clips of the same file name in two folders, as VoxCeleb2's are."""
    made = []
    for seed, video in enumerate(("one", "two")):
        path = tmp_path / "clips" / video / "00001.safetensors"
        write_talking_clip(path, identity="anna", seed=seed, frames=50, size=16)
        clip = open_clip(path)
        made.append(Clip(path, type(clip.info)(**{**vars(clip.info), "source": f"{video}/00001"})))
    return tuple(made)


def test_windows_are_where_they_should_be(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    features = SpeechFeatures(clips, Loudness(), tmp_path / "cache")
    clip = clips[0]
    means = clip.audio().reshape(-1, AUDIO_RATE // 50).mean(1)
    window, start = features.window(clip, 0.5, 0.4)
    assert start == 0.5 and window.shape == (20, 2)
    assert window[:, 0].numpy() == pytest.approx(means[25:45], abs=1e-4)
    before, start = features.window(clip, -0.2, 0.4)
    assert start == -0.2 and not before[:10].any()
    assert before[10:, 0].numpy() == pytest.approx(means[:10], abs=1e-4)
    after, _ = features.window(clip, 5.0, 0.4)
    assert torch.equal(after, features.nothing(0.4)) and after.shape == (20, 2)


def test_every_clip_has_its_own_file_and_is_heard_once(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = SpeechFeatures(clips, Loudness(), cache)
    files = sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*.safetensors"))
    assert [re.sub(r"[0-9a-f]{12}", "DIGEST", file) for file in files] == [
        "one/00001.DIGEST.loudness.safetensors",
        "two/00001.DIGEST.loudness.safetensors",
    ]
    heard = Loudness.calls
    again = SpeechFeatures(clips, Loudness(), cache)
    assert Loudness.calls == heard
    one, two = (again.window(clip, 0.0, 1.0)[0] for clip in clips)
    assert not torch.equal(one, two)
    assert torch.equal(one, first.window(clips[0], 0.0, 1.0)[0])


def test_a_clip_without_sound_is_left_out(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    silent = Clip(clips[0].path, type(clips[0].info)(**{**vars(clips[0].info), "samples": 0}))
    features = SpeechFeatures((silent, clips[1]), Loudness(), tmp_path / "cache")
    assert silent not in SpeechFeatures((silent,), Loudness(), tmp_path / "other")
    assert clips[1] in features


def test_long_sound_is_heard_in_chunks_without_seams() -> None:
    wave = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 40 * AUDIO_RATE).astype(np.float32))
    heard = features_of(wave, Loudness())
    whole = wave.view(-1, AUDIO_RATE // 50).mean(1)
    assert len(heard) >= len(whole)
    assert heard[: len(whole), 0].numpy() == pytest.approx(whole.numpy(), abs=1e-5)


def test_a_clip_prepared_anew_is_heard_anew(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    cache, first = tmp_path / "cache", clips[0]
    before, _ = SpeechFeatures(clips, Loudness(), cache).window(first, 0.0, 1.0)
    write_talking_clip(first.path, identity="anna", seed=7, frames=50, size=16)
    after, _ = SpeechFeatures(clips, Loudness(), cache).window(first, 0.0, 1.0)
    assert not torch.equal(before, after)
