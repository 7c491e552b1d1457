"""Makes the videos that protocols score: results of a model, and the true clips framed as the results are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdfgc import remarks
from pdfgc.errors import InputError
from pdfgc.evaluation.bench import MOMENT, Puppet, Puppeteer
from pdfgc.evaluation.datasets import SourceClip
from pdfgc.evaluation.digests import rendering_digest
from pdfgc.evaluation.evidence import Tracker
from pdfgc.evaluation.portraits import find_portrait
from pdfgc.evaluation.store import ArrayStore
from pdfgc.files import write_text
from pdfgc.report_folders import make_marked

if TYPE_CHECKING:
    from pdfgc.face.crop import CropBox

SIDE = 256
"""Pixels of the true clips' head crops, those of a usual result."""

QUALITY = 12
"""Constant rate factor of every written video: next to nothing is lost."""

BOX_STRIDE = 5
"""Every how many frames the face is looked for to place the head crop, which is a median."""


@dataclass(frozen=True)
class Portrait:
    """A picture that is to be animated.

    Attributes:
        picture: the file.
        frame: number of the clip's frame that it is, or None for a picture.
        box: left, top, side of the head crop, pixels of the picture.
        visible: the part of the box that results show: left, top, side in parts of its side.
    """

    picture: Path
    frame: int | None
    box: tuple[float, float, float]
    visible: tuple[float, float, float]


@dataclass(frozen=True)
class Truth:
    """A true clip, cut and cropped.

    Attributes:
        video: the file.
        frames: how many it has.
        fps: frames a second.
        crop: left, top, side of what it shows, pixels of the clip.
    """

    video: Path
    frames: int
    fps: Fraction
    crop: tuple[float, float, float]


