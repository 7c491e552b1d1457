"""Sound that is off its picture: the shift is in the file, and finding it needs no luck."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import align_sound
from pdfgc.data.clips import AUDIO_RATE, ClipSet
from synthetic import write_clip_set


class Echo:
    """A model whose mouth is as open as the sound is loud."""

    size = 32

    def encode_motion(self, crops: None, meshes: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
        return {"lips": np.zeros((len(meshes), 1), np.float32)}

    def encode_speech(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        samples = np.concatenate(list(wave))
        step = int(AUDIO_RATE / fps)
        levels = np.abs(samples[: len(samples) // step * step]).reshape(-1, step).mean(1)
        yield levels[:, None].astype(np.float32)

    def portrait(self, image: np.ndarray, mesh: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return mesh

    def driving_mesh(self, portrait: np.ndarray, codes: dict[str, np.ndarray]) -> torch.Tensor:
        meshes = np.repeat(portrait[None], len(codes["lips"]), 0)
        lower = [14, 87, 317]
        meshes[:, lower, 1] += codes["lips"]
        return torch.from_numpy(meshes)


@pytest.mark.parametrize("late", [0.2, -0.12])
def test_a_shift_is_found_and_taken_back(tmp_path: Path, late: float) -> None:
    clip = next(iter(write_clip_set(tmp_path, identities=1, clips=1, frames=75)))
    before, _, _ = align_sound.find_offset(Echo(), clip)  # type: ignore[arg-type]
    assert abs(before) <= 0.041, "the made-up clip is in step, to a frame"
    shifted = align_sound.shift_sound(clip, -late)
    found, best, now = align_sound.find_offset(Echo(), shifted)  # type: ignore[arg-type]
    assert found == pytest.approx(before + late, abs=0.021)
    assert best > now
    back = align_sound.shift_sound(shifted, late)
    assert float(back.info.labels["sound_shifted_seconds"]) == pytest.approx(0)
    assert align_sound.find_offset(Echo(), back)[0] == pytest.approx(before, abs=0.021)  # type: ignore[arg-type]


def test_the_index_follows(tmp_path: Path) -> None:
    clips = write_clip_set(tmp_path, identities=1, clips=1, frames=75)
    longer = align_sound.shift_sound(next(iter(clips)), -0.5)
    assert longer.info.samples == next(iter(ClipSet.open(tmp_path))).info.samples + AUDIO_RATE // 2
