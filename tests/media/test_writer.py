from __future__ import annotations

import resource
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media.clips import beeps, corners, grey, onsets, quarters, tone, write_sound, write_video
from pdfgc.errors import InputError
from pdfgc.media import writer
from pdfgc.media.audio import AudioSource, audio_duration, read_audio
from pdfgc.media.video import VideoWriter, probe, read_frames

RATES = [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(10), Fraction(60)]


def write(path: Path, pictures: list[np.ndarray], fps: Fraction = Fraction(25), **options: Any) -> Path:
    height, width, _ = pictures[0].shape
    with VideoWriter(path, width=width, height=height, fps=fps, **options) as out:
        for picture in pictures:
            out.write(picture)
    return path


@pytest.mark.parametrize("fps", RATES)
def test_times_are_exact(tmp_path: Path, fps: Fraction) -> None:
    path = write(tmp_path / "out.mp4", [grey(10 * number) for number in range(20)], fps)
    frames = list(read_frames(path))
    assert [frame.time for frame in frames] == [number / fps for number in range(20)]
    assert np.allclose([frame.image.mean() for frame in frames], range(0, 200, 10), atol=2)
    info = probe(path)
    assert (info.fps, info.frames, info.start) == (fps, 20, Fraction(0))
    assert not info.has_audio


@pytest.mark.parametrize("fps", RATES[:3])
@pytest.mark.parametrize("sound_rate", [16_000, 44_100])
def test_sound_is_in_step(tmp_path: Path, fps: Fraction, sound_rate: int) -> None:
    flashes = [round(second * fps) for second in (Fraction(1, 2), 1, Fraction(7, 3), Fraction(7, 2))]
    moments = [number / fps for number in flashes]
    sound = write_sound(tmp_path / "a.wav", beeps(moments, 5, sound_rate)[None], sound_rate)
    pictures = [grey(235 if number in flashes else 16) for number in range(round(4 * fps))]
    path = write(tmp_path / "out.mp4", pictures, fps, audio=AudioSource(sound))
    seen = [float(frame.time) for frame in read_frames(path) if frame.image.mean() > 120]
    heard = onsets(read_audio(path, 48_000), 48_000)
    assert len(seen) == len(heard) == 4
    assert np.abs(np.array(seen) - heard).max() < 0.002  # half a frame would be 0.017 to 0.021


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5])
def test_sound_gets_the_length_of_the_pictures(tmp_path: Path, seconds: float) -> None:
    sound = write_sound(tmp_path / "a.wav", tone(seconds, 16_000)[None], 16_000)
    path = write(tmp_path / "out.mp4", [grey(99)] * 25, audio=AudioSource(sound))
    assert audio_duration(path) == 1
    samples = read_audio(path)
    assert np.abs(samples[2000:4000]).max() > 0.4
    assert (np.abs(samples[12_000:14_000]).max() > 0.4) == (seconds >= 1)
    assert probe(path).duration == 1


@pytest.mark.parametrize(("offset", "expected"), [(Fraction(1, 2), 0.5), (Fraction(-1, 2), 1.5)])
def test_sound_may_start_elsewhere(tmp_path: Path, offset: Fraction, expected: float) -> None:
    sound = write_sound(tmp_path / "a.wav", beeps([Fraction(1)], 2, 16_000)[None], 16_000)
    path = write(tmp_path / "out.mp4", [grey(99)] * 50, audio=AudioSource(sound, offset))
    assert np.allclose(onsets(read_audio(path), 16_000), [expected], atol=0.002)


@pytest.mark.parametrize(("layout", "channels", "kept"), [("mono", 1, 1), ("stereo", 2, 2), ("5.1", 6, 2)])
def test_channels(tmp_path: Path, layout: str, channels: int, kept: int) -> None:
    wave = np.repeat(tone(0.5, 44_100)[None], channels, 0)
    sound = write_sound(tmp_path / "a.wav", wave, 44_100, layout=layout)
    path = write(tmp_path / "out.mp4", [grey(99)] * 10, audio=AudioSource(sound))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.channels == kept


def test_sound_of_a_video(tmp_path: Path) -> None:
    moments = [Fraction(1, 2)]
    clip = write_video(tmp_path / "clip.mp4", [grey(0)] * 25, sound=beeps(moments, 1, 16_000))
    path = write(tmp_path / "out.mp4", [grey(99)] * 25, audio=AudioSource(clip))
    assert np.allclose(onsets(read_audio(path), 16_000), [0.5], atol=0.003)


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 47), (1, 1), (2, 301)])
def test_odd_sizes_are_padded(tmp_path: Path, width: int, height: int) -> None:
    path = write(tmp_path / "out.mp4", [grey(180, width, height)] * 3)
    image = next(read_frames(path)).image
    assert image.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(image.astype(int) - 180).max() <= 3


