"""Remarks on a performance: what can be made as it was asked for, but most likely is not what was wanted."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from pdfgc.drivers import WORDS, Driver
from pdfgc.motion import MotionTrack
from pdfgc.strength import UNSCALED
from pdfgc.wording import counted

log = logging.getLogger(__name__)

FAR_TURN = 30.0
"""Degrees between the pose that is rendered and the portrait's own from which on pictures tear."""

FAR_SHIFT = 0.45
"""Crop units (2 are the side of the head crop) from the portrait's own place from which on scraps of the head stay
behind and the shoulders tear."""

FAR_SIZE = 0.35
"""Natural logarithm of the head's size relative to the portrait's from which on it is the same: 0.7 and 1.4 times."""

NARROW = 0.19
"""Opening of the lids over the eye's width (`face.mesh.eye_opening`) under which a portrait shows little of the eye; of
640 portraits 2 % are."""

OPENS = 0.15
"""Score of `eyeBlink` by which lids must open beyond the portrait's own to be remarked on."""

FAR_START = 12.0
"""Degrees between a driver's first pose and the portrait's own at which the head visibly jumps."""

ON_ITS_SIDE = 45.0
"""Degrees of roll from which on a photo is turned wrongly rather than a head tilted."""

_ANGLES = ("pitch", "yaw", "roll")

_SILENT = 10 ** (-70 / 20)
"""RMS, -70 dBFS: what is below is silence to `silence.speech_share`, however quiet the whole sound is."""

_WINDOW = 320  # samples, 20 ms

_LISTENED = 20
"""Seconds of a sound in which a voice is looked for: a second's work, half of it reading the detector."""

_VOICE = 0.3
"""Mean probability of a voice (`data.voice.voice_share`) under which a sound is music or noise: music and chords have
0.05, whispering and shouting 0.6 at least, speech of thirteen languages, robots' too, 0.9."""

_NO_NUMBERS = 10
"""So many times more numbers missing than there are, and pictures are not numbered but happen to end in digits."""


class Moving(Protocol):
    """A driver as far as remarks are concerned: `drivers.Part`, `planning.Outline`."""

    @property
    def moves(self) -> bool:
        """Whether there is movement in it."""


def note(sentences: Iterable[str]) -> None:
    """Logs remarks, one warning each."""
    for sentence in sentences:
        log.warning("%s", sentence)


@contextmanager
def unsaid() -> Iterator[None]:
    """No remarks in here: measurements ask for extremes on purpose."""
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def on_drivers(
    chosen: Mapping[str, Driver],
    parts: Mapping[str, Moving],
    *,
    track: Driver | None = None,
    audio: str | os.PathLike[str] | None = None,
    relative_pose: bool = False,
    strength: Mapping[str, float] | None = None,
    earlier: MotionTrack | None = None,
) -> Iterator[str]:
    """What headers tell already, so that a dry run says it too.

    Args:
        chosen: the driver of each slot, `lips` among them unless the audio moves them.
        parts: the same, looked at.
        track: what moves the slots that are not named.
        audio: the speech.
        relative_pose, strength: as `Avatar.animate`.
        earlier: what `track` is, where it is a saved track.

    Raises:
        InputError: a driver or a sound that cannot be read.
    """
    paths = dict.fromkeys(path for path in map(_path, [*chosen.values(), track]) if path is not None)
    yield from filter(None, (on_gaps(path) for path in paths if path.is_dir()))
    if relative_pose and chosen["pose"] in WORDS:
        yield f"--relative-pose changes nothing: the pose follows no clip or track ({_name(chosen['pose'])})"
    elif relative_pose and not parts["pose"].moves:
        yield (
            f"--relative-pose: {_name(chosen['pose'])} does not move, so the head stays as the portrait holds it"
        )
    for factor in strength or {}:
        if chosen.get(factor) in UNSCALED:
            yield f"a strength for the {factor} changes nothing: what drives it is {_name(chosen[factor])}"
    if audio is None:
        yield from _on_unheard([_path(chosen["lips"]), _path(track)])
    elif "lips" not in chosen:
        yield from filter(None, [on_speech(audio), on_lost_strength(earlier, strength or {})])


def on_lost_strength(earlier: MotionTrack | None, strength: Mapping[str, float]) -> str | None:
    """A remark on lips worked out anew from the speech that an earlier result showed weaker or stronger."""
    before = _strength_of_lips(earlier)
    if before == 1 or "lips" in strength:
        return None
    return (
        f"the earlier result had lips {before:g} times as strong; now they come from the speech as they are: "
        f"--strength lips={before:g} makes them so again"
    )


