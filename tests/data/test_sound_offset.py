"""Sound that is off its picture: finding it needs no luck, and foreign sound is not believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from pdfgc.data.clips import AUDIO_RATE, Clip
from pdfgc.data.sound_offset import (
    FARTHEST,
    RATE,
    REACH,
    SoundOffset,
    clear_fit,
    correlations,
    estimate_offset,
    heard_opening,
    listener,
    offset_of_video,
)
from pdfgc.errors import InputError
from pdfgc.media.audio import read_audio
from synthetic import talking_meshes, write_clip_set, write_face_video

SPEECH = Path(__file__).parents[2] / "demo" / "speech.flac"


class Echo:
    """A model whose mouth is as open as the sound is loud."""

    size = 32
    preset = "echo"

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
        meshes[:, [14, 87, 317], 1] += codes["lips"]
        return torch.from_numpy(meshes)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return next(iter(write_clip_set(tmp_path_factory.mktemp("set"), identities=1, clips=1, frames=100)))


def offset_when(clip: Clip, late: float) -> SoundOffset:
    samples = round(late * AUDIO_RATE)
    wave = clip.audio()
    moved = np.concatenate([np.zeros(max(samples, 0), np.float32), wave[max(-samples, 0) :]])
    return estimate_offset(Echo(), moved, clip.mesh(), clip.blendshapes(), clip.times())  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [0.2, -0.12])
def test_a_shift_is_found(clip: Clip, late: float) -> None:
    before, found = offset_when(clip, 0.0), offset_when(clip, late)
    assert abs(before.seconds) <= 0.041, "the made-up clip is in step, to a frame"
    assert before.verdict == "in step" and before.correction == 0
    assert found.seconds == pytest.approx(before.seconds + late, abs=0.021)
    assert found.fit > found.unshifted
    assert found.verdict == "shifted"
    assert found.correction == Fraction(round(found.seconds * 50), 50)


def test_foreign_sound_is_not_believed(clip: Clip) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 4 * AUDIO_RATE).astype(np.float32)
    offset = estimate_offset(Echo(), noise, clip.mesh(), clip.blendshapes(), clip.times())  # type: ignore[arg-type]
    assert offset.verdict == "unsure" and offset.correction == 0
    still = np.repeat(clip.mesh()[:1], len(clip), 0)
    offset = estimate_offset(Echo(), clip.audio(), still, clip.blendshapes(), clip.times())  # type: ignore[arg-type]
    assert (offset.fit, offset.verdict) == (0.0, "unsure")


def test_the_model_of_the_package_hears_when_a_mouth_should_open() -> None:
    """A mouth that follows the model's own hearing is in step with the sound, and out of it when that is moved."""
    wave = read_audio(SPEECH)[: 4 * AUDIO_RATE]
    meshes, _ = talking_meshes(50, np.random.default_rng(0))
    heard = heard_opening(listener("small"), wave, meshes[0], np.zeros(52, np.float32))
    assert len(heard) == 4 * RATE
    times = 1 + np.arange(50) / 25
    talking = np.repeat(meshes[:1], 50, 0)
    at = np.interp(times + 0.1, np.arange(len(heard)) / float(RATE), heard)
    talking[:, [14, 87, 317], 1] += (0.02 * at / heard.std())[:, None]
    offset = estimate_offset(listener("small"), wave, talking, np.zeros((50, 52), np.float32), times)
    assert offset.seconds == pytest.approx(0.1, abs=0.021)
    assert offset.verdict == "shifted" and offset.fit - offset.unshifted > 0.5


def test_correlations_by_hand() -> None:
    heard = np.zeros(201)
    heard[100:110] = 1.0  # a mouth that opens from second 2.0 to 2.2 of the sound
    times = np.arange(0.4, 3.6, 0.04)
    seen = ((times >= 1.9) & (times < 2.1)).astype(float)
    fits = correlations(seen, times, heard)
    assert len(fits) == 2 * FARTHEST + 1
    assert np.argmax(fits) - FARTHEST == pytest.approx(0.1 * RATE, abs=1)
    assert max(fits) > 0.9
    assert correlations(np.zeros_like(times), times, heard) == [0.0] * len(fits)


def test_verdicts_by_hand() -> None:
    assert clear_fit(16.0) == 0.3 and clear_fit(4.0) == pytest.approx(0.55) and clear_fit(0.0) == 0.9
    assert SoundOffset(0.04, 0.62, 0.60, 4.0).verdict == "in step"
    assert SoundOffset(0.04, 0.56, 0.50, 4.0).verdict == "in step", "as good as where it is clear"
    assert SoundOffset(0.20, 0.62, 0.30, 4.0).verdict == "shifted"
    assert SoundOffset(0.20, 0.50, 0.30, 4.0).verdict == "unsure", "too little for four seconds"
    assert SoundOffset(0.20, 0.50, 0.30, 16.0).verdict == "shifted", "enough for sixteen"
    assert SoundOffset(float(REACH), 0.9, 0.1, 16.0).verdict == "unsure", "the best may lie beyond"


def test_bad_input_is_said(tmp_path: Path, clip: Clip) -> None:
    class Deaf:
        preset = "paper"

    with pytest.raises(InputError, match="a model with a face mesh"):
        heard_opening(Deaf(), clip.audio(), clip.mesh()[0], clip.blendshapes()[0])  # type: ignore[arg-type]
    write_face_video(tmp_path / "wall.mp4", frames=4, face=False)
    with pytest.raises(InputError, match="expected a face in"):
        offset_of_video(Echo(), tmp_path / "wall.mp4")  # type: ignore[arg-type]


def test_the_offset_of_a_video(tmp_path: Path) -> None:
    write_face_video(tmp_path / "face.mp4", frames=12)
    offset = offset_of_video(Echo(), tmp_path / "face.mp4")  # type: ignore[arg-type]
    assert offset.duration == pytest.approx(11 / 25)
    assert offset.verdict == "unsure", "half a second of a mouth that does not speak"
