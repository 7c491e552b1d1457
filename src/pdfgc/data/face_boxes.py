"""VoxCeleb's annotation files: which frames of a film show the speaker, and where the face is in each.

    Identity  :     id00012
    Reference :     21Uxsk56VDQ
    Offset    :     -1              sound against pictures in frames, by the dataset's own SyncNet
    FV Conf   :     18.366  (1)     how surely it is this person
    ASD Conf  :     4.505           how surely this person is the one who speaks

    FRAME   X   Y   W   H
    000120  0.412   0.172   0.235   0.418

Frames are numbered at 25 a second. Boxes are parts of the picture's width and height in VoxCeleb2, pixels in
VoxCeleb1; both are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from pdfgc.errors import InputError

RATE = 25
"""Frames a second by which annotations count."""

_LABELS = {"Offset": "stated_offset", "FV Conf": "identity_confidence", "ASD Conf": "speaker_confidence"}

_WIDEST_PART = 2.0
"""A box that is wider cannot be a part of the picture: it is in pixels."""


@dataclass(frozen=True)
class Annotation:
    """A face's way through a film."""

    identity: str
    reference: str
    """The film's name at its source."""
    labels: dict[str, str]
    """`stated_offset` (frames), `identity_confidence` and `speaker_confidence`, as far as they are given."""
    frames: np.ndarray
    """`[n]` int64 rising numbers at `RATE` a second."""
    boxes: np.ndarray
    """`[n, 4]` float64: left, top, width, height."""

    @property
    def start(self) -> Fraction:
        """Seconds in the film at which the clip begins."""
        return Fraction(int(self.frames[0]), RATE)

    @property
    def end(self) -> Fraction:
        """Seconds at which it ends: when its last frame does."""
        return Fraction(int(self.frames[-1]) + 1, RATE)

    def box_at(self, time: Fraction, width: int, height: int) -> np.ndarray:
        """The face's box `[4]` (left, top, width, height) in pixels of a frame at `time` seconds of the film."""
        place = int(np.abs(self.frames - float(time * RATE)).argmin())
        box = self.boxes[place]
        return box * (width, height, width, height) if self.boxes[:, 2:].max() < _WIDEST_PART else box


def read_annotation(path: Path) -> Annotation:
    """Reads such a file.

    Raises:
        InputError: when it is missing or looks otherwise.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"expected a VoxCeleb annotation at {path}, but it cannot be read ({error})"
        ) from error
    header: dict[str, str] = {}
    rows: list[list[float]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            header[name.strip()] = value.split()[0] if value.split() else ""
        elif line.split()[:1] and line.split()[0] != "FRAME":
            rows.append(_numbers(line, path))
    if not rows or "Identity" not in header:
        raise InputError(f"expected a line Identity and rows of FRAME X Y W H in the annotation {path}")
    table = np.array(rows)
    if (np.diff(table[:, 0]) <= 0).any():
        raise InputError(f"expected rising frame numbers in the annotation {path}")
    labels = {label: header[name] for name, label in _LABELS.items() if header.get(name)}
    return Annotation(
        header["Identity"], header.get("Reference", ""), labels, table[:, 0].astype(np.int64), table[:, 1:]
    )


def _numbers(line: str, path: Path) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) != 5:
        raise InputError(f"expected FRAME X Y W H, five numbers, in the annotation {path}, but got {line!r}")
    return values
