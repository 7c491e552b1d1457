from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from media.clips import corners, grey, quarters, tone, write_sound, write_video
from pdfgc.errors import InputError
from pdfgc.media import video
from pdfgc.media.pixels import apply_display_matrix, upright_rgb
from pdfgc.media.video import VideoWriter, probe, read_frames, stamped_times


def times(path: Path) -> list[Fraction]:
    return [frame.time for frame in read_frames(path)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_broadcast_rate_is_exact(tmp_path: Path, suffix: str) -> None:
    fps = Fraction(30000, 1001)
    path = write_video(tmp_path / f"clip{suffix}", [grey(level) for level in range(0, 240, 8)], fps=fps)
    assert probe(path).fps == fps
    found = times(path)
    assert len(found) == 30
    if suffix == ".mp4":
        assert found == [number / fps for number in range(30)]
    else:  # MKV counts milliseconds
        assert max(abs(time - number / fps) for number, time in enumerate(found)) <= Fraction(1, 1000)


def test_pictures_come_in_order_and_keep_their_brightness(tmp_path: Path) -> None:
    levels = list(range(16, 240, 16))
    path = write_video(tmp_path / "clip.mp4", [grey(level) for level in levels])
    found = [frame.image for frame in read_frames(path)]
    assert all(image.dtype == np.uint8 and image.shape == (48, 64, 3) for image in found)
    assert np.allclose([image.mean() for image in found], levels, atol=2)


def test_variable_rate_keeps_every_time(tmp_path: Path) -> None:
    stamps = [0, 10, 50, 51, 200, 1000]
    path = write_video(
        tmp_path / "clip.mp4", [grey(40 * n) for n in range(6)], stamps=stamps, time_base=Fraction(1, 1000)
    )
    assert times(path) == [Fraction(stamp, 1000) for stamp in stamps]


def test_times_start_at_the_first_frame(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "clip.mkv",
        [grey(0)] * 3,
        stamps=[500, 540, 580],
        time_base=Fraction(1, 1000),
        sound=tone(1, 16000),
    )
    assert times(path) == [0, Fraction(1, 25), Fraction(2, 25)]
    assert probe(path).start == Fraction(1, 2)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_later_start_gives_the_same_frames_without_decoding_all(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    path = write_video(tmp_path / f"clip{suffix}", [grey(n // 2) for n in range(400)], codec=codec)
    whole = [frame for frame in read_frames(path) if frame.time >= 12]
    decoded: list[Fraction | None] = []

    def convert(picture: av.VideoFrame, aspect: Fraction | None, reformatter: Any) -> np.ndarray:
        decoded.append(aspect)
        return upright_rgb(picture, aspect, reformatter)

    monkeypatch.setattr(video, "upright_rgb", convert)
    found = list(read_frames(path, start=Fraction(12)))
    assert [frame.time for frame in found] == [frame.time for frame in whole] and len(found) in (100, 101)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, whole, strict=True))
    assert len(decoded) < 200, "a key frame lies at most 250 frames before"
    assert list(read_frames(path, start=Fraction(30))) == []


@pytest.mark.parametrize(
    ("rotation", "hflip", "expected"),
    [(0, False, "wrgb"), (90, False, "rbwg"), (180, False, "bgrw"), (-90, False, "gwbr"), (0, True, "rwbg")],
)
def test_rotation_metadata_is_applied(tmp_path: Path, rotation: int, hflip: bool, expected: str) -> None:
    path = write_video(tmp_path / "clip.mp4", [quarters()] * 2, rotation=rotation, hflip=hflip)
    image = next(read_frames(path)).image
    info = probe(path)
    assert corners(image) == expected
    assert image.shape == ((64, 48, 3) if rotation in (90, -90) else (48, 64, 3))
    assert (info.height, info.width) == image.shape[:2]
    assert image.flags.c_contiguous


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (None, "wrgb"),
        ((0, 0, 0, 0), "wrgb"),
        ((1, 0, 0, 1), "wrgb"),
        ((-1, 0, 0, 1), "rwbg"),
        ((1, 0, 0, -1), "gbwr"),
        ((-1, 0, 0, -1), "bgrw"),
        ((0, 1, 1, 0), "wgrb"),
        ((0, 1, -1, 0), "gwbr"),
        ((0, -1, 1, 0), "rbwg"),
        ((0, -1, -1, 0), "brgw"),
    ],
)
def test_display_matrices(matrix: tuple[int, int, int, int] | None, expected: str) -> None:
    scaled = None if matrix is None else tuple(65536 * entry for entry in matrix)
    assert corners(apply_display_matrix(quarters(), scaled)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("width", "height"), [(63, 47), (65, 48), (17, 33)])
def test_odd_sizes(tmp_path: Path, width: int, height: int) -> None:
    picture = quarters(width, height)
    path = write_video(tmp_path / "clip.mkv", [picture] * 2, codec="ffv1", pix_fmt="bgr0")
    image = next(read_frames(path)).image
    assert np.array_equal(image, picture)
    assert (probe(path).width, probe(path).height) == (width, height)


def test_wide_pixels_become_square(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [quarters()] * 2, aspect=Fraction(3, 2))
    assert next(read_frames(path)).image.shape == (48, 96, 3)
    assert probe(path).width == 96


def test_probe_counts(tmp_path: Path) -> None:
    silent = probe(write_video(tmp_path / "silent.mp4", [grey(9)] * 10))
    assert (silent.frames, silent.duration) == (10, Fraction(2, 5))
    assert not silent.has_audio
    assert probe(write_video(tmp_path / "loud.mp4", [grey(9)] * 10, sound=tone(1, 16000))).has_audio


def test_stamps_are_those_of_the_frames(tmp_path: Path) -> None:
    stamps = [0, 40, 120, 130, 200]
    clip = write_video(
        tmp_path / "clip.mkv", [grey(9)] * len(stamps), stamps=stamps, time_base=Fraction(1, 1000)
    )
    shown = [Fraction(stamp, 1000) for stamp in stamps]
    assert stamped_times(clip, 6) == shown == times(clip)
    assert stamped_times(clip, 3) == shown[:3]
    Image.new("RGB", (8, 8)).save(tmp_path / "still.png")
    assert stamped_times(tmp_path / "still.png", 6) == stamped_times(tmp_path, 6) == []


def test_a_still_is_one_frame(tmp_path: Path) -> None:
    Image.fromarray(quarters()).save(tmp_path / "a.png")
    frames = list(read_frames(tmp_path / "a.png"))
    assert [frame.time for frame in frames] == [0]
    assert corners(frames[0].image) == "wrgb"
    info = probe(tmp_path / "a.png")
    assert (info.frames, info.duration, info.width, info.height) == (1, None, 64, 48)


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 11, 100):
        Image.fromarray(grey(number)).save(tmp_path / f"frame{number}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_text("not one either")
    frames = list(read_frames(tmp_path, fps=Fraction(30000, 1001)))
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [1, 2, 9, 10, 11, 100]
    assert frames[5].time == 5 * Fraction(1001, 30000)
    info = probe(tmp_path)
    assert (info.frames, info.fps, info.duration) == (6, Fraction(25), Fraction(6, 25))


def test_an_animated_picture_is_a_video(tmp_path: Path) -> None:
    pictures = [Image.fromarray(grey(level)) for level in (0, 100, 200)]
    path = tmp_path / "a.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[40, 80, 120])
    frames = list(read_frames(path))
    assert [frame.time for frame in frames] == [0, Fraction(4, 100), Fraction(12, 100)]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 100, 200]
    info = probe(path)
    assert (info.frames, info.duration) == (3, Fraction(24, 100))


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file or folder"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(InputError, match="holds no pictures"):
        list(read_frames(tmp_path))
    (tmp_path / "text.mp4").write_text("this is no video")
    with pytest.raises(InputError, match="cannot be read as video or sound"):
        list(read_frames(tmp_path / "text.mp4"))
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(InputError, match="cannot be read as video or sound"):
        probe(tmp_path / "empty.mp4")
    sound = write_sound(tmp_path / "a.wav", tone(0.1, 8000)[None], 8000)
    with pytest.raises(InputError, match="has no pictures"):
        list(read_frames(sound))
    with pytest.raises(InputError, match="more than 0"):
        Image.fromarray(grey(1)).save(tmp_path / "1.png")
        list(read_frames(tmp_path, fps=Fraction(0)))