class Studio:
    """Makes videos, each once: one whose inputs have not changed is not made again.

    Args:
        model: makes the avatars.
        weights: differs for any two models that would render anything differently.
        tracker: finds faces.
        store: knows the digests of files.
        folder: where the videos go: `portraits`, `truth`, `generated`.
        seconds: longest stretch of a clip that is used.
    """

    def __init__(
        self,
        model: Puppeteer,
        weights: str,
        tracker: Tracker,
        store: ArrayStore,
        folder: Path,
        seconds: float,
    ) -> None:
        self.model = model
        self.weights = weights
        self.tracker = tracker
        self.store = store
        self.seconds = seconds
        self.folder = folder
        for name in ("portraits", "truth", "generated"):
            make_marked(folder / name)
        self._avatar: tuple[Path, Puppet] | None = None

    def portrait(self, source: Path) -> Portrait:
        """The portrait of a picture, or of a clip (its first frame with a face, written as PNG).

        Raises:
            InputError: there is no face.
        """
        from pdfgc.face.crop import head_box, visible_square

        found = find_portrait(source, self.tracker, self.folder / "portraits", self.store.digest(source))
        box = head_box([found.face])
        shown = visible_square(box, found.image.shape[1], found.image.shape[0])
        part = ((shown.left - box.left) / box.side, (shown.top - box.top) / box.side, shown.side / box.side)
        return Portrait(found.picture, found.frame, (box.left, box.top, box.side), part)

    def truth(self, clip: SourceClip, portrait: Portrait | None = None) -> Truth:
        """The clip's first `seconds`, cropped as a result that it drives is framed, with its sound.

        A driver's codes are relative to its own head crop (one box a clip), so that is where a perfect result has
        its head, whatever box the portrait has; of that box, the part is shown that the portrait shows.

        Args:
            clip: the clip, as `heard` gives it.
            portrait: of the result that it is compared with, if that leaves parts of its head crop out.

        Raises:
            InputError: the clip cannot be read or shows no face.
        """
        from pdfgc.face.crop import CropBox
        from pdfgc.media.video import probe

        info = probe(clip.video)
        box = self._clip_box(clip.video)
        left, top, side = (0.0, 0.0, 1.0) if portrait is None else portrait.visible
        shown = CropBox(box.left + left * box.side, box.top + top * box.side, side * box.side)
        path = self.folder / "truth" / f"{clip.name}.mp4"
        described = {
            "clip": self.store.digest(clip.video),
            "sound": None if clip.sound is None else self.store.digest(clip.sound),
            "seconds": self.seconds,
            "crop": [shown.left, shown.top, shown.side],
        }
        frames = self._cropped(clip.video, shown)
        count = self._make(path, described, frames, info.fps, clip.sound)
        return Truth(path, count, info.fps, (shown.left, shown.top, shown.side))

    def perform(
        self,
        name: str,
        portrait: Portrait,
        drivers: dict[str, str],
        fps: Fraction,
        frames: int,
        sound: Path | None,
    ) -> Path:
        """The video of a portrait under drivers.

        Args:
            name: of the file, without suffix.
            portrait: what is animated.
            drivers: argument of `animate` -> path or word.
            fps: frames a second.
            frames: how many.
            sound: what is heard.
        """
        path = self.folder / "generated" / f"{name}.mp4"
        described = {
            "weights": self.weights,
            "code": rendering_digest(),
            "portrait": self.store.digest(portrait.picture),
            "drivers": self.store.digests(drivers),
            "fps": str(fps),
            "frames": frames,
            "sound": None if sound is None else self.store.digest(sound),
        }
        self._make(path, described, self._rendered(portrait.picture, drivers, fps, frames), fps, sound)
        return path

    def _make(
        self,
        path: Path,
        described: dict[str, Any],
        frames: Iterator[np.ndarray],
        fps: Fraction,
        sound: Path | None,
    ) -> int:
        """Writes a video unless it is there already; how many frames it has."""
        text = json.dumps(described | {"quality": QUALITY}, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        note = path.with_suffix(".json")
        if path.exists() and note.exists():
            known = json.loads(note.read_text(encoding="utf-8"))
            if known["key"] == key:
                return int(known["frames"])
        note.unlink(missing_ok=True)  # or a kill between the two would leave this video under another's note
        count = _write(path, frames, fps, sound)
        write_text(note, json.dumps({"key": key, "frames": count, "from": described}, indent=1) + "\n")
        return count

    def _rendered(
        self, portrait: Path, drivers: dict[str, str], fps: Fraction, frames: int
    ) -> Iterator[np.ndarray]:
        if self._avatar is None or self._avatar[0] != portrait:
            self._avatar = (portrait, self.model.avatar(portrait))
        with remarks.unsaid():
            rendered = self._avatar[1].animate(**drivers, fps=fps, duration=frames / fps)
        yield from islice(rendered, frames)

    def _cropped(self, video: Path, box: CropBox) -> Iterator[np.ndarray]:
        from pdfgc.face.crop import crop
        from pdfgc.media.video import read_frames

        for frame in read_frames(video):
            if float(frame.time) > self.seconds - MOMENT:
                return
            yield crop(frame.image, box, SIDE)

    def _clip_box(self, video: Path) -> CropBox:
        from pdfgc.face.crop import head_box
        from pdfgc.media.video import read_frames

        faces = []
        for number, frame in enumerate(read_frames(video)):
            if float(frame.time) > self.seconds - MOMENT:
                break
            if number % BOX_STRIDE == 0 and (found := self.tracker.detect(frame.image)):
                faces.append(found[0])
        if not faces:
            raise InputError(f"found no face in {video}")
        return head_box(faces)


def describe(portrait: Portrait) -> dict[str, Any]:
    """A portrait for the report, the picture by its name."""
    return asdict(portrait) | {"picture": portrait.picture.name}


def heard(clip: SourceClip) -> SourceClip:
    """The clip with its sound's file, or without one where nothing can be heard in it."""
    from pdfgc.media.audio import check_sound

    if clip.sound is None:
        return clip
    try:
        check_sound(clip.sound)
    except InputError:
        return replace(clip, sound=None)
    return clip


def _write(path: Path, frames: Iterator[np.ndarray], fps: Fraction, sound: Path | None) -> int:
    from pdfgc.media.audio import AudioSource
    from pdfgc.media.writer import VideoWriter

    first = next(frames, None)
    if first is None:
        raise InputError(f"expected at least one frame for {path.name}, got none")
    height, width = first.shape[:2]
    source = None if sound is None else AudioSource(sound)
    count = 1
    with VideoWriter(path, width=width, height=height, fps=fps, audio=source, quality=QUALITY) as writer:
        writer.write(first)
        for frame in frames:
            writer.write(frame)
            count += 1
    return count
