"""One video to prepared clips: track the face, judge, crop, and cut the sound to match.

A video is worked through in parts of bounded length, each with one fixed crop box, so memory does not grow
with the video's length. Every part is decoded twice: the crop box is known only when the last face of the
part is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from pdfgc.data.clips import AUDIO_RATE, ClipInfo, write_clip
from pdfgc.face.crop import CropBox, crop, crop_mesh, head_box
from pdfgc.face.tracker import Face, FaceTracker
from pdfgc.media.audio import stream_audio
from pdfgc.media.video import Frame, probe, read_frames


@dataclass(frozen=True)
class TrackingSettings:
    """Sizes of prepared clips and limits for what is kept."""

    size: int = 256
    """Side of the stored head crops in pixels."""
    quality: int = 93
    """JPEG quality of the stored crops, 0..100."""
    pictures: bool = True
    """Whether head crops are stored at all."""
    longest: int = 1500
    """Frames of one clip; longer videos give several."""
    shortest: int = 10
    """Frames with a face that a clip must have."""
    found: float = 0.8
    """Share of frames that must have a face."""
    smallest: float = 48.0
    """Height of the face in pixels, below which a clip is rejected."""
    jump: float = 0.5
    """Movement of the face between neighbouring frames, in face heights, that is taken for a cut."""


@dataclass(frozen=True)
class Rejection:
    """Why a part of a video is not used."""

    reason: str
    """`unreadable`, `no face`, `too short`, `tiny face`, `cut`."""
    detail: str
    """The measurement that decided it."""


@dataclass(frozen=True)
class Part:
    """A prepared clip, not yet written."""

    info: ClipInfo
    tensors: dict[str, np.ndarray]
    seconds: float

    def write(self, path: Path) -> None:
        """Writes it as a clip file."""
        write_clip(path, self.info, self.tensors)


@dataclass(frozen=True)
class Tracked:
    """One frame's time and face; its picture is already gone."""

    number: int
    time: Fraction
    size: tuple[int, int]
    face: Face | None


def prepare_video(video: Path, settings: TrackingSettings) -> Iterator[Part | Rejection]:
    """The parts of a video in order, prepared or rejected. Identity and labels are left for the caller.

    Raises:
        InputError: when the video cannot be read.
    """
    has_sound = probe(video).has_audio
    tracked = _track(read_frames(video))
    pictures = read_frames(video) if settings.pictures else iter(())
    sound = _Sound(video) if has_sound else None
    while frames := list(islice(tracked, settings.longest)):
        same = islice(pictures, len(frames))
        yield judge(frames, settings) or _make_part(frames, same, sound, settings)
        for _ in same:  # the frames that were not needed, so that the next part begins where it should
            pass


def judge(frames: list[Tracked], settings: TrackingSettings) -> Rejection | None:
    """Why a part should not be used, or None when it is good."""
    found = [frame for frame in frames if frame.face is not None]
    share = len(found) / len(frames)
    if share < settings.found:
        return Rejection("no face", f"a face in {share:.0%} of {len(frames)} frames")
    if len(found) < settings.shortest:
        return Rejection("too short", f"{len(found)} frames")
    heights = np.array([frame.face.size for frame in found if frame.face is not None])
    height = float(np.median(heights))
    if height < settings.smallest:
        return Rejection("tiny face", f"{height:.0f} pixels high")
    centres = np.array([frame.face.mesh[:468, :2].mean(0) for frame in found if frame.face is not None])
    gaps = np.diff([frame.number for frame in found])
    moved = np.linalg.norm(np.diff(centres, axis=0), axis=1) / height / gaps
    grown = np.abs(np.diff(np.log(heights))) / gaps
    jump = np.maximum(moved, grown)
    if jump.size and float(jump.max()) > settings.jump:
        place = found[int(jump.argmax()) + 1]
        return Rejection(
            "cut", f"the face jumps {float(jump.max()):.2f} heights at {float(place.time):.2f} s"
        )
    return None