def test_colours_come_back_and_are_tagged(tmp_path: Path) -> None:
    colours = [(200, 60, 30), (30, 180, 60), (20, 40, 220), (255, 255, 255), (0, 0, 0), (224, 172, 150)]
    pictures = [np.full((48, 64, 3), colour, np.uint8) for colour in colours]
    path = write(tmp_path / "out.mp4", pictures, quality=4)
    found = [frame.image[24, 32].astype(int) for frame in read_frames(path)]
    assert np.abs(np.array(found) - colours).max() <= 3
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        assert tags == (1, 1, 1, 1)
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_the_file_says_that_it_is_synthetic(tmp_path: Path) -> None:
    tags = {"title": "A test", "model": "small", "comment": "mine"}
    path = write(tmp_path / "out.mp4", [grey(1)] * 2, metadata=tags)
    with av.open(str(path)) as container:
        found = container.metadata
    assert found["comment"].startswith("Synthetic media")
    assert "trainedAlgorithmicMedia" in found["comment"]
    assert found["comment"].endswith("mine")
    assert found["title"] == "A test"
    assert found["description"] == "model: small"


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the old one")
    sound = write_sound(tmp_path / "a.wav", tone(1, 16_000)[None], 16_000)
    with (
        pytest.raises(KeyboardInterrupt),
        VideoWriter(path, width=64, height=48, fps=Fraction(25), audio=AudioSource(sound)) as out,
    ):
        out.write(grey(1))
        raise KeyboardInterrupt
    assert path.read_bytes() == b"the old one"
    with (
        pytest.raises(ValueError, match="no frame was written"),
        VideoWriter(path, width=64, height=48, fps=Fraction(25)),
    ):
        pass
    assert path.read_bytes() == b"the old one"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.wav", "out.mp4"]


def test_bad_arguments_are_refused_before_any_work(tmp_path: Path) -> None:
    size: dict[str, Any] = {"width": 64, "height": 48}
    fps = Fraction(25)
    with pytest.raises(InputError, match=r"written as \.mp4"):
        VideoWriter(tmp_path / "out.avi", **size, fps=fps)
    with (
        pytest.raises(InputError, match="does not exist"),
        VideoWriter(tmp_path / "nowhere" / "out.mp4", **size, fps=fps),
    ):
        pass
    with pytest.raises(InputError, match="there is no file"):
        VideoWriter(tmp_path / "out.mp4", **size, fps=fps, audio=AudioSource(tmp_path / "a.wav"))
    silent = write_video(tmp_path / "silent.mp4", [grey(0)] * 3)
    with pytest.raises(InputError, match="has no sound"):
        VideoWriter(tmp_path / "out.mp4", **size, fps=fps, audio=AudioSource(silent))
    for wrong in ({"width": 0}, {"fps": Fraction(0)}, {"quality": 52}):
        with pytest.raises(ValueError, match="must be positive"):
            VideoWriter(tmp_path / "out.mp4", **{**size, "fps": fps, **wrong})
    with VideoWriter(tmp_path / "out.mp4", **size, fps=fps) as out:
        for picture in (grey(1, 65, 48), grey(1).astype(np.float32), grey(1)[..., 0]):
            with pytest.raises(ValueError, match="must be uint8"):
                out.write(picture)
        out.write(grey(1))


def test_another_encoder_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_ENCODERS", ("no_such_encoder", "mpeg4"))
    writer.video_encoder.cache_clear()
    try:
        path = write(tmp_path / "out.mp4", [quarters()] * 5)
    finally:
        writer.video_encoder.cache_clear()
    assert corners(next(read_frames(path)).image) == "wrgb"
    assert probe(path).frames == 5


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "a.wav", tone(21, 8_000)[None], 8_000)
    bank = [grey(level, 96, 96) for level in range(8)]

    def round_trip(frames: int) -> int:
        pictures = [bank[number % 8] for number in range(frames)]
        path = write(tmp_path / "out.mp4", pictures, audio=AudioSource(sound))
        assert sum(1 for _ in read_frames(path)) == frames
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    short = round_trip(50)
    # 450 more frames are 12 MB of pixels; the peak (KiB) may not rise by a third of that.
    assert round_trip(500) - short < 4096
