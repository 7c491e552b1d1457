"""Portraits for protocols: a picture, or the first frame of a clip that shows a face."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.cases import PICTURE_SUFFIXES
from pdfgc.evaluation.evidence import Tracker
from pdfgc.files import atomic_path

if TYPE_CHECKING:
    from pdfgc.face.tracker import Face

log = logging.getLogger(__name__)

WITHIN = 100
"""Frames of a clip among which its portrait is looked for: the first with a face."""


@dataclass(frozen=True)
class FoundPortrait:
    """A picture with a face in it.

    Attributes:
        picture: the file.
        frame: number of the clip's frame that it is, or None for a picture.
        image: `[H, W, 3]` RGB uint8.
        face: the largest face.
    """

    picture: Path
    frame: int | None
    image: np.ndarray
    face: Face


def find_portrait(source: Path, tracker: Tracker, folder: Path, digest: str) -> FoundPortrait:
    """The portrait of a picture, or of a clip: its first frame with a face, written as PNG.

    Args:
        source: the picture or clip.
        tracker: finds faces.
        folder: where a clip's frame goes.
        digest: of the source, for the name of that file.

    Raises:
        InputError: it cannot be read, or there is no face.
    """
    from pdfgc.media.video import read_frames, read_image

    still = source.suffix.lower() in PICTURE_SUFFIXES
    images = [read_image(source)] if still else (frame.image for frame in read_frames(source))
    for number, image in enumerate(islice(images, WITHIN)):
        if faces := tracker.detect(image):
            picture = source if still else _write(image, folder / f"{source.stem}-{digest[:8]}.png")
            return FoundPortrait(picture, None if still else number, image, faces[0])
    within = "" if still else f" among its first {WITHIN} frames"
    raise InputError(f"found no face in the portrait {source}{within}")


def usable(
    pictures: Sequence[Path], wanted: int, look: Callable[[Path], object]
) -> tuple[list[Path], list[dict[str, str]]]:
    """The first pictures that can be animated, so that a broken one costs no clip.

    Args:
        pictures: what was given.
        wanted: how many are needed at most; no more are looked at.
        look: raises InputError for one that cannot be used.

    Returns:
        the usable ones, and what was left out: `{"name", "reason"}`.

    Raises:
        InputError: none can be used.
    """
    good: list[Path] = []
    skipped: list[dict[str, str]] = []
    for picture in pictures:
        if len(good) == wanted:
            break
        try:
            look(picture)
        except InputError as error:
            log.warning("left out the portrait %s: %s", picture.name, error)
            skipped.append({"name": picture.name, "reason": str(error)})
        else:
            good.append(picture)
    if not good:
        raise InputError(f"none of the portraits can be used; first reason: {skipped[0]['reason']}")
    return good, skipped


def _write(image: np.ndarray, path: Path) -> Path:
    from PIL import Image

    if not path.exists():
        with atomic_path(path) as temporary:
            Image.fromarray(image).save(temporary)
    return path