def test_a_video_that_breaks_off_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(20)]
    whole = write_video(tmp_path / "whole.mp4", pictures).read_bytes()
    # The index stands at the end of an ordinary MP4: without it nothing can be found.
    (tmp_path / "head.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read as video or sound"):
        list(read_frames(tmp_path / "head.mp4"))
    # Where it stands in front, the pictures are there up to the break.
    with VideoWriter(tmp_path / "fast.mp4", width=64, height=48, fps=Fraction(25)) as out:
        for picture in pictures:
            out.write(picture)
    fast = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(fast[: len(fast) // 2])
    with pytest.raises(InputError, match="breaks off"):
        list(read_frames(tmp_path / "cut.mp4"))


def test_scrambled_pictures_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [quarters()] * 5)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes([255]) * (end - start)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="none of its video can be decoded"):
        list(read_frames(path))


def test_a_damaged_place_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_video(tmp_path / "clip.mp4", [grey(10 * number) for number in range(10)])
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.pos is not None][6]
        assert packet.pos is not None
        place = slice(packet.pos, packet.pos + packet.size)
    data = bytearray(path.read_bytes())
    data[place] = bytes([255]) * len(data[place])
    path.write_bytes(bytes(data))
    found = times(path)
    assert 5 <= len(found) < 10
    assert set(found) < {Fraction(number, 25) for number in range(10)}
    assert "damaged in places" in caplog.text


def test_frames_come_one_by_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [grey(level) for level in range(100)])
    frames = read_frames(path)
    assert next(frames).time == 0
    frames.close()  # type: ignore[attr-defined]
    path.unlink()  # nothing holds it open
