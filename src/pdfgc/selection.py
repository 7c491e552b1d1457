"""Which driver moves what, and how long the result is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from pdfgc.drivers import WORDS, Driver, check_driver, check_kind, require_driver
from pdfgc.errors import InputError
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.timing import Number, exact


def choose_drivers(
    named: Mapping[str, Driver | None], *, track: Driver | None, has_audio: bool
) -> tuple[dict[str, Driver], bool]:
    """The driver of each slot, checked, and whether the audio moves the lips (which then have no slot)."""
    for slot, driver in {**named, "track": track}.items():
        if driver is not None:
            check_kind(slot, driver)
    spoken = named["lips"] == "audio" or (named["lips"] is None and has_audio)
    if spoken and not has_audio:
        raise InputError("the lips are to follow the audio, but no audio is given")
    fallback: Driver = "hold" if track is None else track
    if track is not None:
        require_driver("be the track", track)
    chosen: dict[str, Driver] = {}
    for slot, driver in named.items():
        if slot == "lips" and spoken:
            continue
        if driver is not None:
            chosen[slot] = driver
        elif slot in FACTORS:
            chosen[slot] = fallback
    for slot, driver in chosen.items():
        check_driver(slot, driver)
    return chosen, spoken


def stated_length(audio: str | os.PathLike[str] | None, duration: Number | None) -> Fraction | None:
    """Seconds of the result where the drivers have no say in it; audio is known to be readable after this."""
    seconds = None
    if audio is not None:
        from pdfgc.media.audio import audio_duration

        if not isinstance(audio, str | os.PathLike):
            raise InputError(f"audio must be the path of a sound file or a video, not {type(audio).__name__}")

        seconds = audio_duration(audio)
        if seconds <= 0:
            raise InputError(f"the sound of {audio} is empty")
    if duration is not None:
        seconds = exact(duration, "a duration")
        if seconds <= 0:
            raise InputError(f"a duration must be more than 0 seconds, not {duration}")
    return seconds


class Lasting(Protocol):
    """A driver as far as the length of the result is concerned: `drivers.Part`, `planning.Outline`."""

    @property
    def duration(self) -> Fraction:
        """Seconds."""

    @property
    def moves(self) -> bool:
        """Whether there is movement in it."""

    @property
    def sets_length(self) -> bool:
        """Whether it may decide how long the result is."""


def longest(parts: Mapping[str, Lasting], chosen: Mapping[str, Driver]) -> Fraction:
    """Seconds of a result whose length is not stated, by audio, duration or a track that moves.

    Args:
        parts: the drivers.
        chosen: the same as they were given.

    Raises:
        InputError: nothing moves.
    """
    lengths = [part.duration for part in parts.values() if part.sets_length]
    # a stock track never ends; it is shown once where there is nothing else
    lengths = lengths or [part.duration for part in parts.values() if part.moves]
    stills = [driver_name(driver) for driver in chosen.values() if driver not in WORDS]
    if not lengths and stills:
        raise InputError(
            f"nothing moves: {stills[0]} has only one frame, and a still needs a duration (--duration) or audio"
        )
    if not lengths:
        raise InputError(
            "nothing moves: give audio, or for lips, expression, eyes or pose a video, a folder of frames, "
            "a motion track or idle"
        )
    return max(lengths)


def driver_name(driver: Driver) -> str:
    """What a driver is called where the result is described: a file without its folder."""
    if isinstance(driver, MotionTrack):
        return driver.metadata.get("source", "a track")
    return Path(driver).name
