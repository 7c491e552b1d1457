"""From a portrait and drivers to frames and files."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from painted import NOBODY, FakeModel, PaintedTracker, colour, picture, read_frame, write_folder
from pdfgc.avatar import Avatar
from pdfgc.errors import InputError
from pdfgc.face.crop import CropBox
from pdfgc.media.audio import read_audio
from pdfgc.media.video import VideoWriter, probe, read_frames
from pdfgc.motion import BLINK, GAZE, MotionTrack
from pdfgc.performance import BATCH, head_view


@pytest.fixture(autouse=True)
def _painted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)


@pytest.fixture
def avatar() -> Avatar:
    return Avatar(FakeModel(), picture(colour(yaw=3, mouth=0.4, blink=0.1)))


@pytest.fixture
def turn(tmp_path: Path) -> Path:
    """Ten frames that turn from 0 to 18 degrees, mouth 0.6, lids 0.5."""
    return write_folder(tmp_path / "turn", [colour(2 * n, mouth=0.6, blink=0.5) for n in range(10)])


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """A sound of 1.01 s, silent but for its second quarter second, as loud as 0.8."""
    path = tmp_path / "tone.wav"
    time = np.arange(16160) / 16000
    wave = 0.8 * np.sign(np.sin(2 * np.pi * 200 * time + 0.1)) * ((time >= 0.24) & (time < 0.48))
    write_wav(path, wave)
    return path


def write_wav(path: Path, samples: np.ndarray) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame.image for frame in read_frames(path)]


def test_the_portrait_s_own_codes(avatar: Avatar) -> None:
    assert avatar.codes["lips"][0] == pytest.approx(0.4, abs=0.01)
    assert np.degrees(avatar.codes["pose"][1]) == pytest.approx(3, abs=0.1)
    assert avatar.picture.shape == (64, 96, 3)


def test_audio_moves_the_lips_and_sets_the_length(avatar: Avatar, tone: Path, turn: Path) -> None:
    show = avatar.animate(audio=tone, pose=turn, smooth=0)
    assert len(show) == 26  # 1.01 s, the last frame partly silence
    assert show.fps == 25
    lips = show.track.lips[:, 0]
    assert lips[6:12] == pytest.approx(0.8, abs=0.01)
    assert not lips[:6].any()
    assert not lips[12:].any()
    yaw = np.degrees(show.track.pose[:, 1]).round().tolist()
    assert yaw[:22] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0, 2, 4, 6]
    assert show.track.eyes[:, BLINK] == pytest.approx(0.1, abs=0.01)  # held from the portrait
    assert show.track.expression[:, 0] == pytest.approx(0.4, abs=0.01)


def test_a_relative_pose_begins_where_the_portrait_is(avatar: Avatar, tmp_path: Path) -> None:
    nod = write_folder(tmp_path / "nod", [colour(10 + 2 * n, mouth=0.6, blink=0.5) for n in range(4)])
    show = avatar.animate(pose=nod, lips=nod, smooth=0, relative_pose=True)
    assert np.degrees(show.track.pose[:, 1]).round().tolist() == [3, 5, 7, 9]
    assert show.track.lips[:, 0] == pytest.approx(0.6, abs=0.01)  # what else the clip drives stays as it is


@pytest.mark.parametrize("word", ["hold", "zero", "idle"])
def test_words_stay_what_they_are_under_a_relative_pose(avatar: Avatar, turn: Path, word: str) -> None:
    absolute, relative = (
        avatar.animate(lips=turn, pose=word, relative_pose=flag).track.pose for flag in (False, True)
    )
    np.testing.assert_array_equal(absolute, relative)


def test_drivers_are_let_go_before_speech_is_encoded(
    avatar: Avatar, tone: Path, turn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, alive = FakeModel(), []
    smooth, encode = model.smooth, model.encode_speech

    def watch(track: MotionTrack, strength: float) -> MotionTrack:
        smoothed = smooth(track, strength)
        alive.append(weakref.ref(smoothed))
        return smoothed

    def look(wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        assert [track() for track in alive] == [None]
        return encode(wave, fps)

    monkeypatch.setattr(model, "smooth", watch)
    monkeypatch.setattr(model, "encode_speech", look)
    monkeypatch.setattr(avatar, "model", model)
    assert len(avatar.animate(audio=tone, pose=turn)) == 26


def test_frames_are_rendered_in_small_batches(avatar: Avatar, tone: Path) -> None:
    frames = list(avatar.animate(audio=tone))
    assert len(frames) == 26
    assert frames[0].shape == (32, 32, 3)
    assert frames[0].dtype == np.uint8
    lips, yaw = read_frame(frames[8])
    assert lips == pytest.approx(0.8, abs=0.01)
    assert yaw == pytest.approx(3, abs=0.6)
    assert isinstance(avatar.model, FakeModel)
    assert avatar.model.largest_batch == BATCH


def test_without_audio_the_longest_driver_sets_the_length(avatar: Avatar, turn: Path, tmp_path: Path) -> None:
    longer = write_folder(tmp_path / "longer", [colour(n) for n in range(15)])
    show = avatar.animate(pose=turn, expression=longer)
    assert len(show) == 15
    assert show.track.lips[:, 0] == pytest.approx(0.4, abs=0.01)
    assert len(avatar.animate(pose=turn, fps=50)) == 20
    assert len(avatar.animate(pose=turn, fps="30000/1001")) == 12
    assert len(avatar.animate(pose=turn, folder_fps=10)) == 25
    assert len(avatar.animate(pose=turn, duration=2)) == 50


def test_a_track_that_moves_sets_the_length(avatar: Avatar, turn: Path, tone: Path, tmp_path: Path) -> None:
    longer = write_folder(tmp_path / "longer", [colour(n) for n in range(15)])
    first = avatar.animate(pose=turn).track
    again = avatar.animate(track=first, gaze=longer)
    assert len(again) == 10
    assert np.array_equal(again.track.pose, first.pose)
    assert len(avatar.animate(track=first, gaze=longer, audio=tone)) == 26
    assert len(avatar.animate(track=first, gaze=longer, duration=0.2)) == 5
    assert len(avatar.animate(track=turn / "3.png", gaze=longer)) == 15  # a still has no length to set


def test_lips_from_a_video_or_held_under_audio(avatar: Avatar, tone: Path, turn: Path) -> None:
    assert avatar.animate(audio=tone, lips=turn).track.lips[:, 0] == pytest.approx(0.6, abs=0.01)
    assert avatar.animate(audio=tone, lips="hold").track.lips[:, 0] == pytest.approx(0.4, abs=0.01)
    assert not avatar.animate(audio=tone, lips="zero").track.lips.any()


def test_gaze_and_blink_apart(avatar: Avatar, turn: Path) -> None:
    gaze = avatar.animate(gaze=turn).track.eyes
    assert np.ptp(gaze[:, GAZE]) > 0.2
    assert gaze[:, BLINK] == pytest.approx(0.1, abs=0.01)
    blink = avatar.animate(blink=turn, eyes="zero").track.eyes
    assert not blink[:, GAZE].any()
    assert blink[:, BLINK] == pytest.approx(0.5, abs=0.01)


def test_nothing_that_moves_is_said(avatar: Avatar, turn: Path) -> None:
    with pytest.raises(InputError, match="nothing moves"):
        avatar.animate()
    with pytest.raises(InputError, match="nothing moves"):
        avatar.animate(pose=turn / "3.png", eyes="zero", lips="hold")
    with pytest.raises(InputError, match=r"3\.png has only one frame, and a still needs a duration"):
        avatar.animate(pose=turn / "3.png")
    still = avatar.animate(pose=turn / "3.png", duration=0.2)
    assert np.degrees(still.track.pose[:, 1]) == pytest.approx([6] * 5, abs=0.1)


def test_a_duration_cuts_or_outlasts_the_audio(avatar: Avatar, tone: Path, tmp_path: Path) -> None:
    show = avatar.animate(audio=tone, duration=2)
    assert len(show) == 50
    assert not show.track.lips[12:].any()
    assert len(avatar.animate(audio=tone, duration=0.4)) == 10
    write_wav(tmp_path / "empty.wav", np.zeros(0))
    with pytest.raises(InputError, match="empty"):
        avatar.animate(audio=tmp_path / "empty.wav")
    with pytest.raises(InputError, match="no sound"):
        avatar.animate(audio=save_silent(tmp_path / "silent.mp4"), duration=1, lips="hold")


def test_a_shorter_result_is_the_beginning_of_a_longer_one(avatar: Avatar, tmp_path: Path) -> None:
    class Levelling(FakeModel):
        """Hears as the models do: chunks of two seconds, brought to the level of their loudest sample."""

        def encode_speech(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
            samples = np.concatenate(list(wave))
            for start in range(0, len(samples), 32000):
                chunk = samples[start : start + 32000]
                yield from super().encode_speech([chunk / max(np.abs(chunk).max(), 1e-3)], fps)

    avatar.model = Levelling()
    write_wav(
        tmp_path / "swell.wav", np.linspace(0, 0.9, 16160) * np.sign(np.sin(np.arange(16160) / 9 + 0.1))
    )
    whole, short, long = (
        avatar.animate(audio=tmp_path / "swell.wav", duration=seconds).track.lips
        for seconds in (None, 0.4, 2)
    )
    assert (len(whole), len(short), len(long)) == (26, 10, 50)
    np.testing.assert_array_equal(short, whole[:10])
    np.testing.assert_array_equal(long[:26], whole)
    assert (np.diff(long[25:30, 0]) <= 0).all() and not long[29:].any()  # the mouth shuts, not at once


def save_silent(path: Path) -> Path:
    with VideoWriter(path, width=32, height=32, fps=Fraction(25)) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pose": "missing.mp4"}, "there is no file missing.mp4 to drive the pose"),
        ({"track": "missing.mp4"}, "there is no file missing.mp4 to be the track"),
        ({"audio": "missing.wav"}, "missing.wav"),
        ({"lips": "audio"}, "no audio is given"),
        ({"loop": "bounce"}, "loop"),
        ({"fps": 0}, "frame rate"),
        ({"size": 4}, "size"),
        ({"duration": -1}, "duration"),
        ({"smooth": -1}, "smoothing"),
    ],
)
def test_options_that_cannot_be_used(avatar: Avatar, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        avatar.animate(**options)  # type: ignore[arg-type]


def test_save_leaves_a_video_with_sound_and_the_track(
    avatar: Avatar, tone: Path, turn: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    show = avatar.animate(audio=tone, pose=turn, size=64)
    assert show.save(out) == out
    info = probe(out)
    assert (info.width, info.height, info.has_audio) == (64, 64, True)
    assert info.fps == 25
    frames = frames_of(out)
    assert len(frames) == 26
    assert [read_frame(frame)[0] for frame in frames] == pytest.approx(show.track.lips[:, 0], abs=0.03)
    sound = read_audio(out)
    assert np.abs(sound[4000:7600]).mean() > 0.5
    assert np.abs(sound[:3500]).mean() < 0.02
    track = MotionTrack.load(tmp_path / "out.motion.safetensors")
    assert np.array_equal(track.lips, show.track.lips)
    assert json.loads(track.metadata["drivers"]) == {
        "expression": "hold", "eyes": "hold", "pose": "turn", "lips": "audio",
    }  # fmt: skip
    assert track.metadata["audio"] == "tone.wav"


def test_one_factor_of_a_saved_track_is_redone(
    avatar: Avatar, tone: Path, turn: Path, tmp_path: Path
) -> None:
    first = avatar.animate(audio=tone, pose=turn, eyes=turn, fps=30)
    first.save(tmp_path / "out.mp4")
    saved = tmp_path / "out.motion.safetensors"
    again = avatar.animate(track=saved)
    assert again.fps == 30
    for name, codes in first.track.codes.items():
        assert np.array_equal(again.track.codes[name], codes)
    gaze = avatar.animate(track=saved, gaze="zero", audio=tone).track
    assert not gaze.eyes[:, GAZE].any()
    assert np.array_equal(gaze.eyes[:, BLINK], first.track.eyes[:, BLINK])
    assert np.array_equal(gaze.pose, first.track.pose)
    assert np.array_equal(gaze.lips, first.track.lips)
    held = avatar.animate(track=first.track, pose="hold").track
    assert np.degrees(held.pose[:, 1]) == pytest.approx(3, abs=0.1)


def test_after_an_error_nothing_is_left(avatar: Avatar, turn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    show = avatar.animate(pose=turn)
    with pytest.raises(InputError, match="quality"):
        show.save(folder / "out.mp4", quality=90)
    with pytest.raises(InputError, match="avi"):
        show.save(folder / "out.avi")
    with pytest.raises(InputError, match="does not exist"):
        show.save(folder / "none" / "out.mp4")

    def breaks(portrait: object, codes: dict[str, np.ndarray]) -> np.ndarray:
        raise RuntimeError("out of memory")

    avatar.model.render = breaks  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        show.save(folder / "out.mp4")
    assert not list(folder.iterdir())


def test_paste_back_keeps_the_rest_of_the_picture(turn: Path) -> None:
    whole = picture(NOBODY, colour(0), height=120, width=160)
    whole[:20] = (9, 180, 77)
    avatar = Avatar(FakeModel(), whole)
    show = avatar.animate(pose=turn, paste_back=True)
    frames = list(show)
    assert (show.width, show.height) == (320, 120)
    box = avatar.box
    outside = np.ones(whole.shape[:2], bool)
    outside[
        max(0, int(box.top)) : int(box.top + box.side) + 1, int(box.left) : int(box.left + box.side) + 1
    ] = False
    assert all(np.array_equal(frame[outside], whole[outside]) for frame in frames)
    middle = round(box.top + box.side * 0.3), round(box.left + box.side * 0.7)
    assert frames[9][middle].mean() == pytest.approx(128 + 18, abs=2)
    half = avatar.animate(pose=turn, paste_back=True, size=160)
    assert next(iter(half)).shape == (60, 160, 3)
    assert next(iter(half))[30, 10].tolist() == pytest.approx(whole[60, 20].tolist(), abs=2)


def test_sizes_other_than_the_model_s() -> None:
    rendered = np.full((32, 32, 3), 77, np.uint8)
    for side in (32, 48, 40, 160):
        assert head_view(side).show(rendered).shape == (side, side, 3)
        assert (head_view(side).show(rendered) == 77).all()


def test_the_part_that_the_picture_has_fills_the_frame() -> None:
    rendered = np.zeros((40, 40, 3), np.uint8)
    rendered[10:] = 200  # a quarter above lies outside the picture
    shown = head_view(40, CropBox(0, -10, 40), CropBox(5, 0, 30)).show(rendered)
    assert shown.shape == (40, 40, 3)
    assert (shown == 200).all()


def test_which_of_several_faces(tmp_path: Path) -> None:
    two = picture(colour(-10), colour(20))
    assert np.degrees(Avatar(FakeModel(), two).codes["pose"][1]) == pytest.approx(-10, abs=0.1)
    assert np.degrees(Avatar(FakeModel(), two, face=1).codes["pose"][1]) == pytest.approx(20, abs=0.1)
    with pytest.raises(InputError, match="face 2 was asked for, but picture shows 2, numbered from 0"):
        Avatar(FakeModel(), two, face=2)
    with pytest.raises(InputError, match="numbered"):
        Avatar(FakeModel(), two, face=-1)


def test_portraits_without_a_face(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    Image.fromarray(picture(NOBODY)).save(path)
    with pytest.raises(InputError, match=r"no face was found in wall\.png"):
        Avatar(FakeModel(), path)
    with pytest.raises(InputError, match=r"no\.such"):
        Avatar(FakeModel(), tmp_path / "no.such")
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(InputError, match=r"notes\.txt cannot be read as a picture or a video; a portrait"):
        Avatar(FakeModel(), tmp_path / "notes.txt")
    with pytest.raises(InputError, match="folder"):
        Avatar(FakeModel(), tmp_path)
    with pytest.raises(InputError, match=r"uint8 pixels .* not \[8, 8, 3\] float64"):
        Avatar(FakeModel(), np.zeros((8, 8, 3)))
    with pytest.raises(InputError, match=r"a portrait must be a path, a PIL image, or .* not NoneType"):
        Avatar(FakeModel(), None)  # type: ignore[arg-type]


def test_portraits_in_memory() -> None:
    pixels = picture(colour(yaw=3, mouth=0.4, blink=0.1))
    avatar = Avatar(FakeModel(), Image.fromarray(pixels))
    assert avatar.name == "picture" and np.array_equal(avatar.picture, pixels)
    clear = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    clear[:5, :, 3] = 0
    seen = Avatar(FakeModel(), clear).picture
    assert (seen[:5] == 255).all() and np.array_equal(seen[5:], pixels[5:])
    buffer = pixels.copy()
    kept = Avatar(FakeModel(), buffer).picture
    buffer[:] = 0  # a webcam's next frame
    assert np.array_equal(kept, pixels)
    grey = Avatar(FakeModel(), np.full((64, 96), 128, np.uint8)).picture
    assert grey.shape == (64, 96, 3) and (grey == 128).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"audio": np.zeros(9)}, "audio must be the path of a sound file or a video, not ndarray"),
        (
            {"pose": np.zeros((9, 6))},
            "pose must be a path, a MotionTrack or one of hold, zero, idle, not ndarray",
        ),
        ({"track": 3}, "track must be a path"),
    ],
)
def test_drivers_of_other_types(avatar: Avatar, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        avatar.animate(**options)  # type: ignore[arg-type]


def test_a_portrait_from_a_video_is_its_first_frame_with_a_face(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, width=96, height=64, fps=Fraction(25)) as writer:
        for c in (NOBODY, NOBODY, colour(20), colour(-20)):
            writer.write(picture(c))
    assert np.degrees(Avatar(FakeModel(), path).codes["pose"][1]) == pytest.approx(20, abs=3)
