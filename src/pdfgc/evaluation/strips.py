"""Rows of pictures, as in the paper's figures: some frames of a video side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pdfgc.evaluation.evidence import TimedFrame

PICTURES = 8
"""Pictures of a row."""

SIDE = 128
"""Pixels of each."""

_JPEG_QUALITY = 82


def chosen_frames(count: int) -> list[int]:
    """Numbers of the frames that a row shows of a video of `count` frames, evenly spread."""
    if count <= 0:
        return []
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, PICTURES)).round()})


def thumbnail(image: np.ndarray) -> np.ndarray:
    """The middle square of a picture at `SIDE` pixels."""
    import cv2

    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def join(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Thumbnails side by side: `[SIDE, n SIDE, 3]`."""
    return np.concatenate(list(pictures), 1)


def strip_of_video(path: Path, numbers: Sequence[int]) -> np.ndarray | None:
    """The frames of these numbers side by side, in their order; None where the video has none of them."""
    from pdfgc.media.video import read_frames

    wanted, seen = set(numbers), {}
    for number, frame in enumerate(read_frames(path)):
        if number in wanted:
            seen[number] = thumbnail(frame.image)
        if len(seen) == len(wanted):
            break
    pictures = [seen[number] for number in numbers if number in seen]
    return join(pictures) if pictures else None


def lone_picture(path: Path) -> np.ndarray:
    """A picture as the first of a row that is white else, so that it is as large as those of full rows."""
    from pdfgc.media.video import read_image

    row = np.full((SIDE, SIDE * PICTURES, 3), 255, np.uint8)
    row[:, :SIDE] = thumbnail(read_image(path))
    return row


def keep(frames: Iterable[TimedFrame], count: int, kept: list[np.ndarray]) -> Iterator[TimedFrame]:
    """Passes frames on and keeps thumbnails of those that a row of `count` frames shows."""
    wanted = set(chosen_frames(count))
    for number, (seconds, picture) in enumerate(frames):
        if number in wanted:
            kept.append(thumbnail(picture))
        yield seconds, picture


def to_jpeg(picture: np.ndarray) -> bytes:
    """A picture as JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def data_url(jpeg: bytes) -> str:
    """A JPEG for the `src` of a page that needs no other file."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
