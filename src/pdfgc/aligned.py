"""Pictures that are cut as VoxCeleb's frames are: the 224 px folders of the paper's authors, taken as they are."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from pdfgc.drivers import BATCH, MotionEncoder, frames_until
from pdfgc.errors import InputError
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.timing import Number, exact_rate

if TYPE_CHECKING:
    from pdfgc.face.crop import CropBox


@runtime_checkable
class AlignedModel(Protocol):
    """The part of a model that takes pictures as they are aligned already; `pdfgc.paper_model.PaperModel` is one."""

    def aligned_box(self, width: int, height: int) -> CropBox:
        """The square of an aligned picture that it sees."""

    def cut_aligned(self, picture: np.ndarray) -> np.ndarray:
        """That square `[S, S, 3]` of a picture `[H, W, 3]` uint8."""

    def encode_pictures(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Codes `{factor: [T, D]}` of squares `[T, S, S, 3]` uint8."""


def require_aligned(model: object) -> AlignedModel:
    """The model, if it takes aligned pictures.

    Raises:
        InputError: if it does not.
    """
    if not isinstance(model, AlignedModel):
        raise InputError("aligned pictures are for models of preset paper; this one finds the faces itself")
    return model


def read_aligned(
    path: str | os.PathLike[str],
    model: MotionEncoder,
    *,
    fps: Number = 25,
    until: Fraction | None = None,
) -> MotionTrack:
    """The motion codes of frames that are aligned as VoxCeleb's are, taken as they are; no face is looked for.

    Args:
        path: a video, a picture or a folder of numbered frames, all square.
        model: of preset `paper`.
        fps: frames a second of a folder.
        until: seconds that are needed.

    Raises:
        InputError: a file that cannot be read, frames that are not square, or a model that finds faces itself.
    """
    looking = require_aligned(model)
    times: list[Fraction] = []
    rows = {name: bytearray() for name in FACTORS}  # grows in place: joined arrays would be there twice
    frames = frames_until(Path(path), exact_rate(fps), until, f"motion of {Path(path).name}")
    while batch := list(islice(frames, BATCH)):
        times.extend(time for _, time in batch)
        codes = looking.encode_pictures(np.stack([looking.cut_aligned(image) for image, _ in batch]))
        for name, row in rows.items():
            row.extend(codes[name].astype(np.float32, copy=False).tobytes())
    return MotionTrack.from_codes(
        {name: np.frombuffer(rows[name], np.float32).reshape(-1, size) for name, size in FACTORS.items()},
        times=times,
        metadata={"model": model.fingerprint, "preset": model.preset, "source": Path(path).name},
    )
