"""One video to prepared clips: track the face, judge, crop, and cut the sound to match.

A video is worked through in parts of bounded length that end at cuts, each with one fixed crop box, so memory does
not grow with the video's length. Every part is decoded twice: the crop box is known only when the last face of the
part is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from pdfgc.data.clip_sound import NO_SOUND, ClipSound, SoundReader, clip_sound
from pdfgc.data.clips import ClipInfo, write_clip
from pdfgc.data.face_boxes import Annotation
from pdfgc.data.filters import judge
from pdfgc.data.rejection import Rejection
from pdfgc.data.settings import PrepareSettings
from pdfgc.data.sound_offset import REACH, SoundOffset, estimate_offset, listener
from pdfgc.data.tracking import Tracked, split_parts, track_faces
from pdfgc.face.crop import CropBox, crop, crop_mesh, head_box
from pdfgc.face.paper_view import view_box
from pdfgc.face.tracker import Face
from pdfgc.media.video import probe, read_frames


@dataclass(frozen=True)
class PreparedClip:
    """A clip, not yet written."""

    info: ClipInfo
    """Identity, source and labels are left for the caller."""
    tensors: dict[str, np.ndarray]
    seconds: float

    def write(self, path: Path) -> None:
        """Writes it as a clip file."""
        write_clip(path, self.info, self.tensors)


@dataclass(frozen=True)
class Part:
    """What became of a stretch of a video."""

    end: int
    """Number of the first frame after it."""
    clip: PreparedClip | None
    rejections: tuple[Rejection, ...]
    """Why there is no clip, or why the clip has no sound."""


def prepare_video(
    video: Path,
    settings: PrepareSettings,
    *,
    sound: Path | None = None,
    annotation: Annotation | None = None,
    first: int = 0,
) -> Iterator[Part]:
    """The parts of a video in order.

    Args:
        video: any that can be decoded.
        settings: sizes and limits.
        sound: a file with the sound, for a video that has none.
        annotation: which stretch of the video counts, and which face; all of it without.
        first: the frame to begin with, an earlier part's `end`.

    Raises:
        InputError: when the video or the sound cannot be read.
    """
    heard = video if probe(video).has_audio else sound
    reader = SoundReader(heard) if heard else None
    start = annotation.start if annotation else Fraction(0)
    pictures = _Pictures(video, start)
    tracked = track_faces(read_frames(video, start=start), annotation, first)
    for frames in split_parts(tracked, settings.longest):
        yield _prepare_part(frames, pictures, reader, settings)


def _prepare_part(
    frames: list[Tracked], pictures: _Pictures, reader: SoundReader | None, settings: PrepareSettings
) -> Part:
    end = frames[-1].number + 1
    rejection = judge(frames, settings)
    if rejection is not None:
        return Part(end, None, (rejection,))
    faces = [(frame, frame.face) for frame in frames if frame.face is not None]
    box = _crop_box([face for _, face in faces], settings)
    meshes = np.stack([crop_mesh(face.mesh, box) for _, face in faces]).astype(np.float32)
    scores = np.stack([face.blendshapes for _, face in faces]).astype(np.float32)
    times = [frame.time - frames[0].time for frame, _ in faces]

    def listen(wave: np.ndarray) -> SoundOffset:
        at = np.array([float(time + REACH) for time in times])
        return estimate_offset(listener(settings.listener), wave, meshes, scores, at)

    start, stop = frames[0].time, frames[-1].time + _frame_time(frames)
    sound = NO_SOUND
    if reader is not None:
        sound = clip_sound(reader, start, stop, listen if settings.listener else None, settings)
    faults = () if sound.fault is None else (sound.fault,)
    if faults and settings.bad_sound == "reject":
        return Part(end, None, faults)
    blobs = pictures.encode([frame for frame, _ in faces], box, settings) if settings.pictures else []
    time_base = Fraction(1, math.lcm(*(time.denominator for time in times)))
    tensors = {
        "pictures": np.concatenate(blobs) if blobs else np.zeros(0, np.uint8),
        "picture_offsets": np.cumsum([0, *map(len, blobs)]).astype(np.int64),
        "mesh": meshes,
        "blendshapes": scores,
        "matrices": np.stack([face.matrix for _, face in faces]).astype(np.float32),
        "ticks": np.array([int(time / time_base) for time in times], np.int64),
        "frames": np.array([frame.number for frame, _ in faces], np.int64),
        "audio": sound.samples,
    }
    info = _info(frames, len(faces), box, time_base, sound, settings)
    return Part(end, PreparedClip(info, tensors, float(stop - start)), faults)


def _info(
    frames: list[Tracked],
    found: int,
    box: CropBox,
    time_base: Fraction,
    sound: ClipSound,
    settings: PrepareSettings,
) -> ClipInfo:
    return ClipInfo(
        identity="",
        source="",
        time_base=time_base,
        crop=(float(box.left), float(box.top), float(box.side)),
        video_size=frames[0].size,
        picture_size=settings.size,
        frames=found,
        has_pictures=settings.pictures,
        samples=len(sound.samples),
        start=frames[0].time,
        framing=settings.framing,
        sync=sound.sync,
        sound_late=float(sound.late),
        sync_fit=sound.fit,
        sound_fault=sound.fault.reason if sound.fault else "",
    )


def _crop_box(faces: list[Face], settings: PrepareSettings) -> CropBox:
    box = head_box(faces)
    return view_box(box) if settings.framing == "voxceleb" else box


def _frame_time(frames: list[Tracked]) -> Fraction:
    """How long the last frame is shown: as long as the average one; a single frame, a 25th of a second."""
    if len(frames) < 2:
        return Fraction(1, 25)
    return (frames[-1].time - frames[0].time) / (len(frames) - 1)


class _Pictures:
    """The second pass over a video, forwards only; it begins when the first picture is wanted."""

    def __init__(self, video: Path, start: Fraction) -> None:
        self._frames = enumerate(read_frames(video, start=start))

    def encode(self, wanted: list[Tracked], box: CropBox, settings: PrepareSettings) -> list[np.ndarray]:
        """JPEG files of the crops of these frames, in order."""
        import cv2

        quality = [cv2.IMWRITE_JPEG_QUALITY, settings.quality]
        blobs = []
        for frame in wanted:
            image = next(picture.image for number, picture in self._frames if number == frame.number)
            head = crop(image, box, settings.size)
            blobs.append(cv2.imencode(".jpg", head[..., ::-1], quality)[1].ravel())
        return blobs
