"""The picture of a portrait, and the face in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pdfgc.errors import InputError, NotMediaError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pdfgc.face.tracker import Face, FaceTracker

    Picture = str | os.PathLike[str] | np.ndarray | Image
    """What can be a portrait: a file, pixels, or what Pillow opened."""

FIRST_FRAMES = 100
"""Frames of a video among which its portrait, the first one with a face, is looked for."""

EDGE = 0.02
"""In face heights: a face that comes so near the picture's edge, or goes beyond it, is most likely cut by it."""

MAX_FACES = 16
"""Faces of a portrait that can be told apart by number."""


def find_face(portrait: Picture, name: str, number: int) -> tuple[np.ndarray, Face]:
    """The picture and the face in it.

    Args:
        portrait: as `Avatar`.
        name: what it is called in errors.
        number: which of several faces, 0 the largest.

    Returns:
        `[H, W, 3]` uint8, and the face.

    Raises:
        InputError: it cannot be read, shows no face, or not that many; the edge of every picture cuts off the mouth
            or an eye of the face.
    """
    from pdfgc.face.mesh import LEFT_EYE, LIPS_OUTER, RIGHT_EYE
    from pdfgc.face.tracker import FaceTracker

    if not 0 <= number < MAX_FACES:
        raise InputError(f"faces are numbered 0 (the largest) to {MAX_FACES - 1}, not {number}")
    looked = most = cut = 0
    turned = None
    with FaceTracker(max_faces=max(number + 1, 2)) as tracker:
        for image in pictures(portrait):
            faces = tracker.detect(image)
            looked, most = looked + 1, max(most, len(faces))
            if len(faces) <= number:
                continue
            face = faces[number]
            if beyond_edge(image, face.mesh[[*LIPS_OUTER, *LEFT_EYE, *RIGHT_EYE]]) <= 0:
                return image, face
            cut += 1
        if looked and not most:
            turned = _turn_that_shows_a_face(tracker, image)
    where = name if looked == 1 else f"the first {looked} frames of {name}"
    if cut:
        raise InputError(f"the edge of the picture cuts through the mouth or the eyes of the face in {where}")
    if most:
        raise InputError(f"face {number} was asked for, but {where} shows {most}, numbered from 0")
    if turned:
        raise InputError(
            f"no face was found in {where}, but one is found when the picture is turned clockwise by {turned} degrees; "
            "turn it upright first"
        )
    raise InputError(f"no face was found in {where}; a portrait must show one, roughly from the front")


def _turn_that_shows_a_face(tracker: FaceTracker, image: np.ndarray) -> int | None:
    """Degrees clockwise by which a picture has to be turned so that its face is upright; None where none is found.

    Faces are also found lying on their side, so the most upright one counts. Small ones are not searched for, which
    takes long in large pictures.
    """
    rolls: dict[int, float] = {}
    for quarters in (1, 2, 3):
        faces = tracker.detect(np.ascontiguousarray(np.rot90(image, -quarters)), thorough=False)
        if faces:
            rolls[90 * quarters] = abs(faces[0].roll)
    return min(rolls, key=rolls.__getitem__, default=None)


def beyond_edge(image: np.ndarray, points: np.ndarray) -> float:
    """How far the outermost of some points is outside of a picture, in pixels; negative where all are inside.

    Args:
        image: `[H, W, 3]`.
        points: `[N, 2 or more]` pixels.
    """
    height, width = image.shape[:2]
    outside = [-points[:, :2], points[:, :2] - (width, height)]
    return float(np.max(outside))


def on_edge(image: np.ndarray, face: Face, name: str) -> str | None:
    """A remark on a face that the edge of its picture cuts; `name` is the picture's."""
    from pdfgc.face.crop import FACE_POINTS

    if beyond_edge(image, face.mesh[:FACE_POINTS]) < -EDGE * face.size:
        return None
    return (
        f"the face reaches the edge of the picture in {name}, and what is beyond it has to be made up; "
        "a photo with room around the head comes out better"
    )


def pictures(portrait: Picture) -> Iterator[np.ndarray]:
    """The pictures `[H, W, 3]` uint8 in which a portrait's face may be: of a video the first `FIRST_FRAMES`."""
    from pdfgc.media.images import as_rgb
    from pdfgc.media.video import read_frames

    if not isinstance(portrait, str | os.PathLike):
        yield as_rgb(portrait).copy()  # its owner may draw into it while frames are made
        return
    if Path(portrait).is_dir():
        raise InputError(f"{portrait} is a folder, but a portrait must be a picture or a video")
    with expecting_portrait(portrait):
        for frame in islice(read_frames(portrait), FIRST_FRAMES):
            yield frame.image


@contextmanager
def expecting_portrait(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raises InputError in a portrait's words where what is read turns out to be no picture and no video."""
    try:
        yield
    except NotMediaError as error:
        raise InputError(
            f"{os.fspath(path)} cannot be read as a picture or a video; a portrait must be one that shows a face"
        ) from error
