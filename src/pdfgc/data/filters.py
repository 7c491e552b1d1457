"""Which parts of a video are good enough to learn faces from, and why the others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pdfgc.data.rejection import Rejection
from pdfgc.data.settings import PrepareSettings
from pdfgc.face.crop import FACE_POINTS
from pdfgc.face.tracker import Face

if TYPE_CHECKING:
    from pdfgc.data.tracking import Tracked

_SIDE = 48


def judge(frames: list[Tracked], settings: PrepareSettings) -> Rejection | None:
    """Why a part should not be used, or None when it is good."""
    found = [frame for frame in frames if frame.face is not None]
    share = len(found) / len(frames)
    if share < settings.found:
        return Rejection("no face", f"a face in {share:.0%} of {len(frames)} frames")
    if len(found) < settings.shortest:
        return Rejection("too short", f"{len(found)} frames")
    crowd = float(np.mean([frame.second >= settings.second_face for frame in found]))
    if crowd > settings.crowded:
        return Rejection("several faces", f"a second face in {crowd:.0%} of {len(found)} frames")
    heights = np.array([frame.face.size for frame in found if frame.face is not None])
    height = float(np.median(heights))
    if height < settings.smallest:
        return Rejection("tiny face", f"{height:.0f} pixels high")
    detail = float(np.median([frame.sharpness for frame in found]))
    if detail < settings.sharpness:
        return Rejection("blurred face", f"a detail of {detail:.4f} where {settings.sharpness:g} is wanted")
    return _judge_movement(found, heights, settings)


def sharpness(image: np.ndarray, face: Face) -> float:
    """How much fine detail a face has, from 0 for none.

    The variance of the Laplacian of the face, at 48 pixels across, over its own variance, so that light and contrast do
    not count, and neither does size as far as faces are accepted. 342 clips as they are have 0.10 to 0.8; blurred by a
    Gaussian of 2 % of the face's height 0.06 in the median, of 3 % at most 0.04.

    Args:
        image: `[H, W, 3]` uint8.
        face: in it; 0 for one that lies outside.
    """
    import cv2

    points = face.mesh[:FACE_POINTS, :2]
    low = np.maximum(points.min(0), 0).astype(int)
    high = np.minimum(points.max(0), (image.shape[1], image.shape[0])).astype(int)
    if (high - low < 2).any():
        return 0.0
    part = cv2.cvtColor(np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]), cv2.COLOR_RGB2GRAY)
    shrinks = min(part.shape) > _SIDE
    small = cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    grey = small.astype(np.float32)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var() / max(float(grey.var()), 1.0))


def _judge_movement(found: list[Tracked], heights: np.ndarray, settings: PrepareSettings) -> Rejection | None:
    """A face that jumps or grows at once is another face."""
    centres = np.array(
        [frame.face.mesh[:FACE_POINTS, :2].mean(0) for frame in found if frame.face is not None]
    )
    gaps = np.diff([frame.number for frame in found])
    moved = np.linalg.norm(np.diff(centres, axis=0), axis=1) / float(np.median(heights)) / gaps
    grown = np.abs(np.diff(np.log(heights))) / gaps
    jump = np.maximum(moved, grown)
    if jump.size and float(jump.max()) > settings.jump:
        place = found[int(jump.argmax()) + 1]
        return Rejection(
            "cut", f"the face jumps {float(jump.max()):.2f} heights at {float(place.time):.2f} s"
        )
    return None
