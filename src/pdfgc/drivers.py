"""Drivers: a video, a still, a folder of frames, a saved track or a word becomes the track of a factor."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from pdfgc.errors import InputError
from pdfgc.idle import idle_track
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.progress import track as show_progress
from pdfgc.timing import Number, exact_rate

if TYPE_CHECKING:
    from pdfgc.face.crop import CropBox
    from pdfgc.face.tracker import Face, FaceTracker

log = logging.getLogger(__name__)

Driver = str | os.PathLike[str] | MotionTrack
"""A path (video, picture, folder of numbered frames, saved track), a track, or one of `WORDS`."""

WORDS = ("hold", "zero", "idle")
"""Drivers that are no files: the portrait's own code; the canonical code, zero; gentle blinks and sway."""

Missing = Literal["hold", "skip", "fail"]
"""What a frame without a face becomes: the last face's codes; something between two faces; an error."""

IDLE_SLOTS = ("eyes", "gaze", "blink", "pose")

BATCH = 32
"""Frames encoded at once."""

BOX_FACES = 1000
"""Faces of a driver, evenly spread, whose median places the crop; all of them up to 40 s at 25 a second."""

SEARCH_PAUSE = 25
"""Frames after a thorough search in vain before the next one: it is some twenty times slower than a look."""


