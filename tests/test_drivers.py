"""Drivers of every kind become tracks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from painted import NOBODY, FakeModel, PaintedTracker, colour, picture, write_folder
from pdfgc.drivers import BATCH, SEARCH_PAUSE, Drivers, Missing, read_motion
from pdfgc.errors import InputError
from pdfgc.motion import BLINK, FACTORS, GAZE, MotionTrack

OWN = {name: np.full(size, 0.25, np.float32) for name, size in FACTORS.items()}


@pytest.fixture(autouse=True)
def _painted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)
    monkeypatch.setattr(PaintedTracker, "searches", 0)


def yaws(track: MotionTrack) -> list[float]:
    return np.degrees(track.pose[:, 1]).round(1).tolist()


def test_a_folder_of_frames(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "turn", [colour(yaw, mouth=0.2) for yaw in range(0, 22, 2)])
    track = read_motion(folder, FakeModel())
    assert yaws(track) == list(range(0, 22, 2))
    assert track.fps == 25
    assert track.lips[:, 0] == pytest.approx(0.2, abs=0.01)
    assert track.found.all()
    assert track.metadata["model"] == FakeModel.fingerprint
    assert track.metadata["source"] == "turn"
    assert read_motion(folder, FakeModel(), fps=30).fps == 30


def test_a_picture_is_a_still(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "one", [colour(12)])
    track = read_motion(folder / "0.png", FakeModel())
    assert yaws(track) == [12]
    assert track.duration == 0


def test_a_video_keeps_its_own_times(tmp_path: Path) -> None:
    from pdfgc.media.video import VideoWriter

    path = tmp_path / "turn.mp4"
    rate = Fraction(30000, 1001)
    with VideoWriter(path, width=96, height=64, fps=rate) as writer:
        for yaw in range(30):
            writer.write(picture(colour(yaw)))
    track = read_motion(path, FakeModel())
    assert track.fps == rate
    assert yaws(track) == pytest.approx(range(30), abs=3)


def test_pictures_are_cut_for_models_that_look_at_them(tmp_path: Path) -> None:
    colours = [colour(yaw) if yaw != 2 else NOBODY for yaw in range(BATCH + 3)]
    model = FakeModel(needs_crops=True)
    track = read_motion(write_folder(tmp_path / "turn", colours), model)
    assert len(track) == BATCH + 3
    assert [crop[16, 16, 1] - 128 for crop in model.crops] == [yaw for yaw in range(BATCH + 3) if yaw != 2]
    assert model.largest_batch == BATCH


@pytest.mark.parametrize(
    ("missing", "angles"),
    [
        ("hold", [4, 4, 4, 4, 4, 10, 10]),
        ("skip", [4, 4, 4, 6, 8, 10, 10]),
    ],
)
def test_frames_without_a_face(
    tmp_path: Path, missing: Missing, angles: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    colours = [NOBODY, NOBODY, colour(4), NOBODY, NOBODY, colour(10), NOBODY]
    folder = write_folder(tmp_path / "turn", colours)
    track = read_motion(folder, FakeModel(), missing=missing)
    assert yaws(track) == pytest.approx(angles)
    assert track.fps == 25 and track.duration == Fraction(7, 25)
    assert track.found.tolist() == [n in (2, 5) for n in range(7)]
    assert "5 of 7" in caplog.text


def test_a_frame_without_a_face_can_be_an_error(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "turn", [colour(4), NOBODY, colour(10)])
    with pytest.raises(InputError, match=r"no face at 0\.04 s"):
        read_motion(folder, FakeModel(), missing="fail")
    with pytest.raises(InputError, match="missing must be one of"):
        read_motion(folder, FakeModel(), missing="guess")  # type: ignore[arg-type]


def test_no_face_at_all(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "empty", [NOBODY] * (SEARCH_PAUSE + 5))
    with pytest.raises(InputError, match=r"no face was found in .*empty, in none of its 30 frames"):
        read_motion(folder, FakeModel())
    assert PaintedTracker.searches == 2  # the long search is not repeated for every frame


def test_reading_stops_when_there_is_enough(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "turn", [colour(yaw) for yaw in range(20)])
    track = read_motion(folder, FakeModel(), until=Fraction(1, 10))
    assert len(track) == 4  # frame 3 is shown at 0.12 s
    assert track.duration >= Fraction(1, 10)


def test_the_same_face_is_followed_when_another_comes_first(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "two", [colour(5)])
    images = [
        picture(colour(-5), NOBODY, width=48),
        picture(colour(-6), colour(30), width=48),
        picture(NOBODY, colour(31), width=48),
    ]
    from PIL import Image

    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    assert yaws(read_motion(folder, FakeModel())) == [-5, -6, 31]


def test_words() -> None:
    drivers = Drivers(FakeModel(), OWN)
    hold, zero = drivers.resolve("pose", "hold"), drivers.resolve("pose", "zero")
    assert (hold.track.pose == 0.25).all()
    assert not zero.track.pose.any()
    assert not hold.moves
    assert not zero.moves
    with pytest.raises(InputError, match="cannot drive the lips"):
        drivers.resolve("lips", "idle")
    with pytest.raises(InputError, match=r"there is no file hodl to drive the pose: .*hold, zero, idle"):
        drivers.resolve("pose", "hodl")


def test_idle_moves_about_the_portrait_s_own_codes() -> None:
    part = Drivers(FakeModel(), OWN).resolve("eyes", "idle")
    assert part.moves
    assert not part.sets_length
    eyes, pose = part.track.eyes, part.track.pose
    assert eyes[0] == pytest.approx(0.25) and pose[0] == pytest.approx(0.25)
    shut = eyes[:, BLINK[0]] > 0.8
    blinks = np.flatnonzero(np.diff(shut.astype(int)) == 1)
    assert 10 <= len(blinks) <= 24, "as often as people at rest blink in a minute"
    assert (eyes[:, GAZE] == 0.25).all()
    assert 0.01 < np.abs(pose[:, 1] - 0.25).max() < 0.1
    assert np.abs(pose[-1] - pose[0]).max() < 0.01, "the last frame leads back to the first"


def test_a_file_is_read_once_for_all_its_factors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "turn", [colour(yaw) for yaw in range(5)])
    monkeypatch.setattr(PaintedTracker, "looks", 0)
    drivers = Drivers(FakeModel(), OWN)
    assert drivers.resolve("pose", folder).track is drivers.resolve("eyes", str(folder)).track
    assert PaintedTracker.looks == 5


def test_saved_tracks_are_drivers_and_smoothed_once(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    raw = MotionTrack.from_codes({"pose": random.normal(size=(30, 6))}, metadata={"model": "f" * 16})
    raw.save(tmp_path / "raw.safetensors")
    raw.smooth().save(tmp_path / "smooth.safetensors")
    drivers = Drivers(FakeModel(), OWN)
    smoothed = drivers.resolve("pose", tmp_path / "raw.safetensors").track
    assert np.std(smoothed.pose) < np.std(raw.pose)
    again = drivers.resolve("pose", tmp_path / "smooth.safetensors").track
    assert np.array_equal(again.pose, smoothed.pose)
    rough = Drivers(FakeModel(), OWN, smooth=0).resolve("pose", raw).track
    assert np.array_equal(rough.pose, raw.pose)
    with pytest.raises(InputError, match="smoothing"):
        Drivers(FakeModel(), OWN, smooth=-1)


def test_another_model_s_track_is_refused() -> None:
    track = MotionTrack.from_codes({"pose": np.zeros((3, 6))}, metadata={"model": "0123456789abcdef"})
    with pytest.raises(InputError, match="codes of the model 0123456789ab"):
        Drivers(FakeModel(), OWN).resolve("pose", track)
