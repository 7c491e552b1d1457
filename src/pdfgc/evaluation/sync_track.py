"""The face crops and sound that SyncNet scores, cut as its authors' pipeline cuts them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pdfgc.evaluation.evidence import Evidence
from pdfgc.evaluation.mfcc import mfcc
from pdfgc.evaluation.syncnet import FRAMES, SIDE, SyncNet, sound_features

RATE = 25
"""Frames a second that SyncNet knows."""

SAMPLES_A_FRAME = 640

CROP_SCALE = 0.4
"""How far the crop reaches past the face's box, in half boxes: to both sides, and twice as far below."""

MEDIAN = 13
"""Frames of the median that steadies the boxes; past the ends the last box counts on."""

GREY = 110
"""What stands where the crop leaves the picture."""

CHUNK = 16
"""Frames worked on at once, besides the four that the last of them looks ahead."""


@dataclass(frozen=True)
class SyncFeatures:
    """SyncNet's features of one video, `[T, 1024]` each; row t is about frames t..t+4 at 25 a second."""

    lips: np.ndarray
    sound: np.ndarray


def sync_features(path: Path, audio: np.ndarray, evidence: Evidence, network: SyncNet) -> SyncFeatures | None:
    """Features of a video's face and sound; None where no face is seen or it is shorter than 6 frames.

    Args:
        path: the video.
        audio: `[N]` its sound at 16 kHz, -1..1, time 0 the first frame.
        evidence: what was seen in it.
        network: SyncNet.
    """
    import torch

    times, squares = face_squares(evidence)
    count = min(len(times), len(audio) // SAMPLES_A_FRAME) - FRAMES
    if count < 1:
        return None
    lips: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    with torch.inference_mode():
        for crop in _crops(path, times[: count + FRAMES - 1], squares):
            waiting.append(crop)
            if len(waiting) == CHUNK + FRAMES - 1:
                lips.append(_lips(network, waiting))
                waiting = waiting[CHUNK:]
        if len(waiting) >= FRAMES:
            lips.append(_lips(network, waiting))
    first = round(float(times[0]) * RATE) * SAMPLES_A_FRAME
    heard = np.rint(np.clip(audio[first:], -1, 1) * 32767)
    found = np.concatenate(lips)[:count]
    return SyncFeatures(found, sound_features(network, mfcc(heard), len(found)))


def face_squares(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Times at 25 a second, and where the face is then.

    The published pipeline takes S3FD's boxes; here the face mesh's own stand for them. Between frames with a face
    they are interpolated; the track runs from the first of these to the last.

    Returns:
        `[T]` seconds, and `[T, 3]` centre x, centre y, half the longer side of the box.
    """
    known = np.isfinite(evidence.boxes[:, 0])
    if not known.any():
        return np.zeros(0), np.zeros((0, 3))
    seen = evidence.times[known]
    first, last = np.ceil(seen[0] * RATE - 1e-6), np.floor(seen[-1] * RATE + 1e-6)
    times = np.arange(first, last + 1) / RATE
    left, top, right, bottom = (np.interp(times, seen, evidence.boxes[known, i]) for i in range(4))
    half = np.maximum(right - left, bottom - top) / 2
    middle = [(left + right) / 2, (top + bottom) / 2, half]
    return times, np.stack([_steady(values) for values in middle], -1)


def cut_face(image: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The crop `[224, 224, 3]` of a picture about a face's square: 1.4 half boxes to the sides, 1 up, 1.8 down."""
    import cv2

    x, y, half = square
    border = int(half * (1 + 2 * CROP_SCALE))
    padded = np.pad(image, ((border, border), (border, border), (0, 0)), constant_values=GREY)
    x, y = x + border, y + border
    top, bottom = int(y - half), int(y + half * (1 + 2 * CROP_SCALE))
    left, right = int(x - half * (1 + CROP_SCALE)), int(x + half * (1 + CROP_SCALE))
    return np.asarray(cv2.resize(padded[max(top, 0) : bottom, max(left, 0) : right], (SIDE, SIDE)))


def _steady(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, MEDIAN // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN), -1)


def _crops(path: Path, times: np.ndarray, squares: np.ndarray) -> Iterator[np.ndarray]:
    """Crops of the frames shown at `times`."""
    from pdfgc.media.video import read_frames

    wanted = 0
    shown: np.ndarray | None = None
    for frame in read_frames(path):
        while shown is not None and wanted < len(times) and times[wanted] < float(frame.time) - 1e-6:
            yield cut_face(shown, squares[wanted])
            wanted += 1
        shown = frame.image
    while shown is not None and wanted < len(times):
        yield cut_face(shown, squares[wanted])
        wanted += 1


def _lips(network: SyncNet, crops: list[np.ndarray]) -> np.ndarray:
    import torch

    stacked = np.stack(crops)[..., ::-1]  # the published network was trained on blue, green, red
    pixels = torch.from_numpy(np.ascontiguousarray(stacked)).permute(0, 3, 1, 2).float()
    return network.lips(pixels).numpy()