class MotionEncoder(Protocol):
    """The part of a model that turns faces into codes; `pdfgc.model.Model` is one."""

    @property
    def preset(self) -> str:
        """The configuration's name."""

    @property
    def fingerprint(self) -> str:
        """Differs for any two models whose codes mean different things."""

    @property
    def size(self) -> int:
        """Side of the head crop in pixels."""

    @property
    def needs_crops(self) -> bool:
        """Whether `encode_motion` looks at the pictures, not only at the meshes."""

    def encode_motion(
        self, crops: np.ndarray | None, meshes: np.ndarray, blendshapes: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Codes `{factor: [T, D]}` of head crops `[T, S, S, 3]` uint8, crop meshes and blendshapes."""

    def box(self, faces: Sequence[Face]) -> CropBox:
        """The square around the faces of a clip, or of one picture, that crops show."""

    def smooth(self, track: MotionTrack, strength: float) -> MotionTrack:
        """A driver's track smoothed in time: 1 as usual for this model, 0 not at all."""


@dataclass(frozen=True)
class Part:
    """A driver made ready.

    Attributes:
        track: its codes.
        moves: whether there is movement in it.
        sets_length: whether it may decide how long the result is.
    """

    track: MotionTrack
    moves: bool
    sets_length: bool

    @property
    def duration(self) -> Fraction:
        """Seconds, 0 for a still."""
        return self.track.duration


class Drivers:
    """Turns drivers into tracks for one portrait; every file is read once, however many factors it drives.

    Args:
        model: encodes the faces.
        own: the portrait's codes `{factor: [D]}`, which `hold` and `idle` are about.
        missing: what stands for frames without a face.
        smooth: how much drivers are smoothed, relative to the model's usual way; 0 for not at all. Saved tracks
            that were smoothed already are left alone.
        folder_fps: frames a second of folders of numbered frames.
        until: seconds of a driver that are needed, None for all of it.
        aligned: whether pictures are aligned already (`pdfgc.aligned`).

    Attributes:
        until: as given; may be set as soon as it is known.
    """

    def __init__(
        self,
        model: MotionEncoder,
        own: Mapping[str, np.ndarray],
        *,
        missing: Missing = "hold",
        smooth: float = 1.0,
        folder_fps: Number = 25,
        until: Fraction | None = None,
        aligned: bool = False,
    ) -> None:
        check_smoothing(smooth)
        self._model = model
        self._own = MotionTrack.still(own)
        self._missing: Missing = missing
        self._smooth = smooth
        self._folder_fps = folder_fps
        self.until = until
        self._aligned = aligned
        self._ready: dict[MotionTrack | str, Part] = {}

    def resolve(self, slot: str, driver: Driver) -> Part:
        """The track of a driver for a slot: a factor's name, `gaze`, `blink`, or `track` for what moves the rest.

        Raises:
            InputError: as `read_motion` and `MotionTrack.load`; for a track of another model.
        """
        if slot != "track":
            check_driver(slot, driver)
        key = driver if isinstance(driver, MotionTrack) else os.fspath(driver)
        if key not in self._ready:
            self._ready[key] = self._prepare(driver)
        return self._ready[key]

    def _prepare(self, driver: Driver) -> Part:
        if driver == "hold":
            return Part(self._own, False, False)
        if driver == "zero":
            return Part(MotionTrack.still({"pose": np.zeros(FACTORS["pose"])}), False, False)
        if driver == "idle":
            return Part(idle_track({name: codes[0] for name, codes in self._own.codes.items()}), True, False)
        track = driver if isinstance(driver, MotionTrack) else self._read(Path(driver))
        track.require_model(self._model.fingerprint)
        if "smoothed" not in track.metadata:
            track = self._model.smooth(track, self._smooth)
        moves = len(track) > 1
        return Part(track, moves, moves)

    def _read(self, path: Path) -> MotionTrack:
        if path.suffix.lower() == ".safetensors":
            return MotionTrack.load(path)
        if self._aligned:
            from pdfgc.aligned import read_aligned

            return read_aligned(path, self._model, fps=self._folder_fps, until=self.until)
        return read_motion(path, self._model, missing=self._missing, fps=self._folder_fps, until=self.until)


def check_smoothing(smooth: float) -> None:
    """Raises InputError for a factor that `Drivers` cannot smooth by."""
    if not 0 <= smooth <= 100:
        raise InputError(f"smoothing must lie between 0 (none) and 100 times the usual, not {smooth}")


def check_driver(slot: str, driver: Driver) -> None:
    """Raises InputError when a driver cannot be one; nothing is read for that."""
    if driver == "idle" and slot not in IDLE_SLOTS:
        raise InputError(f"idle moves {', '.join(IDLE_SLOTS)}, so it cannot drive the {slot}")
    require_driver(f"drive the {slot}", driver)


def check_kind(slot: str, driver: object) -> None:
    """Raises InputError for what is of no type that a driver can have."""
    if not isinstance(driver, str | os.PathLike | MotionTrack):
        raise InputError(
            f"{slot} must be a path, a MotionTrack or one of {', '.join(WORDS)}, not {type(driver).__name__}"
        )


def require_driver(purpose: str, driver: Driver) -> None:
    """Raises InputError when a driver is no track, no word and no file that exists; `purpose` names its part."""
    if isinstance(driver, MotionTrack) or driver in WORDS:
        return
    if not Path(driver).exists():
        raise InputError(
            f"there is no file {os.fspath(driver)} to {purpose}: expected a video, a picture, a "
            f"folder of frames, a motion track, or one of {', '.join(WORDS)}"
        )


def read_motion(
    path: str | os.PathLike[str],
    model: MotionEncoder,
    *,
    missing: Missing = "hold",
    fps: Number = 25,
    until: Fraction | None = None,
    tracker: FaceTracker | None = None,
) -> MotionTrack:
    """The motion codes of a video, a picture or a folder of numbered frames, frame by frame, unsmoothed.

    Of several faces the largest of the first is followed. Memory does not hold pictures, so it grows with
    length only by the codes (2.2 kB a frame).

    Args:
        path: what to read.
        model: encodes the faces.
        missing: what stands for frames without a face. `hold` repeats the last face's codes (the first one's,
            before it). With `skip` the codes run straight from the last face to the next; before the first face
            and after the last one they stand still.
        fps: frames a second of a folder.
        until: seconds that are needed; frames after the first one past that are not read.
        tracker: finds the faces, up to some at once (default: one of its own).

    Raises:
        InputError: a file that cannot be read, no face in it, or `missing` is `fail` and a frame shows none.
    """
    from pdfgc.face.tracker import FaceTracker

    if missing not in get_args(Missing):
        raise InputError(f"missing must be one of {', '.join(get_args(Missing))}, not {missing!r}")
    rate = exact_rate(fps)
    with ExitStack() as stack:
        eyes = stack.enter_context(nullcontext(tracker) if tracker else FaceTracker(max_faces=4))
        store = stack.enter_context(tempfile.TemporaryFile())
        seen = _watch(Path(path), eyes, rate, until, missing, store)
        count = int(seen.found.sum())
        if not count:
            raise InputError(f"no face was found in {path}" + _among(len(seen.found)))
        if count < len(seen.found):
            remedy = "; --missing skip passes smoothly over such frames" if missing == "hold" else ""
            log.warning(
                "%s: no face in %d of %d frames%s", path, len(seen.found) - count, len(seen.found), remedy
            )
        codes = _encode(Path(path), model, seen, rate)
    if count < len(seen.found):
        codes = _filled(codes, seen, missing)
    return MotionTrack.from_codes(
        codes,
        times=seen.times,
        found=seen.found,
        metadata={
            "model": model.fingerprint,
            "preset": model.preset,
            "source": Path(path).name,
            "frames_without_face": f"{len(seen.found) - count} ({missing})",
        },
    )


def _among(frames: int) -> str:
    return f", in none of its {frames} frames" if frames > 1 else ""


@dataclass(frozen=True)
class _Seen:
    """The faces of a driver.

    Attributes:
        times: of all frames.
        found: `[T]` bool, whether a frame shows a face.
        meshes: `[F, 478, 3]` float32, pixels, of the frames that do; mapped from a file.
        blendshapes: `[F, 52]` float32.
    """

    times: list[Fraction]
    found: np.ndarray
    meshes: np.ndarray
    blendshapes: np.ndarray


def _watch(
    path: Path,
    tracker: FaceTracker,
    fps: Fraction,
    until: Fraction | None,
    missing: Missing,
    store: IO[bytes],
) -> _Seen:
    """Looks at every frame once; the meshes (5.7 kB a frame) go to `store`."""
    from pdfgc.face.tracker import on_size

    times: list[Fraction] = []
    found: list[bool] = []
    blendshapes: list[np.ndarray] = []
    follower = _Follower(tracker)
    small: str | None = None
    for image, time in frames_until(path, fps, until, f"faces of {path.name}"):
        face = follower.look(image)
        times.append(time)
        found.append(face is not None)
        if face is not None:
            if small is None and (small := on_size(path.name, face)):
                log.warning("%s", small)
            store.write(face.mesh.astype(np.float32).tobytes())
            blendshapes.append(face.blendshapes)
        elif missing == "fail":
            raise InputError(f"{path} shows no face at {float(time):.2f} s (frame {len(found)})")
    store.flush()
    shape = (len(blendshapes), 478, 3)
    meshes = np.memmap(store, np.float32, "r", shape=shape) if blendshapes else np.zeros(shape, np.float32)
    return _Seen(times, np.array(found), meshes, np.array(blendshapes, np.float32))


def frames_until(
    path: Path, fps: Fraction, until: Fraction | None, description: str
) -> Iterator[tuple[np.ndarray, Fraction]]:
    """Pictures and times up to the first one at or after `until`, under a progress bar."""
    from pdfgc.media.video import probe, read_frames

    for frame in show_progress(read_frames(path, fps=fps), probe(path, fps=fps).frames, description):
        yield frame.image, frame.time
        if until is not None and frame.time >= until:
            return


class _Follower:
    """Finds the same face from frame to frame, and spares long searches where there is none."""

    def __init__(self, tracker: FaceTracker) -> None:
        self._tracker = tracker
        self._last: Face | None = None
        self._pause = 0

    def look(self, image: np.ndarray) -> Face | None:
        """The face in a picture: nearest to the last one, or the largest where that one is gone."""
        from pdfgc.face.tracker import SMALL_FACE

        small = self._last is not None and self._last.size < SMALL_FACE
        thorough = not self._pause and (self._last is None or small)
        faces = self._tracker.detect(image, thorough=thorough)
        if not faces and not thorough and not self._pause:
            thorough = True
            faces = self._tracker.detect(image)
        if not faces:
            self._pause = SEARCH_PAUSE if thorough else self._pause - 1
            return None
        self._pause = 0
        self._last = self._choose(faces)
        return self._last

    def _choose(self, faces: list[Face]) -> Face:
        last = self._last
        if last is None:
            return faces[0]
        gaps = [float(np.linalg.norm((face.mesh - last.mesh)[:, :2].mean(0))) for face in faces]
        nearest = int(np.argmin(gaps))
        return faces[nearest] if gaps[nearest] < last.size else faces[0]


def _encode(path: Path, model: MotionEncoder, seen: _Seen, fps: Fraction) -> dict[str, np.ndarray]:
    """Codes `{factor: [F, D]}` of the frames with a face."""
    from pdfgc.face.crop import crop_mesh
    from pdfgc.face.tracker import Face

    count = len(seen.meshes)
    sample = np.unique(np.linspace(0, count - 1, min(count, BOX_FACES)).round().astype(int))
    box = model.box([Face(np.array(seen.meshes[n]), seen.blendshapes[n], np.eye(4)) for n in sample])
    codes = {name: np.empty((count, size), np.float32) for name, size in FACTORS.items()}
    pictures = _crops(path, seen, fps, box, model.size) if model.needs_crops else None
    for start in range(0, count, BATCH):
        part = slice(start, min(start + BATCH, count))
        crops = np.stack(list(islice(pictures, part.stop - start))) if pictures is not None else None
        meshes = crop_mesh(np.array(seen.meshes[part]), box)
        for name, values in model.encode_motion(crops, meshes, seen.blendshapes[part]).items():
            codes[name][part] = values
    return codes


def _crops(path: Path, seen: _Seen, fps: Fraction, box: CropBox, size: int) -> Iterator[np.ndarray]:
    """Head crops of the frames with a face; decoded a second time, for only now the box is known."""
    from pdfgc.face.crop import crop

    frames = frames_until(path, fps, seen.times[-1], f"motion of {path.name}")
    for (image, _), found in zip(frames, seen.found, strict=True):
        if found:
            yield crop(image, box, size)


def _filled(codes: Mapping[str, np.ndarray], seen: _Seen, missing: Missing) -> dict[str, np.ndarray]:
    """Codes `{factor: [T, D]}` of all frames, from those `{factor: [F, D]}` of the frames with a face."""
    before = np.maximum(np.cumsum(seen.found) - 1, 0)
    filled = {name: values[before] for name, values in codes.items()}
    if missing == "skip":
        with_face = np.flatnonzero(seen.found)
        between = np.flatnonzero(~seen.found)
        between = between[(between > with_face[0]) & (between < with_face[-1])]
        times = np.array([float(time) for time in seen.times])
        last, following = with_face[before[between]], with_face[before[between] + 1]
        share = ((times[between] - times[last]) / (times[following] - times[last])).astype(np.float32)
        for name, values in codes.items():
            step = values[before[between] + 1] - values[before[between]]
            filled[name][between] += share[:, None] * step
    return filled