def _track(frames: Iterator[Frame]) -> Iterator[Tracked]:
    tracker = _tracker()
    for number, frame in enumerate(frames):
        height, width = frame.image.shape[:2]
        faces = tracker.detect(frame.image, thorough=False)
        yield Tracked(number, frame.time, (width, height), faces[0] if faces else None)


@cache
def _tracker() -> FaceTracker:
    """One tracker a process: building its networks takes longer than a short clip."""
    return FaceTracker(max_faces=1)


def _make_part(
    frames: list[Tracked], pictures: Iterator[Frame], sound: _Sound | None, settings: TrackingSettings
) -> Part:
    found = [(frame, frame.face) for frame in frames if frame.face is not None]
    faces = [face for _, face in found]
    box = head_box(faces)
    start, end = frames[0].time, frames[-1].time + _frame_time(frames)
    times = [frame.time - start for frame, _ in found]
    time_base = Fraction(1, math.lcm(*(time.denominator for time in times)))
    blobs = _encode(frames, pictures, box, settings) if settings.pictures else []
    samples = sound.read(start, end) if sound else np.zeros(0, np.int16)
    tensors = {
        "pictures": np.concatenate(blobs) if blobs else np.zeros(0, np.uint8),
        "picture_offsets": np.cumsum([0, *map(len, blobs)]).astype(np.int64),
        "mesh": np.stack([crop_mesh(face.mesh, box) for face in faces]).astype(np.float32),
        "blendshapes": np.stack([face.blendshapes for face in faces]).astype(np.float32),
        "matrices": np.stack([face.matrix for face in faces]).astype(np.float32),
        "ticks": np.array([int(time / time_base) for time in times], np.int64),
        "frames": np.array([frame.number for frame, _ in found], np.int64),
        "audio": samples,
    }
    info = ClipInfo(
        identity="",
        source="",
        time_base=time_base,
        crop=(float(box.left), float(box.top), float(box.side)),
        video_size=frames[0].size,
        picture_size=settings.size,
        frames=len(found),
        has_pictures=bool(blobs),
        samples=len(samples),
        start=start,
    )
    return Part(info, tensors, float(end - start))


def _frame_time(frames: list[Tracked]) -> Fraction:
    """How long the last frame is shown: as long as the average one; a single frame, a 25th of a second."""
    if len(frames) < 2:
        return Fraction(1, 25)
    return (frames[-1].time - frames[0].time) / (len(frames) - 1)


def _encode(
    frames: list[Tracked], pictures: Iterator[Frame], box: CropBox, settings: TrackingSettings
) -> list[np.ndarray]:
    """JPEG files of the head crops of the frames with a face."""
    import cv2

    blobs = []
    for frame, picture in zip(frames, pictures, strict=True):
        if frame.face is not None:
            head = crop(picture.image, box, settings.size)
            quality = [cv2.IMWRITE_JPEG_QUALITY, settings.quality]
            blobs.append(cv2.imencode(".jpg", head[..., ::-1], quality)[1].ravel())
    return blobs


class _Sound:
    """The sound of a video, read forwards in pieces that may overlap a little."""

    def __init__(self, video: Path) -> None:
        self._blocks = stream_audio(video, AUDIO_RATE)
        self._kept = np.zeros(0, np.float32)
        self._first = 0
        """The sample number of `_kept[0]`."""

    def read(self, start: Fraction, end: Fraction) -> np.ndarray:
        """int16 samples from `start` to `end` in seconds; fewer where the sound ends earlier."""
        first, last = round(start * AUDIO_RATE), round(end * AUDIO_RATE)
        while self._first + len(self._kept) < last:
            block = next(self._blocks, None)
            if block is None:
                break
            self._kept = np.concatenate([self._kept, block])
            self._drop_before(first)
        self._drop_before(first)
        samples = self._kept[: max(last - self._first, 0)]
        return np.round(samples * 32767).astype(np.int16)

    def _drop_before(self, sample: int) -> None:
        drop = min(max(sample - self._first, 0), len(self._kept))
        self._kept = self._kept[drop:]
        self._first += drop
