"""What a performance would be, from headers alone."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.clips import write_video
from painted import NOBODY as WALL
from painted import FakeModel, PaintedTracker, colour, picture, write_folder
from pdfgc.avatar import Avatar
from pdfgc.drivers import Missing
from pdfgc.errors import InputError
from pdfgc.media.video import VideoWriter
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.planning import outline, plan, require_readable

NOBODY: dict[str, str | None] = dict.fromkeys(("lips", "expression", "eyes", "gaze", "blink", "pose"))
SPEECH = Path(__file__).parents[1] / "demo" / "speech.flac"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames at 24 a second in which there is no face."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, width=32, height=32, fps=Fraction(24)) as writer:
        for _ in range(12):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    return path


def test_a_video_sets_the_length_and_needs_no_face(clip: Path) -> None:
    planned = plan({**NOBODY, "pose": str(clip)})
    assert planned.frames == 13 and planned.fps == 25  # half a second, the last frame begun
    assert plan({**NOBODY, "pose": str(clip)}, fps="12").frames == 6
    assert plan({**NOBODY, "pose": str(clip)}, duration=2).frames == 50


def test_a_track_brings_its_rate_along(tmp_path: Path) -> None:
    path = tmp_path / "saved.safetensors"
    codes = {name: np.zeros((30, size), np.float32) for name, size in FACTORS.items()}
    MotionTrack.from_codes(codes, fps=30, metadata={"model": "abc"}).save(path)
    planned = plan(NOBODY, track=str(path))
    assert planned.frames == 30 and planned.fps == 30
    assert {track.metadata["model"] for track in planned.tracks} == {"abc"}


@pytest.mark.parametrize(
    ("fps", "frames", "milliseconds", "blank"),
    [
        ("25", 10, False, ()),
        ("36/5", 12, False, ()),
        ("15000/1001", 8, False, ()),
        ("30000/1001", 31, True, ()),
        ("30", 15, True, ()),
        ("25", 20, False, (7, 8, 9, 10, 11, 19)),
    ],
)
@pytest.mark.parametrize("missing", ["hold", "skip"])
def test_what_is_planned_is_what_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fps: str,
    frames: int,
    milliseconds: bool,
    blank: tuple[int, ...],
    missing: Missing,
) -> None:
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)
    rate = Fraction(fps)
    pictures = [picture(WALL if n in blank else colour(yaw=n % 7)) for n in range(frames)]
    clip = tmp_path / ("clip.mkv" if milliseconds else "clip.mp4")
    stamps = [round(1000 * n / rate) for n in range(frames)] if milliseconds else None
    write_video(clip, pictures, fps=rate, stamps=stamps, time_base=Fraction(1, 1000) if stamps else None)
    planned = plan(NOBODY, track=str(clip))
    made = Avatar(FakeModel(), picture(colour(yaw=3))).animate(track=clip, missing=missing)
    assert (planned.fps, planned.frames) == (made.fps, len(made)) == (rate, frames)


UNEVEN = {
    "gaps": [40 * n for n in range(40) if n % 4 or n < 10],
    "half": [*range(0, 400, 40), *range(400, 800, 80)],
    "varied": [0, 33, 70, 101, 139, 170, 207, 239, 275, 307, 344, 376],
}
"""Milliseconds."""


@pytest.mark.parametrize("stamps", UNEVEN.values(), ids=UNEVEN.keys())
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_clip_of_uneven_rate_is_made_as_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamps: list[int], suffix: str
) -> None:
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)
    pictures = [picture(colour(yaw=n % 7)) for n in range(len(stamps))]
    clip = write_video(tmp_path / f"clip{suffix}", pictures, stamps=stamps, time_base=Fraction(1, 1000))
    planned = plan(NOBODY, track=str(clip))
    made = Avatar(FakeModel(), picture(colour(yaw=3))).animate(track=clip)
    assert (planned.fps, planned.frames) == (made.fps, len(made))


def test_of_a_long_clip_of_uneven_rate_the_beginning_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdfgc.planning._STAMPS", 15)
    stamps = UNEVEN["gaps"]
    pictures = [picture(colour())] * len(stamps)
    clip = write_video(tmp_path / "clip.mp4", pictures, stamps=stamps, time_base=Fraction(1, 1000))
    planned = plan(NOBODY, track=str(clip))
    assert planned.fps == 25 and planned.frames == 40


def test_a_folder_is_made_at_its_own_rate_as_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)
    folder = write_folder(tmp_path / "frames", [colour(yaw=n % 7) for n in range(36)])
    planned = plan(NOBODY, track=str(folder), folder_fps="24.8")
    made = Avatar(FakeModel(), picture(colour(yaw=3))).animate(track=folder, folder_fps="24.8")
    assert (planned.fps, planned.frames) == (made.fps, len(made)) == (Fraction("24.8"), 36)


def test_a_track_that_moves_sets_the_length(clip: Path) -> None:
    codes = {name: np.zeros((5, size), np.float32) for name, size in FACTORS.items()}
    track = MotionTrack.from_codes(codes, fps=25)
    assert plan({**NOBODY, "gaze": str(clip)}, track=track).frames == 5
    still = MotionTrack.still({name: rows[0] for name, rows in codes.items()})
    assert plan({**NOBODY, "gaze": str(clip)}, track=still).frames == 13
    assert plan({**NOBODY, "gaze": str(clip)}, track=track, duration=1).frames == 25


def test_folders_have_the_rate_they_are_given(tmp_path: Path) -> None:
    for number in range(10):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    assert plan({**NOBODY, "eyes": str(tmp_path)}, folder_fps="10").frames == 25


def test_speech_sets_the_length(clip: Path) -> None:
    spoken = plan({**NOBODY, "pose": str(clip)}, audio=SPEECH)
    assert spoken.frames > 25
    assert plan(NOBODY, audio=SPEECH).frames == spoken.frames


@pytest.mark.parametrize("driver", ["hold", "zero"])
def test_what_stands_still_has_no_length(driver: str) -> None:
    still = outline(driver, folder_fps=Fraction(25))
    assert not still.moves and still.duration == 0
    with pytest.raises(InputError, match="nothing moves"):
        plan({**NOBODY, "pose": driver})


def test_a_picture_stands_still(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "face.png")
    assert not outline(tmp_path / "face.png", folder_fps=Fraction(25)).moves


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.touch(mode=0o000)
    with pytest.raises(InputError, match="may not be read"):
        require_readable(secret)


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    with pytest.raises(InputError, match="notes"):
        plan({**NOBODY, "pose": str(text)})


def test_what_moves_each_factor_is_told(clip: Path, tmp_path: Path) -> None:
    face = tmp_path / "face.png"
    Image.new("RGB", (8, 8)).save(face)
    drivers = {**NOBODY, "expression": str(face), "eyes": "idle", "gaze": str(clip), "pose": "zero"}
    assert plan(drivers, audio=SPEECH).movers == {
        "lips": f"the speech in {SPEECH}",
        "expression": f"{face}, a still",
        "gaze": f"{clip}, 0.50 s",
        "blink": "idle, gentle blinks and sway",
        "pose": "zero, the neutral position",
    }
    parts = plan({**NOBODY, "gaze": str(clip), "blink": "hold"}).movers
    assert "eyes" not in parts and parts["blink"] == "hold, as the portrait shows it"
    assert list(plan({**NOBODY, "eyes": str(clip)}).movers) == ["lips", "expression", "eyes", "pose"]
