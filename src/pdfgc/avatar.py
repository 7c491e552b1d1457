"""A portrait made ready: drivers in, frames out."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pdfgc import remarks
from pdfgc.aligned import require_aligned
from pdfgc.drivers import WORDS, Driver, Drivers, Missing, MotionEncoder, Part
from pdfgc.motion import BLINK, FACTORS, GAZE, MotionTrack
from pdfgc.performance import Performance, Renderer, View, head_view, picture_view
from pdfgc.portrait import find_face, on_edge, pictures
from pdfgc.progress import track as show_progress
from pdfgc.selection import choose_drivers, driver_name, longest, stated_length
from pdfgc.strength import UNSCALED, check_strength, scaled
from pdfgc.timing import Loop, Number, check_loop, exact_rate, frame_count

if TYPE_CHECKING:
    from pdfgc.portrait import Picture


DEFAULT_FPS = Fraction(25)
"""Frames a second of the result (spec section 1)."""

MOUTH_SETTLES = 0.12
"""Seconds in which the lips go to their place in silence where a sound ends before the result."""


_NO_MESH, _NO_BLENDSHAPES = np.empty((0, 3), np.float32), np.empty(0, np.float32)
"""Of aligned pictures, in which no face is looked for; models that take those look at neither."""


_FACTOR_OF = {"gaze": "eyes", "blink": "eyes"}
"""The factor of which a slot is a part."""


class Portrait(Protocol):
    """A portrait encoded by a model."""

    @property
    def codes(self) -> Mapping[str, np.ndarray]:
        """Its own motion codes `{factor: [D]}`."""


class TalkingModel(MotionEncoder, Renderer, Protocol):
    """All that an avatar asks of a model; `pdfgc.model.Model` and `pdfgc.paper_model.PaperModel` are."""

    def encode_speech(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        """Lip codes `[n, 500]`; row i is about time i / fps of the sound (mono, 16 kHz, in blocks)."""

    @property
    def pose_in_radians(self) -> bool:
        """Whether pose codes begin with pitch, yaw and roll in radians."""

    def portrait(self, image: np.ndarray, mesh: np.ndarray, blendshapes: np.ndarray) -> Any:
        """Encodes a head crop `[S, S, 3]` uint8 with its crop mesh `[478, 3]` and blendshapes `[52]`."""


class Avatar:
    """A portrait that a model has found, cropped and encoded, once.

    Args:
        model: what renders it.
        portrait: a picture of any kind and size, a video (its first frame with a face), a PIL image, or uint8
            pixels: `[H, W, 3]` RGB, `[H, W, 4]` RGBA (laid over white, as in files) or `[H, W]` grey.
        face: which of several faces, 0 the largest.
        aligned: the portrait and the drivers of this avatar are cut as VoxCeleb's frames are (224 px folders of the
            paper's authors) and are taken as they are; for models of preset `paper`.

    Attributes:
        picture: `[H, W, 3]` uint8, the whole picture.
        box: the head's square in it.
        codes: the portrait's own motion codes `{factor: [D]}`.
        name: the picture's file name.

    Raises:
        InputError: the picture cannot be read, shows no face, or not that many; with `aligned`, it is not square.
    """

    def __init__(
        self,
        model: TalkingModel,
        portrait: Picture,
        *,
        face: int = 0,
        aligned: bool = False,
    ) -> None:
        from pdfgc.face.crop import crop, crop_mesh, visible_square
        from pdfgc.face.mesh import eye_opening
        from pdfgc.face.tracker import on_size

        self.model = model
        self.name = Path(portrait).name if isinstance(portrait, str | os.PathLike) else "picture"
        self._aligned = aligned
        self._portrait: Portrait
        self._opening = math.inf  # of the eyes; not looked at in aligned pictures
        if aligned:
            looking = require_aligned(model)
            self.picture = next(pictures(portrait))
            self.box = looking.aligned_box(self.picture.shape[1], self.picture.shape[0])
            head = looking.cut_aligned(self.picture)
            self._portrait = model.portrait(head, _NO_MESH, _NO_BLENDSHAPES)
        else:
            self.picture, found = find_face(portrait, self.name, face)
            seen = (on_size(self.name, found), remarks.on_roll(self.name, found.roll))
            remarks.note(filter(None, (*seen, on_edge(self.picture, found, self.name))))
            self.box = model.box([found])
            self._opening = float(np.mean(eye_opening(found.mesh)))
            head = crop(self.picture, self.box, model.size)
            self._portrait = model.portrait(head, crop_mesh(found.mesh, self.box), found.blendshapes)
        self._digest = hashlib.sha256(head.tobytes()).hexdigest()[:16]
        self._visible = visible_square(self.box, self.picture.shape[1], self.picture.shape[0])
        self.codes = {name: np.asarray(self._portrait.codes[name], np.float32) for name in FACTORS}

    def animate(
        self,
        *,
        audio: str | os.PathLike[str] | None = None,
        lips: Driver | None = None,
        expression: Driver | None = None,
        eyes: Driver | None = None,
        gaze: Driver | None = None,
        blink: Driver | None = None,
        pose: Driver | None = None,
        track: Driver | None = None,
        fps: Number | None = None,
        duration: Number | None = None,
        loop: Loop = "pingpong",
        missing: Missing = "hold",
        smooth: float = 1.0,
        relative_pose: bool = False,
        strength: Mapping[str, float] | None = None,
        folder_fps: Number = 25,
        size: int | None = None,
        paste_back: bool = False,
    ) -> Performance:
        """Works out the motion; the frames are rendered as the result is iterated over or saved.

        Args:
            audio: speech, a sound file or a video with sound. It moves the lips, sets the length, is heard.
            lips, expression, eyes, pose: what moves each factor: a video, a picture, a folder of numbered
                frames, a motion track, `hold` (the portrait's own), `zero` (canonical) or `idle` (eyes and
                pose only). Lips also take `audio`. Default: lips the audio where there is one, then `track`,
                then `hold`.
            gaze, blink: finer drivers, in place of those parts of the eyes.
            track: what moves every factor not named, most often the track an earlier result left beside its
                video; its length and frame rate are then the default too.
            fps: frames a second of the result, default 25.
            duration: seconds of the result. Default: the audio's; without audio that of `track` where it moves, so
                that redoing one factor keeps the length; without either the longest driver's.
            loop: what follows the end of a shorter driver.
            missing: what stands for frames of drivers that show no face.
            smooth: how much videos are smoothed in time, 1 as usual, 0 not at all.
            relative_pose: the head begins as the portrait holds it, and moves from there as the pose's driver moves
                from its own first frame. Otherwise it takes the driver's pose as it is.
            strength: how strongly `expression`, `lips` and `pose` show what drives them, 0 to 4, 1 as it is, about
                the neutral code; with `relative_pose`, and for `idle`, about the portrait's own pose. `hold`
                and `zero` stay as they are.
            folder_fps: frames a second of folders of numbered frames.
            size: side of the result in pixels (default the model's); with `paste_back` its longer side
                (default the picture's own).
            paste_back: the whole picture with the head in it, rather than the head alone.

        Raises:
            InputError: an input that cannot be used, or nothing that moves.
        """
        check_loop(loop)
        check_strength(strength or {})
        strength = {factor: float(number) for factor, number in (strength or {}).items()}
        named = {"lips": lips, "expression": expression, "eyes": eyes, "pose": pose}
        named |= {"gaze": gaze, "blink": blink}
        chosen, spoken = choose_drivers(named, track=track, has_audio=audio is not None)
        view = self.view(size, paste_back=paste_back)
        rate = None if fps is None else exact_rate(fps)
        length = stated_length(audio, duration)
        drivers = Drivers(
            self.model,
            self.codes,
            missing=missing,
            smooth=smooth,
            folder_fps=folder_fps,
            until=length,
            aligned=self._aligned,
        )
        whole = None if track is None else drivers.resolve("track", track)
        if length is None and whole is not None and whole.sets_length:
            drivers.until = length = whole.duration
        parts = {slot: drivers.resolve(slot, driver) for slot, driver in chosen.items()}
        remarks.note(
            remarks.on_drivers(
                chosen,
                parts,
                track=track,
                audio=audio,
                relative_pose=relative_pose,
                strength=strength,
                earlier=whole.track if whole else None,
            )
        )
        relative_pose = relative_pose and chosen["pose"] not in WORDS
        if relative_pose:
            parts["pose"] = _starting_at(self.codes["pose"], parts["pose"])
        else:
            self._remark_on_start(chosen["pose"], parts["pose"])
        if rate is None:
            rate = (whole.track.usual_fps if whole else None) or DEFAULT_FPS
        length = longest(parts, chosen) if length is None else length
        if duration is None:
            shorter = remarks.on_lost_length(whole.track if whole else None, audio, length, rate)
            remarks.note(filter(None, [shorter]))
        frames = frame_count(length, rate)
        codes, found = _sample(parts, rate, frames, loop)
        del drivers, parts, whole  # every factor of whole drivers, as large as the result
        if spoken and audio is not None:
            codes["lips"] = self._speak(audio, rate, frames)
        for factor, share in strength.items():
            if chosen.get(factor) not in UNSCALED:
                own = factor == "pose" and (relative_pose or chosen["pose"] == "idle")
                about = self.codes["pose"] if own else 0.0
                codes[factor] = scaled(codes[factor], share, about)
        if self.model.pose_in_radians:
            remarks.note(remarks.on_codes(self.name, self._opening, self.codes, codes))
        names = {slot: driver_name(driver) for slot, driver in chosen.items()}
        names |= {"lips": "audio"} if spoken else {}
        rendered = MotionTrack.from_codes(
            codes,
            fps=rate,
            found=found,
            metadata=self._describe(names, audio, smooth, relative_pose, strength),
        )
        return Performance(self.model, self._portrait, rendered, view, fps=rate, audio=audio)

    def view(self, size: int | None = None, *, paste_back: bool = False) -> View:
        """What of the picture is shown, and how large; arguments and errors as `animate`."""
        if paste_back:
            return picture_view(self.picture, self.box, size)
        return head_view(self.model.size if size is None else size, self.box, self._visible)

    def _speak(self, audio: str | os.PathLike[str], fps: Fraction, frames: int) -> np.ndarray:
        """Lip codes `[frames, 500]` of the sound, and of silence after its end.

        The sound is heard beyond the last frame, as far as the model's hearing reaches, and silence that the result
        adds is not heard with it: so a shorter result is the beginning of a longer one.
        """
        from pdfgc.media.audio import SPEECH_RATE, stream_audio

        codes = np.zeros((frames, FACTORS["lips"]), np.float32)
        filled = 0
        sound = _to_whole_frames(stream_audio(audio, SPEECH_RATE), SPEECH_RATE / fps)
        wave = show_progress(sound, math.ceil(frames / fps), "speech")
        for rows in self.model.encode_speech(wave, fps):
            kept = rows[: frames - filled]
            codes[filled : filled + len(kept)] = kept
            filled += len(kept)
            if filled == frames:
                return codes
        silence = np.concatenate(list(self.model.encode_speech([np.zeros(SPEECH_RATE, np.float32)], fps)))
        rest = silence[len(silence) // 2]
        share = np.minimum(np.arange(1, frames - filled + 1) / float(fps * MOUTH_SETTLES), 1)[:, None]
        codes[filled:] = (1 - share) * (codes[filled - 1] if filled else rest) + share * rest
        return codes

    def _remark_on_start(self, driver: Driver, part: Part) -> None:
        """Says so where a driver's pose, taken as it is, begins far from the portrait's."""
        if self.model.pose_in_radians and part.sets_length and not self._was_made_of(part.track):
            far = remarks.on_first_pose(driver_name(driver), self.codes["pose"], part.track.pose[0])
            remarks.note(filter(None, [far]))

    def _was_made_of(self, track: MotionTrack) -> bool:
        """Whether a track is an earlier result of this portrait, with which was said what there is to say.

        Several folders may have a photo of the same name; tracks of older versions know the name alone.
        """
        before = track.metadata
        same_name = before.get("portrait") == self.name
        return same_name and before.get("portrait_digest", self._digest) == self._digest

    def _describe(
        self,
        drivers: Mapping[str, str],
        audio: str | os.PathLike[str] | None,
        smooth: float,
        relative_pose: bool,
        strength: Mapping[str, float],
    ) -> dict[str, str]:
        """What the saved track says of itself.

        File names and a digest of the head only: folders and pictures are the maker's own business.
        """
        words = {
            "model": self.model.fingerprint,
            "preset": self.model.preset,
            "pdfgc": version("pdfgc"),
            "portrait": self.name,
            "portrait_digest": self._digest,
            "drivers": json.dumps(drivers),
            "smoothed": json.dumps(smooth),
            "relative_pose": json.dumps(relative_pose),
            "strength": json.dumps(strength),
            "note": "the motion of a synthetic video",
        }
        return words if audio is None else {**words, "audio": Path(audio).name}


def _starting_at(pose: np.ndarray, part: Part) -> Part:
    """A driver whose pose moves as before, but from `pose [6]` on. Angles are added."""
    moved = part.track.pose - part.track.pose[0] + pose
    return replace(part, track=replace(part.track, pose=moved))


def _sample(
    parts: Mapping[str, Part], fps: Fraction, frames: int, loop: Loop
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Codes `{factor: [T, D]}` at the result's frames, gaze and blink laid over the eyes, and `found [T]`."""
    codes: dict[str, np.ndarray] = {}
    found = np.ones(frames, bool)
    tracks = {id(part.track): part for part in parts.values()}
    for key, part in tracks.items():
        endless = part.moves and not part.sets_length
        slots = {slot: _FACTOR_OF.get(slot, slot) for slot, other in parts.items() if id(other.track) == key}
        sampled = part.track.resample(
            fps,
            frames=frames,
            loop="wrap" if endless else loop,  # idling ends where it begins
            factors=set(slots.values()),
        )
        found &= sampled.found
        codes |= {slot: sampled.codes[factor] for slot, factor in slots.items()}
    eyes = codes["eyes"].copy()
    for slot, dimensions in (("gaze", GAZE), ("blink", BLINK)):
        if slot in codes:
            eyes[:, dimensions] = codes.pop(slot)[:, dimensions]
    return {**codes, "eyes": eyes}, found


def _to_whole_frames(blocks: Iterable[np.ndarray], samples: Fraction) -> Iterator[np.ndarray]:
    """A wave carried on with silence to the end of its last frame; `samples` a frame."""
    count = 0
    for block in blocks:
        yield block
        count += len(block)
    yield np.zeros(math.ceil(math.ceil(count / samples) * samples) - count, np.float32)
