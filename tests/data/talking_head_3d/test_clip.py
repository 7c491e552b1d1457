import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from pdfgc.data.clips import ClipSet
from pdfgc.data.talking_head_3d import Head, Truth, make_clip, make_clips
from pdfgc.data.talking_head_3d.clip import MEASURES
from pdfgc.data.talking_head_3d.performance import Performance
from pdfgc.data.talking_head_3d.speech import LIP_ACTIONS, invent
from pdfgc.errors import InputError
from pdfgc.media.audio import read_audio
from pdfgc.media.video import probe, read_frames
from synthetic import prepared_bytes

DEMO = Path(__file__).parents[3] / "demo"


def pdfgc(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pdfgc.cli", *words], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def head() -> Head:
    return Head.random(np.random.default_rng(4), size=64)


def test_a_clip_has_pictures_sound_and_a_truth_for_every_frame(head: Head, tmp_path: Path) -> None:
    truth = make_clip(tmp_path / "a.mp4", head=head, seed=1, seconds=0.6)
    frames = list(read_frames(tmp_path / "a.mp4"))
    assert len(frames) == len(truth.times) == 15
    assert frames[0].image.shape == (64, 64, 3)
    assert [float(frame.time) for frame in frames] == pytest.approx(truth.times.tolist())
    assert probe(tmp_path / "a.mp4").has_audio
    loaded = Truth.load(tmp_path / "a.truth.safetensors")
    for name, value in vars(truth).items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    assert truth.mesh.shape == (15, 478, 3)
    assert truth.lips.shape == (15, len(LIP_ACTIONS))
    with safe_open(tmp_path / "a.truth.safetensors", "np") as file:
        assert tuple(json.loads(file.metadata()["measures"])) == MEASURES
        assert json.loads(file.metadata()["phones"])[0] == [0.0, "silence"]


def test_the_measures_of_the_truth_follow_what_is_done(head: Head) -> None:
    random, times = np.random.default_rng(3), np.arange(100) / 25
    truth = Truth.of(head, Performance.random(times, invent(4.0, random).lips(times), random))
    measure = dict(zip(MEASURES, truth.measures.T, strict=True))
    assert np.corrcoef(measure["mouth"], truth.lips[:, 0])[0, 1] > 0.8
    assert np.corrcoef(measure["eye_left"], truth.blink[:, 0])[0, 1] < -0.8
    assert np.corrcoef(measure["gaze_x"], truth.gaze[:, 0])[0, 1] > 0.95
    assert np.corrcoef(measure["gaze_y"], truth.gaze[:, 1])[0, 1] > 0.8


def test_lips_follow_a_given_sound(head: Head, tmp_path: Path) -> None:
    truth = make_clip(tmp_path / "a.mp4", head=head, seed=1, seconds=2.0, speech=DEMO / "speech.flac")
    sound, heard = read_audio(DEMO / "speech.flac")[:32000], read_audio(tmp_path / "a.mp4")
    assert np.corrcoef(sound[:30000], heard[:30000])[0, 1] > 0.9
    loud = np.abs(sound[: 49 * 640].reshape(49, 640)).mean(1)
    assert np.corrcoef(truth.lips[:49, 0], loud)[0, 1] > 0.5


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0.0}, {"clips": 0}, {"size": 8}, {"speech": (Path("none.wav"),)}]
)
def test_what_cannot_be_made_is_one_sentence(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        make_clips(tmp_path / "heads", **({"clips": 1, "size": 64} | wrong))
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_broken_truth_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.truth.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="expected the truth of a rendered clip"):
        Truth.load(tmp_path / "a.truth.safetensors")


def test_made_heads_can_be_prepared_and_are_kept(tmp_path: Path) -> None:
    make = (
        "heads",
        "-o",
        str(tmp_path / "heads"),
        "--clips",
        "2",
        "--people",
        "1",
        "--seconds",
        "1.2",
        "--size",
        "128",
    )
    done = pdfgc(*make)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'heads'}: 2 videos\n"), done.stderr
    videos = sorted((tmp_path / "heads").rglob("*.mp4"))
    assert len({video.parent for video in videos}) == 1
    before = [video.stat().st_mtime_ns for video in videos]
    make_clips(tmp_path / "heads", clips=2, people=1, seconds=1.2, size=128)
    assert [video.stat().st_mtime_ns for video in videos] == before
    prepared = pdfgc("prepare", str(tmp_path / "heads"), "-o", str(tmp_path / "shards"))
    assert prepared.returncode == 0, prepared.stderr
    clips = ClipSet.open(tmp_path / "shards")
    assert list(clips.by_identity) == ["head_0_0000"]
    assert sum(len(group) for group in clips.by_identity.values()) == 2, prepared.stdout
    again = pdfgc("prepare", str(tmp_path / "heads"), "-o", str(tmp_path / "again"), "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert prepared_bytes(tmp_path / "again") == prepared_bytes(tmp_path / "shards"), (
        "all filters on, two workers"
    )
