"""What a performance would be, from the headers of its inputs and stamps of videos: no model, no search for faces.

It also tells, within a second, of inputs that cannot be used, before a model is loaded or a driver is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from pdfgc import remarks
from pdfgc.avatar import DEFAULT_FPS
from pdfgc.drivers import Driver
from pdfgc.errors import InputError
from pdfgc.idle import SECONDS as IDLE_SECONDS
from pdfgc.motion import MotionTrack
from pdfgc.portrait import expecting_portrait
from pdfgc.selection import choose_drivers, longest, stated_length
from pdfgc.strength import UNSCALED, check_strength
from pdfgc.timing import Number, exact_rate, frame_count, standard_rate

_STAMPS = 1000
"""Frames of a video whose stamps are looked at, half a minute of most; to read all of a film would take long."""

_OF_WORDS = {
    "hold": "hold, as the portrait shows it",
    "zero": "zero, the neutral position",
    "idle": "idle, gentle blinks and sway",
}
"""What `drivers.WORDS` do, for readers."""


@dataclass(frozen=True)
class Outline:
    """A driver as its header tells it; attributes as `drivers.Part`.

    Attributes:
        duration: seconds, 0 for what does not move.
        fps: frames a second, None where it has none; as `MotionTrack.usual_fps`, as far as a header knows it.
        moves: whether there is movement in it.
        sets_length: whether it may decide how long the result is.
        track: the saved track, where it is one.
    """

    duration: Fraction
    fps: Fraction | None
    moves: bool
    sets_length: bool
    track: MotionTrack | None = None


@dataclass(frozen=True)
class Plan:
    """A performance to be.

    Attributes:
        frames: how many.
        fps: how many a second.
        tracks: the saved tracks among its drivers; whether they are of the right model, only a model can tell.
        movers: what moves each factor, in words, with gaze and blinks in place of the eyes where one of them is named.
        remarks: what headers tell already of what `Avatar.animate` will say; looked for when they are asked for.
    """

    frames: int
    fps: Fraction
    tracks: tuple[MotionTrack, ...]
    movers: Mapping[str, str]
    remarks: Iterator[str]


def plan(
    drivers: Mapping[str, Driver | None],
    *,
    audio: str | os.PathLike[str] | None = None,
    track: Driver | None = None,
    fps: Number | None = None,
    duration: Number | None = None,
    folder_fps: Number = 25,
    relative_pose: bool = False,
    strength: Mapping[str, float] | None = None,
) -> Plan:
    """How long a performance of these inputs would be.

    Args:
        drivers: of `lips`, `expression`, `eyes`, `pose`, `gaze` and `blink`; None where nobody is named.
        audio, track, fps, duration, folder_fps, relative_pose, strength: as `Avatar.animate`.

    Raises:
        InputError: an input that does not exist or cannot be read, a number that cannot be used, nothing that moves.
    """
    check_strength(strength or {})
    rate = None if fps is None else exact_rate(fps)
    chosen, spoken = choose_drivers(drivers, track=track, has_audio=audio is not None)
    if audio is not None:
        require_readable(audio)
    outlines = {slot: outline(driver, folder_fps=exact_rate(folder_fps)) for slot, driver in chosen.items()}
    whole = None if track is None else outline(track, folder_fps=exact_rate(folder_fps))
    length = stated_length(audio, duration)
    if length is None:
        length = whole.duration if whole is not None and whole.sets_length else longest(outlines, chosen)
    if rate is None:
        rate = (whole.fps if whole else None) or DEFAULT_FPS
    looked = [*outlines.values(), *([] if whole is None else [whole])]
    saved = [found.track for found in looked if found.track is not None]
    movers = {slot: mover(driver, outlines[slot]) for slot, driver in chosen.items()}
    if relative_pose and outlines["pose"].moves and chosen["pose"] != "idle":
        movers["pose"] += ", from the portrait's own pose on"
    earlier = None if whole is None else whole.track
    said = remarks.on_drivers(
        chosen,
        outlines,
        track=track,
        audio=audio,
        relative_pose=relative_pose,
        strength=strength,
        earlier=earlier,
    )
    if duration is None:
        said = chain(said, filter(None, [remarks.on_lost_length(earlier, audio, length, rate)]))
    if spoken:
        movers = {"lips": f"the speech in {audio}", **movers}
    for factor, share in (strength or {}).items():
        if share != 1 and chosen.get(factor) not in UNSCALED:
            movers[factor] += f", {share:g} times as strong"
    return Plan(frame_count(length, rate), rate, tuple(saved), without_eyes(movers), said)


def without_eyes(movers: Mapping[str, str]) -> dict[str, str]:
    """The same with gaze and blinks in place of the eyes where one of them is named: the eyes drive the other one."""
    if not {"gaze", "blink"} & set(movers):
        return dict(movers)
    parted: dict[str, str] = {}
    for slot, words in movers.items():
        if slot == "eyes":
            parted |= {"gaze": movers.get("gaze", words), "blink": movers.get("blink", words)}
        elif slot not in ("gaze", "blink"):
            parted[slot] = words
    return parted


def mover(driver: Driver, found: Outline) -> str:
    """A driver in words, with how long it moves."""
    if isinstance(driver, MotionTrack):
        name = "a motion track"
    elif driver in _OF_WORDS:
        return _OF_WORDS[os.fspath(driver)]
    else:
        name = os.fspath(driver)
    return f"{name}, {float(found.duration):.2f} s" if found.moves else f"{name}, a still"


def outline(driver: Driver, *, folder_fps: Fraction) -> Outline:
    """What the header of a driver says, and of a video the stamps of its first frames.

    A video of which neither says its length is decoded to its end.

    Raises:
        InputError: a file that cannot be read.
    """
    if isinstance(driver, MotionTrack):
        return _of_track(driver)
    if driver in ("hold", "zero"):
        return Outline(Fraction(0), None, False, False)
    if driver == "idle":
        return Outline(Fraction(IDLE_SECONDS), None, True, False)
    require_readable(driver)
    path = Path(driver)
    if path.suffix.lower() == ".safetensors":
        return _of_track(MotionTrack.load(path))
    from pdfgc.media.video import probe, read_frames, stamped_times

    info = probe(path, fps=folder_fps)
    stamps = stamped_times(path, _STAMPS)
    if 1 < len(stamps) < _STAMPS:
        return replace(_of_track(_stamped(stamps)), track=None)
    if info.frames is not None:
        frames = info.frames
    elif info.duration is not None:
        frames = frame_count(info.duration, info.fps)
    else:
        frames = sum(1 for _ in read_frames(path))
    if frames <= 1:
        return Outline(Fraction(0), None, False, False)
    rate = info.fps if path.is_dir() else standard_rate(info.fps)
    duration = frames / info.fps
    if stamps:
        rate = _stamped(stamps).usual_fps or rate
        duration = max(round(duration * rate), 1) / rate  # as `MotionTrack.duration`
    return Outline(duration, rate, True, True)


def check_portrait(path: str | os.PathLike[str]) -> None:
    """Raises InputError for what can be no portrait; whether it shows a face is not looked at."""
    from pdfgc.media.video import probe

    require_readable(path)
    if Path(path).is_dir():
        raise InputError(f"{os.fspath(path)} is a folder, but a portrait must be a picture or a video")
    with expecting_portrait(path):
        probe(path)


def require_readable(path: str | os.PathLike[str]) -> None:
    """Raises InputError for a file or folder that is not there or may not be read."""
    if not Path(path).exists():
        raise InputError(f"there is no file {os.fspath(path)}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{os.fspath(path)} may not be read by this user")


def _stamped(times: Sequence[Fraction]) -> MotionTrack:
    """A track of these times that stands still: tracks made of videos count their frames and rate alike."""
    return MotionTrack.from_codes({"pose": np.zeros((len(times), 6), np.float32)}, times=times)


def _of_track(track: MotionTrack) -> Outline:
    moves = len(track) > 1
    return Outline(track.duration, track.usual_fps, moves, moves, track)
