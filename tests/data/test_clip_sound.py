"""The sound of a clip: cut, judged and moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media.clips import tone, write_sound
from pdfgc.data.clip_sound import SoundReader, clip_sound, loud_level, sound_fault
from pdfgc.data.clips import AUDIO_RATE
from pdfgc.data.settings import PrepareSettings
from pdfgc.data.sound_offset import REACH, SoundOffset
from pdfgc.media.audio import read_audio

SPEECH = Path(__file__).parents[2] / "demo" / "speech.flac"
SETTINGS = PrepareSettings()


def hears(offset: SoundOffset) -> Callable[[np.ndarray], SoundOffset]:
    def listen(wave: np.ndarray) -> SoundOffset:
        assert len(wave) == round((2 + 2 * REACH) * AUDIO_RATE)
        return offset

    return listen


def expected(first: float, seconds: float = 2.0) -> np.ndarray:
    start = round(first * AUDIO_RATE)
    return np.round(read_audio(SPEECH)[start : start + round(seconds * AUDIO_RATE)] * 32767).astype(np.int16)


def test_a_sure_offset_moves_the_sound() -> None:
    late = hears(SoundOffset(0.2, 0.8, 0.1, 2.0))
    sound = clip_sound(SoundReader(SPEECH), Fraction(1), Fraction(3), late, SETTINGS)
    assert np.array_equal(sound.samples, expected(1.2))
    assert (sound.sync, sound.late, sound.fit, sound.fault) == ("shifted", Fraction(1, 5), 0.8, None)


def test_what_is_in_step_or_unsure_stays() -> None:
    for offset, sync in (
        (SoundOffset(0.02, 0.82, 0.8, 2.0), "in step"),
        (SoundOffset(0.2, 0.3, 0.1, 2.0), "unsure"),
    ):
        sound = clip_sound(SoundReader(SPEECH), Fraction(1), Fraction(3), hears(offset), SETTINGS)
        assert np.array_equal(sound.samples, expected(1.0))
        assert (sound.sync, sound.late, sound.fit) == (sync, Fraction(0), offset.unshifted)
    strict = replace(SETTINGS, strict_sync=True)
    sound = clip_sound(SoundReader(SPEECH), Fraction(1), Fraction(3), hears(offset), strict)
    assert len(sound.samples) == 0
    assert sound.fault is not None and sound.fault.reason == "out of step"


def test_parts_follow_each_other_though_their_margins_overlap() -> None:
    reader = SoundReader(SPEECH)
    first = clip_sound(reader, Fraction(0), Fraction(2), None, SETTINGS)
    second = clip_sound(reader, Fraction(2), Fraction(4), None, SETTINGS)
    assert np.array_equal(np.concatenate([first.samples, second.samples]), expected(0.0, 4.0))
    assert first.sync == ""


def test_a_reader_pads_the_beginning_and_stops_at_the_end(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(1.0, AUDIO_RATE)[None], AUDIO_RATE)
    wave = SoundReader(path).read(Fraction(-1, 2), Fraction(1, 2))
    assert len(wave) == AUDIO_RATE and not wave[: AUDIO_RATE // 2].any() and wave[AUDIO_RATE // 2 :].any()
    assert len(SoundReader(path).read(Fraction(1, 2), Fraction(3))) == AUDIO_RATE // 2
    assert len(SoundReader(path).read(Fraction(2), Fraction(3))) == 0
    assert len(SoundReader(path).read(Fraction(-3), Fraction(-2))) == AUDIO_RATE


def test_silence_and_music_are_faults() -> None:
    time = np.arange(2 * AUDIO_RATE) / AUDIO_RATE
    hum = (0.3 * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    for wave, reason in ((0.001 * hum, "silent"), (hum[:0], "silent"), (hum, "no speech")):
        fault = sound_fault(wave, SETTINGS)
        assert fault is not None and fault.reason == reason
    assert sound_fault(read_audio(SPEECH)[: 2 * AUDIO_RATE], SETTINGS) is None


def test_levels_by_hand() -> None:
    assert loud_level(np.full(AUDIO_RATE, 0.1, np.float32)) == pytest.approx(-20, abs=1e-3)
    assert loud_level(np.zeros(AUDIO_RATE, np.float32)) == pytest.approx(-140)
    rarely = np.zeros(10 * AUDIO_RATE, np.float32)
    rarely[:AUDIO_RATE] = 0.1
    assert loud_level(rarely) == pytest.approx(-20, abs=1e-3)