def on_lost_length(
    earlier: MotionTrack | None, audio: str | os.PathLike[str] | None, seconds: Fraction, fps: Fraction
) -> str | None:
    """A remark on an earlier result of the same sound that was shorter or longer.

    Args:
        earlier: the result's track.
        audio: the sound, which sets the length now.
        seconds: that length.
        fps: of the result, whose frames round it.
    """
    if earlier is None or audio is None or earlier.metadata.get("audio") != Path(audio).name:
        return None
    if abs(earlier.duration - seconds) * fps <= 1:
        return None
    before = math.floor(earlier.duration * 1000) / 1000  # not rounded up, which could make a frame more
    return (
        f"the earlier result was {before:g} s long, the sound lasts {float(seconds):.2f} s and sets the length now: "
        f"--duration {before:g} keeps it"
    )


def on_gaps(folder: Path) -> str | None:
    """A remark on a folder of pictures whose numbers leave some out; an even stride leaves none out.

    Raises:
        InputError: the folder cannot be listed.
    """
    from pdfgc.media.images import list_frames

    found = [re.search(r"([0-9]+)[^0-9]*$", file.stem) for file in list_frames(folder)]
    numbers = sorted({int(match[1]) for match in found if match})
    if len(numbers) < 3:
        return None
    steps = [after - before for before, after in pairwise(numbers)]
    usual = min(steps)
    missing = sum(step // usual - 1 for step in steps)
    if not 0 < missing <= _NO_NUMBERS * len(numbers):
        return None
    first = next(number for number, step in zip(numbers, steps, strict=False) if step > usual) + usual
    return (
        f"the numbered frames of {folder} have gaps: {counted(missing, 'number')} from {first} on "
        f"{'is' if missing == 1 else 'are'} missing, and what follows moves up"
    )


def on_speech(audio: str | os.PathLike[str]) -> str | None:
    """A remark on a sound that is silent, or in which no voice is heard.

    Raises:
        InputError: the sound cannot be read.
    """
    from pdfgc.data.voice import voice_share

    wave = _beginning(audio)
    if not len(wave):
        return f"the sound of {os.fspath(audio)} is silent: nothing in it moves the lips"
    if voice_share(wave) >= _VOICE:
        return None
    return f"no voice is heard in {os.fspath(audio)}: music and noise move the lips too, like no speech"


def _beginning(audio: str | os.PathLike[str]) -> np.ndarray:
    """`[N]` the first seconds of a sound at 16 kHz from where it is loud enough to be heard; none of silence."""
    from pdfgc.media.audio import SPEECH_RATE, stream_audio

    blocks: list[np.ndarray] = []
    for block in stream_audio(audio, SPEECH_RATE):
        windows = np.pad(block, (0, -len(block) % _WINDOW)).reshape(-1, _WINDOW)
        if blocks or np.square(windows).mean(1).max() > _SILENT**2:
            blocks.append(block)
        if sum(map(len, blocks)) >= _LISTENED * SPEECH_RATE:
            break
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32)


def on_first_pose(name: str, own: np.ndarray, first: np.ndarray) -> str | None:
    """A remark on a driver that begins far from the portrait's pose.

    Args:
        name: the driver's.
        own: `[6]` the portrait's pose, radians first.
        first: `[6]` the driver's first.
    """
    apart = _apart(own, first)
    if apart.max() <= FAR_START:
        return None
    return (
        f"the head of {name} begins {apart.max():.0f} degrees ({_ANGLES[int(apart.argmax())]}) away from the "
        "portrait's, and so does the result; with --relative-pose (from Python: relative_pose=True) it begins as the "
        "portrait is"
    )


