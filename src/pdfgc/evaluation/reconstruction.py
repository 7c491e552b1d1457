"""Head pose and expression by a 3-D face reconstructor, EMOCA's encoders, where their file is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pdfgc.evaluation.evidence import Evidence
from pdfgc.evaluation.store import Arrays
from pdfgc.priors.face_features import FaceTeacher

COEFFICIENTS = "EMOCA's: FLAME's global rotation (axis-angle) and 50 of expression"

BATCH = 8

_SIDE = 256
_ROOM = 1.5
"""Side of the square given to the network over the face's box; the network cuts its own from that."""


def reconstruct(path: Path, evidence: Evidence, teacher: FaceTeacher) -> Arrays:
    """Coefficients of every frame of a video, NaN where no face is seen.

    Args:
        path: the video.
        evidence: what was seen in it.
        teacher: `pdfgc.priors.emoca.EmocaTeacher`.

    Returns:
        `{"rotation": [T, 3] radians, "expression": [T, 50]}`.
    """
    from pdfgc.priors.emoca import EXPRESSION, SHAPE

    rotation = np.full((len(evidence), 3), np.nan)
    expression = np.full((len(evidence), EXPRESSION), np.nan)
    for rows, pictures in _batches(path, evidence.boxes):
        codes = _codes(pictures, evidence.boxes[rows], teacher)
        rotation[rows] = codes[:, SHAPE : SHAPE + 3]
        expression[rows] = codes[:, -EXPRESSION:]
    return {"rotation": rotation, "expression": expression}


def _codes(pictures: np.ndarray, boxes: np.ndarray, teacher: FaceTeacher) -> np.ndarray:
    import torch

    sides = boxes[:, 2:] - boxes[:, :2]
    reach = sides / sides.max(1, keepdims=True) / _ROOM  # corners of the box in units of the square, -1..1
    corners = torch.from_numpy(np.stack([-reach, reach], 1).astype(np.float32))
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        return np.asarray(teacher(pixels, corners).shape)


def _batches(path: Path, boxes: np.ndarray) -> Iterator[tuple[list[int], np.ndarray]]:
    """Numbers and squares `[B, 256, 256, 3]` of frames with a face."""
    from pdfgc.face.crop import CropBox, crop
    from pdfgc.media.video import read_frames

    rows: list[int] = []
    pictures: list[np.ndarray] = []
    for number, frame in enumerate(read_frames(path)):
        if not np.isfinite(boxes[number, 0]):
            continue
        left, top, right, bottom = (float(edge) for edge in boxes[number])
        side = _ROOM * max(right - left, bottom - top)
        square = CropBox((left + right - side) / 2, (top + bottom - side) / 2, side)
        rows.append(number)
        pictures.append(crop(frame.image, square, _SIDE))
        if len(rows) == BATCH:
            yield rows, np.stack(pictures)
            rows, pictures = [], []
    if rows:
        yield rows, np.stack(pictures)
