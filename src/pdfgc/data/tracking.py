"""The first of two passes over a video: the speaker's face in every frame, and where shots begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np

from pdfgc.data.face_boxes import Annotation
from pdfgc.data.filters import sharpness
from pdfgc.data.shots import ShotDetector
from pdfgc.face.tracker import Face, FaceTracker
from pdfgc.media.video import Frame

_AROUND = 0.75
"""How much of the picture around an annotated face is searched, in box sides on every side."""


@dataclass(frozen=True)
class Tracked:
    """One frame's time and face; its picture is already gone."""

    number: int
    time: Fraction
    size: tuple[int, int]
    """Width and height in pixels."""
    face: Face | None
    second: float = 0.0
    """Height of the second largest face over the largest's; 0 without."""
    sharpness: float = 1.0
    """Detail of the face, see `filters.sharpness`."""
    cut: bool = False
    """Whether a new shot begins here."""


def track_faces(
    frames: Iterable[Frame], annotation: Annotation | None = None, first: int = 0
) -> Iterator[Tracked]:
    """Finds the face of every frame.

    Args:
        frames: of a video, from its beginning or from that of the annotated stretch; they are counted from 0.
        annotation: which stretch of the video counts and which face in it; without, all of it and the largest face.
        first: number of the first frame that is wanted. Earlier ones are only looked through for cuts, so that what
            comes after them is the same as in a run from the beginning.
    """
    shots = ShotDetector()
    for number, frame in enumerate(frames):
        cut = shots.is_cut(frame.image)
        if annotation is not None and frame.time >= annotation.end:
            return
        if number < first or (annotation is not None and frame.time < annotation.start):
            continue
        height, width = frame.image.shape[:2]
        if annotation is None:
            faces = _tracker().detect(frame.image, thorough=False)
        else:
            faces = _in_box(frame.image, annotation.box_at(frame.time, width, height))
        yield Tracked(
            number,
            frame.time,
            (width, height),
            faces[0] if faces else None,
            faces[1].size / faces[0].size if len(faces) > 1 else 0.0,
            sharpness(frame.image, faces[0]) if faces else 0.0,
            cut,
        )


def split_parts(frames: Iterable[Tracked], longest: int) -> Iterator[list[Tracked]]:
    """Frames in parts that end at cuts, of `longest` frames at most."""
    part: list[Tracked] = []
    for frame in frames:
        if part and (frame.cut or len(part) == longest):
            yield part
            part = []
        part.append(frame)
    if part:
        yield part


def _in_box(image: np.ndarray, box: np.ndarray) -> list[Face]:
    """The face that is nearest to a box (left, top, width, height): one, or none when it lies elsewhere."""
    left, top, width, height = box
    low = np.floor((left - _AROUND * width, top - _AROUND * height)).astype(int)
    high = np.ceil((left + (1 + _AROUND) * width, top + (1 + _AROUND) * height)).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, (image.shape[1], image.shape[0]))
    if (high <= low).any():
        return []
    part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
    shift = np.array([*low, 0], np.float32)
    faces = [replace(face, mesh=face.mesh + shift) for face in _tracker().detect(part, thorough=False)]
    middle = np.array([left + width / 2, top + height / 2])
    off = [np.abs(face.mesh[:468, :2].mean(0) - middle) / (width, height) for face in faces]
    near = [(float(far.max()), place) for place, far in enumerate(off) if far.max() < 0.5]
    return [faces[min(near)[1]]] if near else []


@cache
def _tracker() -> FaceTracker:
    """One tracker a process: building its networks takes longer than a short clip."""
    return FaceTracker(max_faces=4)