def on_codes(
    name: str, opening: float, own: Mapping[str, np.ndarray], codes: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """What is asked of a portrait beyond what it shows.

    Args:
        name: the portrait's.
        opening: of its lids, as in `on_opened_eyes`.
        own: its codes `{factor: [D]}`; poses begin with radians, eyes with the scores of `eyeBlink`.
        codes: the result's, `{factor: [T, D]}`.
    """
    yield from filter(None, [on_turn(own["pose"], codes["pose"]), on_shift(own["pose"], codes["pose"])])
    yield from filter(None, [on_opened_eyes(name, opening, own["eyes"], codes["eyes"])])


def on_turn(own: np.ndarray, poses: np.ndarray) -> str | None:
    """A remark on poses that the portrait is too far from.

    Args:
        own: `[6]` the portrait's pose, radians first.
        poses: `[T, 6]` those of the result.
    """
    apart = _apart(own, poses)
    far = int((apart > FAR_TURN).any(1).sum())
    if not far:
        return None
    _, angle = np.unravel_index(int(apart.argmax()), apart.shape)
    return (
        f"the head turns up to {apart.max():.0f} degrees ({_ANGLES[int(angle)]}) away from how the portrait holds it; "
        f"beyond {FAR_TURN:.0f} degrees, in {far} of {counted(len(apart), 'frame')}, the picture tears"
    )


def on_shift(own: np.ndarray, poses: np.ndarray) -> str | None:
    """A remark on a head that goes far from the place or the size that it has in the portrait.

    Args:
        own: `[6]` the portrait's pose; place in crop units and logarithm of the scale are the last three.
        poses: `[T, 6]` those of the result.
    """
    away = np.asarray(poses[:, 3:], np.float64) - own[3:]
    shift, size = np.hypot(away[:, 0], away[:, 1]), away[:, 2]
    far = (shift > FAR_SHIFT) | (np.abs(size) > FAR_SIZE)
    if not far.any():
        return None
    what = []
    if shift.max() > FAR_SHIFT:
        what.append(f"moves by up to {shift.max() / 2:.0%} of the frame's side")
    if np.abs(size).max() > FAR_SIZE:
        what.append(f"becomes {np.exp(size[np.abs(size).argmax()]):.2g} times as large")
    return (
        f"the head {' and '.join(what)} against the portrait's; in {far.sum()} of {counted(len(far), 'frame')} that is "
        "too far, and scraps of it stay behind"
    )


def on_opened_eyes(name: str, opening: float, own: np.ndarray, eyes: np.ndarray) -> str | None:
    """A remark on eyes that open although their portrait hardly shows them.

    Args:
        name: the portrait's.
        opening: of its lids, over the eye's width.
        own: `[6]` its eye code, which begins with the scores of `eyeBlink`.
        eyes: `[T, 6]` the result's.
    """
    if opening >= NARROW or (own[:2] - eyes[:, :2]).max() < OPENS:
        return None
    return (
        f"the eyes of {name} are narrow or shut; where they open wider, what they look like has to be made up "
        "(--blink idle or --blink hold keeps the lids as they are)"
    )


def on_roll(name: str, roll: float) -> str | None:
    """A remark on a face that lies on its side; `roll` in degrees.

    One that is upside down is not told from an upright one: the tracker reads it with mouth and brows exchanged.
    """
    if abs(roll) <= ON_ITS_SIDE:
        return None
    return (
        f"the face in {name} lies on its side ({abs(roll):.0f} degrees), and the result will be poor; turn the photo "
        "upright"
    )


def _on_unheard(sources: Iterable[Path | None]) -> Iterator[str]:
    """A remark on a video whose sound nobody will hear."""
    from pdfgc.media.video import probe

    for path in dict.fromkeys(sources):
        if path is None or path.is_dir() or path.suffix.lower() == ".safetensors":
            continue
        if probe(path).has_audio:
            yield (
                f"the result is silent although {path} has sound: --audio {path} makes it heard, "
                f"and with --lips {path} the lips stay the performer's own"
            )
            return


def _apart(own: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Angles `[..., 3]` in degrees between poses, the short way round."""
    turn = np.asarray(poses[..., :3], np.float64) - own[:3]
    return np.degrees(np.abs((turn + math.pi) % (2 * math.pi) - math.pi))


def _strength_of_lips(earlier: MotionTrack | None) -> float:
    """How strongly the lips of a result showed what drove them, by its track; 1 for other tracks."""
    if earlier is None:
        return 1.0
    try:
        return float(json.loads(earlier.metadata["strength"])["lips"])
    except (KeyError, TypeError, ValueError):  # a track of a clip, or somebody else's words
        return 1.0


def _path(driver: Driver | None) -> Path | None:
    """The file or folder of a driver, if it is one."""
    if driver is None or isinstance(driver, MotionTrack) or driver in WORDS:
        return None
    return Path(driver)


def _name(driver: Driver) -> str:
    return "a track" if isinstance(driver, MotionTrack) else os.fspath(driver)
