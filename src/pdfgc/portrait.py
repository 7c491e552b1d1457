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

    from pdfgc.face.tracker import Face

    Picture = str | os.PathLike[str] | np.ndarray | Image
    """What can be a portrait: a file, pixels, or what Pillow opened."""

FIRST_FRAMES = 100
"""Frames of a video among which its portrait, the first one with a face, is looked for."""

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
        InputError: it cannot be read, shows no face, or not that many.
    """
    from pdfgc.face.tracker import FaceTracker

    if not 0 <= number < MAX_FACES:
        raise InputError(f"faces are numbered 0 (the largest) to {MAX_FACES - 1}, not {number}")
    looked = most = 0
    with FaceTracker(max_faces=max(number + 1, 2)) as tracker:
        for image in pictures(portrait):
            faces = tracker.detect(image)
            looked, most = looked + 1, max(most, len(faces))
            if len(faces) > number:
                return image, faces[number]
    where = name if looked == 1 else f"the first {looked} frames of {name}"
    if most:
        raise InputError(f"face {number} was asked for, but {where} shows {most}, numbered from 0")
    raise InputError(f"no face was found in {where}; a portrait must show one, roughly from the front")


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
