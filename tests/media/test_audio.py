from __future__ import annotations

import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from media.clips import beeps, grey, onsets, tone, write_sound, write_video
from pdfgc.errors import InputError, NoSoundError
from pdfgc.media.audio import audio_duration, read_audio, stream_audio

RATE = 16_000


def pitch(samples: np.ndarray) -> float:
    """The loudest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * RATE / len(samples)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate(tmp_path: Path, rate: int) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1, rate)[None], rate)
    samples = read_audio(path)
    assert samples.dtype == np.float32
    assert samples.shape == (RATE,)
    assert abs(pitch(samples) - 440) <= 1
    expected = tone(1, RATE)
    inner = slice(200, -200)
    assert np.abs(samples[inner] - expected[inner]).max() < 0.01
    assert audio_duration(path) == 1


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("7.1", 8)])
def test_any_layout_keeps_full_scale(tmp_path: Path, layout: str, channels: int) -> None:
    wave = tone(0.5, 44_100, level=0.9)
    path = write_sound(tmp_path / "a.wav", np.repeat(wave[None], channels, 0), 44_100, layout=layout)
    samples = read_audio(path)
    assert abs(len(samples) - RATE // 2) <= 1
    assert abs(np.abs(samples[500:-500]).max() - 0.9) < 0.02


def test_one_loud_channel_is_heard(tmp_path: Path) -> None:
    wave = tone(0.5, RATE)
    path = write_sound(tmp_path / "a.wav", np.stack([wave, 0 * wave]), RATE, layout="stereo")
    assert np.allclose(read_audio(path), wave / 2, atol=1e-3)
    both = np.concatenate(list(stream_audio(path, RATE, mono=False)))
    assert both.shape == (len(wave), 2)
    assert np.allclose(both[:, 0], wave, atol=1e-3)
    assert np.allclose(both[:, 1], 0, atol=1e-3)


def test_channels_that_cancel_each_other_leave_the_louder_one(tmp_path: Path) -> None:
    wave = tone(0.5, 44_100)
    path = write_sound(tmp_path / "a.wav", np.stack([wave, -0.95 * wave]), 44_100, layout="stereo")
    heard = read_audio(path)
    expected = tone(0.5, RATE)
    assert np.abs(heard[200:-200] - expected[: len(heard)][200:-200]).max() < 0.01
    apart = np.stack([wave, np.roll(wave, 25)])  # a quarter of a period late: an ordinary mix
    mixed = read_audio(write_sound(tmp_path / "b.wav", apart, 44_100, layout="stereo"))
    assert np.abs(mixed).max() == pytest.approx(np.abs(expected).max() / np.sqrt(2), rel=0.03)


def test_channels_in_antiphase_are_not_swapped_on_the_way(tmp_path: Path) -> None:
    wave = tone(2.0, RATE)
    hiss = 1e-3 * np.random.default_rng(0).standard_normal((2, len(wave)))
    path = write_sound(tmp_path / "a.wav", np.stack([wave, -wave]) + hiss, RATE, layout="stereo")
    heard = read_audio(path)
    assert np.abs(np.diff(heard)).max() < np.abs(np.diff(wave)).max() + 0.01
    assert abs(np.corrcoef(heard, wave[: len(heard)])[0, 1]) > 0.99


def test_a_sound_that_drifts_into_antiphase_has_no_clicks(tmp_path: Path) -> None:
    wave = tone(2.0, RATE)
    middle = np.linspace(0.5, 0.0, len(wave)) * wave
    path = write_sound(
        tmp_path / "a.wav", np.stack([middle + wave, middle - wave]) / 2, RATE, layout="stereo"
    )
    heard = read_audio(path)
    assert np.abs(np.diff(heard)).max() <= np.abs(np.diff(wave)).max() + 1e-3


@pytest.mark.parametrize("channels", [2, 3, 5, 8])
def test_channels_without_names(tmp_path: Path, channels: int) -> None:
    wave = np.rint(tone(0.5, RATE) * 32767).astype("<i2")
    data = wave[:, None].repeat(channels, 1).tobytes()
    # A plain PCM header (format 1) says how many channels there are, not which.
    form = struct.pack("<HHIIHH", 1, channels, RATE, RATE * 2 * channels, 2 * channels, 16)
    chunks = b"WAVE" + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    samples = read_audio(tmp_path / "a.wav")
    assert len(samples) == RATE // 2
    assert abs(np.abs(samples[100:-100]).max() - 0.5) < 0.02


def test_mono_stays_one_channel(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(0.2, RATE)[None], RATE)
    assert np.concatenate(list(stream_audio(path, RATE, mono=False))).shape == (3200, 1)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.m4a", "aac", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.opus", "libopus", 48_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.mka", "aac", 48_000),
    ],
)
def test_compressed_sound_keeps_its_place_and_length(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    moments = [Fraction(1, 4), Fraction(1), Fraction(3, 2)]
    path = write_sound(tmp_path / name, beeps(moments, 2, rate)[None], rate, codec=codec)
    samples = read_audio(path)
    assert np.allclose(onsets(samples, RATE), [float(moment) for moment in moments], atol=0.003)
    assert abs(len(samples) / RATE - 2) < 0.03
    assert abs(audio_duration(path) - Fraction(len(samples), RATE)) < Fraction(1, 1000)


@pytest.mark.parametrize(
    ("first_picture", "first_sound"),
    [(0, Fraction(0)), (0, Fraction(3, 10)), (400, Fraction(0)), (400, Fraction(3, 10))],
)
def test_time_zero_is_the_first_picture(tmp_path: Path, first_picture: int, first_sound: Fraction) -> None:
    path = write_video(
        tmp_path / "clip.mkv",
        [grey(0)] * 40,
        stamps=[first_picture + 40 * number for number in range(40)],
        time_base=Fraction(1, 1000),
        sound=beeps([Fraction(1, 2), Fraction(1)], 1.5, RATE),
        sound_start=first_sound,
    )
    shift = float(first_sound) - first_picture / 1000
    assert np.allclose(onsets(read_audio(path), RATE), [0.5 + shift, 1 + shift], atol=0.004)
    # MKV does not say how much of AAC's last block counts: 1024 samples are 64 ms.
    assert 0 <= float(audio_duration(path)) - (1.5 + shift) <= 0.065


def test_a_hole_becomes_silence(tmp_path: Path) -> None:
    early, late = tone(0.5, RATE), tone(0.5, RATE)
    path = write_video(tmp_path / "clip.mkv", [grey(0)] * 50, sound=np.concatenate([early, late]))
    # Move the second half two seconds later by writing the stamps anew.
    moved = tmp_path / "moved.mkv"
    with av.open(str(path)) as source, av.open(str(moved), "w") as target:
        copies = {
            stream.index: target.add_stream_from_template(stream)
            for stream in (source.streams.video[0], source.streams.audio[0])
        }
        for packet in source.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if packet.stream.type == "audio" and packet.pts * packet.time_base >= Fraction(1, 2):
                packet.pts += round(2 / packet.time_base)
                packet.dts = packet.pts
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
    samples = read_audio(moved)
    assert abs(len(samples) / RATE - 3) < 0.03
    assert np.abs(samples[int(0.6 * RATE) : int(2.4 * RATE)]).max() < 1e-3
    assert np.abs(samples[int(2.6 * RATE) : int(2.9 * RATE)]).max() > 0.4


def test_blocks_are_even_and_add_up(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1.3, 44_100)[None], 44_100)
    blocks = list(stream_audio(path, RATE, 1000))
    assert {len(block) for block in blocks[:-1]} == {1000}
    assert 0 < len(blocks[-1]) <= 1000
    assert np.array_equal(np.concatenate(blocks), read_audio(path))


def test_range_is_kept(tmp_path: Path) -> None:
    square = np.sign(tone(0.3, 44_100))
    path = write_sound(tmp_path / "a.m4a", square[None], 44_100, codec="aac")
    samples = read_audio(path)
    assert samples.min() >= -1
    assert samples.max() <= 1


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    wave = tone(0.5, 44_100)
    path = tmp_path / "a.mp3"
    Image.fromarray(grey(100)).save(tmp_path / "cover.jpg")
    plain = write_sound(tmp_path / "plain.mp3", wave[None], 44_100, codec="libmp3lame")
    with (
        av.open(str(tmp_path / "cover.jpg")) as cover,
        av.open(str(plain)) as source,
        av.open(str(path), "w") as target,
    ):
        sound = target.add_stream_from_template(source.streams.audio[0])
        picture = target.add_stream_from_template(cover.streams.video[0])
        picture.disposition = av.stream.Disposition.attached_pic
        for packets, stream in ((cover.demux(video=0), picture), (source.demux(audio=0), sound)):
            for packet in packets:
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    assert np.allclose(read_audio(path)[500:7000], read_audio(plain)[500:7000], atol=1e-4)


def test_what_cannot_be_heard_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_audio(tmp_path / "missing.wav")
    with pytest.raises(InputError, match="is a folder"):
        read_audio(tmp_path)
    silent = write_video(tmp_path / "silent.mp4", [grey(0)] * 3)
    for read in (read_audio, audio_duration):
        with pytest.raises(NoSoundError, match="has no sound"):
            read(silent)
    (tmp_path / "text.wav").write_text("this is no sound")
    with pytest.raises(InputError, match="cannot be read as video or sound"):
        read_audio(tmp_path / "text.wav")
    with wave.open(str(tmp_path / "none.wav"), "wb") as header:  # PyAV writes no file for no sound
        header.setparams((1, 2, RATE, 0, "NONE", ""))
    with pytest.raises(NoSoundError, match="empty"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="more than 0"):
        next(stream_audio(silent, rate=0))
