"""One video to clips."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.clips import write_video
from pdfgc.data.clips import AUDIO_RATE
from pdfgc.data.face_boxes import Annotation
from pdfgc.data.parts import Part, PreparedClip, prepare_video
from pdfgc.data.settings import PrepareSettings
from pdfgc.errors import InputError
from pdfgc.face.crop import HEAD_SIDE
from pdfgc.face.paper_view import VIEW_SIDE
from pdfgc.media.audio import read_audio
from synthetic import write_face_video

SPEECH = Path(__file__).parents[2] / "demo" / "speech.flac"
SETTINGS = PrepareSettings(size=64, shortest=4, voice=0.0, listener="")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    write_face_video(path, frames=12)
    return path


def only(parts: list[Part]) -> PreparedClip:
    (part,) = parts
    assert part.clip is not None
    return part.clip


def test_two_framings_of_one_head(video: Path) -> None:
    head = only(list(prepare_video(video, SETTINGS)))
    narrow = only(list(prepare_video(video, replace(SETTINGS, framing="voxceleb", size=32))))
    assert (head.info.framing, narrow.info.framing) == ("head", "voxceleb")
    assert narrow.info.crop[2] == pytest.approx(head.info.crop[2] * VIEW_SIDE)
    assert narrow.info.picture_size == 32
    scale = np.ptp(narrow.tensors["mesh"][:, :, 1]) / np.ptp(head.tensors["mesh"][:, :, 1])
    assert scale == pytest.approx(1 / VIEW_SIDE, rel=0.01)
    low, high = narrow.tensors["mesh"][0, :468, 1].min(), narrow.tensors["mesh"][0, :468, 1].max()
    assert -1 < low < -0.5 and 0.4 < high < 1, f"the face fills the view ({HEAD_SIDE=})"


def test_shots_are_clips_of_their_own(tmp_path: Path, astronaut: np.ndarray) -> None:
    left, right = astronaut[:300, 70:370], np.ascontiguousarray(astronaut[:300, 70:370][:, ::-1] // 2)
    path = write_video(tmp_path / "cut.mp4", [left] * 6 + [right] * 5)
    first, second = prepare_video(path, SETTINGS)
    assert first.clip is not None and second.clip is not None
    assert (first.end, second.end) == (6, 11)
    assert (first.clip.info.frames, second.clip.info.frames) == (6, 5)
    assert second.clip.info.start == Fraction(6, 25)
    assert second.clip.tensors["frames"].tolist() == [6, 7, 8, 9, 10]


def test_a_later_start_gives_the_same_rest(video: Path) -> None:
    settings = replace(SETTINGS, longest=8)
    whole = list(prepare_video(video, settings))
    (rest,) = prepare_video(video, settings, first=whole[0].end)
    assert [part.end for part in whole] == [8, 12]
    assert rest.clip is not None and whole[1].clip is not None
    assert rest.clip.info == whole[1].clip.info
    for name, values in whole[1].clip.tensors.items():
        assert np.array_equal(rest.clip.tensors[name], values), name


def test_sound_of_its_own_or_beside(video: Path, tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    write_face_video(silent, frames=12, sound=False)
    assert only(list(prepare_video(silent, SETTINGS))).info.samples == 0
    beside = only(list(prepare_video(silent, SETTINGS, sound=SPEECH)))
    wave = read_audio(SPEECH)[: 12 * AUDIO_RATE // 25]
    assert np.array_equal(beside.tensors["audio"], np.round(wave * 32767).astype(np.int16))
    own = only(list(prepare_video(video, SETTINGS, sound=SPEECH)))
    assert not np.array_equal(own.tensors["audio"][: len(wave)], beside.tensors["audio"])


def test_a_tone_is_no_speech(video: Path) -> None:
    (part,) = prepare_video(video, replace(SETTINGS, voice=0.3))
    assert part.clip is not None and part.clip.info.samples == 0
    assert (
        [rejection.reason for rejection in part.rejections] == [part.clip.info.sound_fault] == ["no speech"]
    )
    (part,) = prepare_video(video, replace(SETTINGS, voice=0.3, bad_sound="reject"))
    assert part.clip is None


def test_speech_over_a_still_mouth_is_unsure(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    write_face_video(silent, frames=12, sound=False)
    settings = replace(SETTINGS, listener="small")
    clip = only(list(prepare_video(silent, settings, sound=SPEECH)))
    assert (clip.info.sync, clip.info.sound_late) == ("unsure", 0.0)
    assert clip.info.samples == 12 * AUDIO_RATE // 25


def test_a_stretch_of_a_film(video: Path) -> None:
    boxes = np.repeat([[0.2, 0.1, 0.6, 0.7]], 6, 0)
    stretch = Annotation("id00001", "film", {}, np.arange(4, 10), boxes)
    clip = only(list(prepare_video(video, SETTINGS, annotation=stretch)))
    assert clip.tensors["frames"].tolist() == [0, 1, 2, 3, 4, 5]
    assert clip.info.start == Fraction(4, 25)
    assert abs(clip.info.samples - 6 * AUDIO_RATE // 25) <= 1


def test_a_file_that_breaks_off_is_said(video: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(prepare_video(tmp_path / "none.mp4", SETTINGS))
    with av.open(str(video)) as container:
        assert container.streams.audio, "the fixture has sound"
