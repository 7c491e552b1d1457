"""What is said of performances that most likely are not what was wanted."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from painted import FakeModel, PaintedTracker, colour, picture, write_folder
from pdfgc import remarks
from pdfgc.avatar import Avatar
from pdfgc.errors import InputError
from pdfgc.face.tracker import FaceTracker
from pdfgc.media.audio import AudioSource, read_audio
from pdfgc.media.video import VideoWriter
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.planning import plan
from pdfgc.portrait import find_face, on_edge
from synthetic import ASTRONAUT
from test_avatar import write_wav


@pytest.fixture
def avatar(monkeypatch: pytest.MonkeyPatch) -> Avatar:
    """A portrait turned by 3 degrees."""
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)
    return Avatar(FakeModel(), picture(colour(yaw=3)))


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Half a second of it."""
    path = tmp_path / "speech.wav"
    write_wav(path, read_audio(ASTRONAUT.with_name("speech.flac"))[8000:16000])
    return path


def turning(*yaws: float) -> MotionTrack:
    """A track of these yaws in degrees."""
    pose = np.zeros((len(yaws), 6), np.float32)
    pose[:, 1] = np.radians(yaws)
    return MotionTrack.from_codes({"pose": pose}, fps=25)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The remarks so far, which are forgotten; painted faces are small, which is not what is tested."""
    sentences = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return [sentence for sentence in sentences if "the face is only" not in sentence]


def test_a_far_turn_and_a_far_start(avatar: Avatar, caplog: pytest.LogCaptureFixture) -> None:
    avatar.animate(pose=turning(3, 10, 32), smooth=0)
    assert said(caplog) == []
    avatar.animate(pose=turning(3, 20, -40), smooth=0)
    (far,) = said(caplog)
    assert "up to 43 degrees (yaw)" in far and "in 1 of 3 frames, the picture tears" in far
    avatar.animate(pose=turning(20, 22), smooth=0)
    (start,) = said(caplog)
    assert "a track begins 17 degrees (yaw)" in start and "--relative-pose" in start
    again = avatar.animate(pose=turning(20, 22), smooth=0, relative_pose=True)
    assert said(caplog) == [] and again.track.metadata["relative_pose"] == "true"
    avatar.animate(pose=MotionTrack.still({"pose": turning(20).pose[0]}), duration=1)
    assert said(caplog) == []  # a still that is turned was chosen for that
    earlier = avatar.animate(pose=turning(20, 22)).track
    caplog.clear()
    avatar.animate(track=earlier)
    assert said(caplog) == []
    older = {key: value for key, value in earlier.metadata.items() if key != "portrait_digest"}
    avatar.animate(track=replace(earlier, metadata=older))
    assert said(caplog) == []


def test_another_portrait_of_the_same_name_is_told_of_a_far_start(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    yaws = {"anna": 20, "bob": 3}
    for person, yaw in yaws.items():
        (tmp_path / person).mkdir()
        Image.fromarray(picture(colour(yaw))).save(tmp_path / person / "face.png")
    anna, bob = (Avatar(avatar.model, tmp_path / person / "face.png") for person in yaws)
    earlier = anna.animate(pose=turning(20, 22)).track
    anna.animate(track=earlier)
    assert said(caplog) == []
    bob.animate(track=earlier)
    (start,) = said(caplog)
    assert "the head of a track begins" in start


def test_codes_that_are_no_angles_are_not_judged(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avatar.model, "pose_in_radians", False)
    avatar.animate(pose=turning(50, 80))
    assert said(caplog) == []


def test_measurements_are_not_remarked_on(avatar: Avatar, caplog: pytest.LogCaptureFixture) -> None:
    with remarks.unsaid():
        avatar.animate(pose=turning(50, 80))
    assert said(caplog) == []
    avatar.animate(pose=turning(50, 80))
    assert len(said(caplog)) == 2


def test_angles_are_compared_the_short_way_round() -> None:
    own = np.radians([0, 0, 175, 0, 0, 0])
    assert remarks.on_turn(own, np.radians([[0, 0, -175, 0, 0, 0]])) is None


def test_far_places_and_sizes() -> None:
    own = np.array([0, 0, 0, 0.1, -0.1, 0.2])
    near = own + np.array([1, 1, 1, 0.3, 0.3, 0.3])
    assert remarks.on_shift(own, near[None]) is None
    moved = remarks.on_shift(own, np.stack([near, own + np.array([0, 0, 0, 0.3, 0.4, 0])]))
    assert moved is not None and "moves by up to 25% of the frame's side against" in moved
    assert "in 1 of 2 frames" in moved
    small = remarks.on_shift(own, own[None] - [0, 0, 0, 0, 0, np.log(2)])
    assert small is not None and "the head becomes 0.5 times as large against" in small


def test_eyes_that_the_portrait_hardly_shows() -> None:
    own, open_eyes = np.array([0.6, 0.5, 0, 0, 0, 0]), np.array([[0.1, 0.1, 0, 0, 0, 0]])
    assert "the eyes of me.jpg are narrow" in str(remarks.on_opened_eyes("me.jpg", 0.1, own, open_eyes))
    assert remarks.on_opened_eyes("me.jpg", 0.3, own, open_eyes) is None
    assert remarks.on_opened_eyes("me.jpg", 0.1, own, own[None]) is None


@pytest.mark.parametrize("word", ["hold", "zero", "idle"])
def test_a_relative_pose_of_a_word(avatar: Avatar, caplog: pytest.LogCaptureFixture, word: str) -> None:
    show = avatar.animate(pose=word, lips=turning(0, 1), relative_pose=True)
    assert said(caplog) == [f"--relative-pose changes nothing: the pose follows no clip or track ({word})"]
    assert show.track.metadata["relative_pose"] == "false"


def test_a_relative_pose_of_a_still(avatar: Avatar, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    Image.fromarray(picture(colour(yaw=20))).save(tmp_path / "still.png")
    show = avatar.animate(pose=tmp_path / "still.png", duration=0.2, relative_pose=True)
    assert np.degrees(show.track.pose[:, 1]) == pytest.approx([3] * 5, abs=0.1)
    (sentence,) = said(caplog)
    assert sentence.endswith("still.png does not move, so the head stays as the portrait holds it")


def test_a_performance_whose_sound_nobody_hears(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, speech: Path, tmp_path: Path
) -> None:
    clip, mute = tmp_path / "clip.mp4", tmp_path / "mute.mp4"
    for path, sound in ((clip, AudioSource(speech)), (mute, None)):
        with VideoWriter(path, width=96, height=64, fps=Fraction(25), audio=sound) as writer:
            for yaw in range(4):
                writer.write(picture(colour(yaw=yaw)))
    for drivers in ({"lips": clip}, {"track": clip}, {"track": clip, "lips": "hold"}):
        avatar.animate(**drivers)
        (sentence,) = said(caplog)
        assert f"the result is silent although {clip} has sound: --audio {clip}" in sentence
    avatar.animate(track=clip, lips=clip, audio=clip)
    avatar.animate(pose=clip)  # who takes the pose alone wants no sound
    avatar.animate(track=mute)
    assert said(caplog) == []


@pytest.mark.parametrize("wave", [np.zeros(4000), np.zeros(1), 2e-4 * np.sin(np.arange(4000))])
def test_silent_speech(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, tmp_path: Path, wave: np.ndarray
) -> None:
    write_wav(tmp_path / "silent.wav", wave)
    avatar.animate(audio=tmp_path / "silent.wav")
    assert said(caplog) == [f"the sound of {tmp_path / 'silent.wav'} is silent: nothing in it moves the lips"]
    avatar.animate(audio=tmp_path / "silent.wav", lips="hold")
    assert said(caplog) == []


def test_heard_speech_is_not_remarked_on(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, speech: Path
) -> None:
    avatar.animate(audio=speech)
    assert said(caplog) == []


def test_music_is_no_speech(avatar: Avatar, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    times = np.arange(32000) / 16000
    chord = sum(0.1 * np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330))
    write_wav(tmp_path / "chord.wav", np.concatenate([np.zeros(8000), chord]))
    avatar.animate(audio=tmp_path / "chord.wav")
    (sentence,) = said(caplog)
    assert sentence.startswith(f"no voice is heard in {tmp_path / 'chord.wav'}")
    avatar.animate(audio=tmp_path / "chord.wav", lips="hold")
    assert said(caplog) == []


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([1, 2, 3], None),
        ([0, 5, 10], None),
        ([7], None),
        ([1, 2, 4], "have gaps: 1 number from 3 on is missing"),
        ([1, 2, 2**64], None),
        ([1, 2, 33, 65], None),
        ([8, 9, 12, 13, 15], "have gaps: 3 numbers from 10 on are missing"),
    ],
)
def test_gaps_in_the_numbering(tmp_path: Path, numbers: list[int], words: str | None) -> None:
    for number in numbers:
        Image.new("RGB", (8, 8)).save(tmp_path / f"take2_{number:04d}.png")
    sentence = remarks.on_gaps(tmp_path)
    assert (sentence is None) if words is None else (sentence is not None and words in sentence)


def test_gaps_are_told_when_a_folder_drives(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "frames", [colour(n) for n in range(4)])
    (folder / "1.png").unlink()
    (folder / "0.png").rename(folder / "1.png")
    (folder / "3.png").rename(folder / "9.png")
    avatar.animate(pose=folder, eyes=folder)
    assert len(said(caplog)) == 1


def test_a_plan_has_the_remarks_that_headers_allow(tmp_path: Path, speech: Path) -> None:
    nobody: dict[str, str | None] = dict.fromkeys(("lips", "expression", "eyes", "gaze", "blink", "pose"))
    planned = plan(nobody, audio=speech, relative_pose=True)
    assert list(planned.remarks) == [
        "--relative-pose changes nothing: the pose follows no clip or track (hold)"
    ]
    codes = {name: np.zeros((5, size), np.float32) for name, size in FACTORS.items()}
    moved = plan(nobody, track=MotionTrack.from_codes(codes, fps=25), relative_pose=True)
    assert list(moved.remarks) == []
    assert moved.movers["pose"] == "a motion track, 0.20 s, from the portrait's own pose on"


def test_what_an_earlier_result_had_of_its_speech_is_not_lost_in_silence(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, speech: Path
) -> None:
    earlier = avatar.animate(audio=speech, duration=0.2, strength={"lips": 1.5}).track
    nobody: dict[str, str | None] = dict.fromkeys(("lips", "expression", "eyes", "gaze", "blink", "pose"))
    caplog.clear()
    avatar.animate(audio=speech, track=earlier)
    strength, length = said(caplog)
    assert "--strength lips=1.5 makes them so again" in strength
    assert "--duration 0.2 keeps it" in length
    assert list(plan(nobody, audio=speech, track=earlier).remarks) == [strength, length]
    avatar.animate(audio=speech, track=earlier, strength={"lips": 1.5}, duration=0.2)
    avatar.animate(audio=speech, track=earlier, lips=earlier, duration=0.2)
    avatar.animate(audio=speech, track=avatar.animate(audio=speech).track)
    foreign = replace(earlier, metadata={"strength": "[1, 2]"})
    avatar.animate(audio=speech, track=foreign)
    assert said(caplog) == []


def test_a_face_at_the_edge_of_its_picture(caplog: pytest.LogCaptureFixture) -> None:
    photo = np.asarray(Image.open(ASTRONAUT))[:300, 70:370]
    with FaceTracker() as tracker:
        (face,) = tracker.detect(photo)
    assert on_edge(photo, face, "me.jpg") is None
    chin = round(float(face.mesh[152, 1]))
    assert "reaches the edge of the picture in me.jpg" in str(on_edge(photo[:chin], face, "me.jpg"))
    for part in (photo[: chin - 45], photo[:, : round(float(face.mesh[263, 0])) - 4]):
        with pytest.raises(InputError, match="cuts through the mouth or the eyes of the face in me"):
            find_face(part, "me", 0)


def test_small_faces_are_told_of_by_file(
    avatar: Avatar, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "frames", [colour(n) for n in range(4)])
    caplog.clear()
    avatar.animate(pose=folder)
    sentences = [record.getMessage() for record in caplog.records]
    assert sentences == ["frames: the face is only 29 pixels high; from 96 the result is sharper"]


@pytest.mark.parametrize(
    ("side", "box", "degrees"), [(200, (70, 0, 370, 300), 180), (128, (160, 60, 290, 180), 90)]
)
def test_a_photo_in_which_a_face_is_found_once_it_is_turned(
    side: int, box: tuple[int, int, int, int], degrees: int, tmp_path: Path
) -> None:
    path = tmp_path / "turned.png"
    upright = Image.open(ASTRONAUT).crop(box).resize((side, side))
    upright.rotate(degrees).save(path)  # counterclockwise
    with pytest.raises(
        InputError, match=rf"found in turned\.png, but .* turned clockwise by {degrees} degrees; turn"
    ):
        find_face(path, "turned.png", 0)


def test_a_photo_that_lies_on_its_side(caplog: pytest.LogCaptureFixture) -> None:
    upright = np.asarray(Image.open(ASTRONAUT))[:300, 70:370]
    assert remarks.on_roll("me.jpg", 40) is None
    with FaceTracker() as tracker:
        (face,) = tracker.detect(upright)
        (turned,) = tracker.detect(np.ascontiguousarray(np.rot90(upright)))
    assert abs(face.roll) < 20
    assert turned.roll == pytest.approx(face.roll + 90, abs=10)
    assert "me.jpg lies on its side" in (remarks.on_roll("me.jpg", turned.roll) or "")
    Avatar(FakeModel(), np.rot90(upright))
    assert any("lies on its side" in sentence for sentence in said(caplog))
