"""Containers as they come: whole, cut short, without pictures or sound, or no containers at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media.clips import grey, tone, write_sound, write_video
from pdfgc.errors import InputError
from pdfgc.media.container import (
    decode_audio,
    decode_video,
    first_picture_time,
    frame_time,
    open_media,
    picture_stream,
    sound_stream,
)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten pictures at 25 a second from second 2 on, and half a second of sound."""
    return write_video(
        tmp_path / "film.mkv",
        [grey(128)] * 10,
        stamps=range(50, 60),
        sound=tone(0.5, 16_000),
        sound_start=Fraction(2),
    )


def test_both_streams_are_found_and_decoded(film: Path) -> None:
    with open_media(film) as container:
        pictures = picture_stream(container)
        assert pictures is not None
        times = [frame_time(frame) for frame in decode_video(container, pictures, film)]
    assert times == [2 + Fraction(number, 25) for number in range(10)]
    with open_media(film) as container:
        sound = sound_stream(container)
        assert sound is not None
        samples = sum(frame.samples for frame in decode_audio(container, sound, film))
    assert samples >= 8000


def test_the_first_pictures_time(film: Path, tmp_path: Path) -> None:
    assert first_picture_time(film) == 2
    sound = write_sound(tmp_path / "a.wav", tone(0.2, 16_000)[None], 16_000)
    assert first_picture_time(sound) is None


def test_streams_that_are_not_there(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.mp4", [grey(0)] * 2)
    with open_media(silent) as container:
        assert sound_stream(container) is None
    sound = write_sound(tmp_path / "a.wav", tone(0.2, 16_000)[None], 16_000)
    with open_media(sound) as container:
        assert picture_stream(container) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "is a folder"), ("gone.mp4", "there is no file"), ("text.mp4", "cannot be read")],
)
def test_what_is_no_media_file(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("words")
    with pytest.raises(InputError, match=sentence), open_media(tmp_path / name):
        pass


def test_a_colon_in_a_name_is_no_protocol(film: Path, tmp_path: Path) -> None:
    odd = film.rename(tmp_path / "http:film.mkv")
    with open_media(odd) as container:
        assert picture_stream(container) is not None


def test_a_file_that_breaks_off_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8)
    whole = write_video(tmp_path / "whole.mkv", list(noise), codec="ffv1", pix_fmt="bgr0")
    cut = tmp_path / "cut.mkv"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 3])
    with open_media(cut) as container:
        stream = picture_stream(container)
        assert stream is not None
        decoded = 0
        try:
            for _ in decode_video(container, stream, cut):
                decoded += 1
        except InputError as error:
            assert "breaks off" in str(error)
    assert 0 < decoded < 20


def test_an_index_past_the_end_is_refused_before_decoding(tmp_path: Path) -> None:
    import av

    path = tmp_path / "fast.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with open_media(path) as opened:
        pictures = picture_stream(opened)
        assert pictures is not None
        with pytest.raises(InputError, match="its index speaks of"):
            next(decode_video(opened, pictures, path))
