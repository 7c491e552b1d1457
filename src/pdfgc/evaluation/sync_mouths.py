"""Grey pictures of the mouth at 25 a second: what the sync judge sees."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from pdfgc.evaluation.sync_judge import FRAMES, HEIGHT, RATE, WIDTH_PIXELS
from pdfgc.face.geometry import POSE_SCALE, apply_pose, canonical_face
from pdfgc.face.mesh import LIPS_INNER

PIXELS_PER_CM = 7.5
"""Of a mouth picture, which so is 9.6 x 6.4 cm of the face wide and high."""

BELOW_MOUTH = 1.0
"""Centimetres by which the picture's middle stands below the resting mouth's: room for a falling jaw."""

FARTHEST = 0.03
"""Seconds by which the nearest frame with a face may be off; farther, the moment counts as unseen."""


@dataclass(frozen=True)
class Mouths:
    """Mouths on a clock of 25 a second.

    Attributes:
        pictures: `[T, 48, 72]` uint8 grey; an unseen moment shows the nearest one seen.
        usable: `[T]` bool, all five frames about the moment were seen.
        first: second of the first moment.
    """

    pictures: np.ndarray
    usable: np.ndarray
    first: float


def mouth_picture(image: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """The mouth region of a frame, upright and of fixed scale; it stays where the head is, whatever the mouth does.

    Args:
        image: `[H, W, 3]` uint8 RGB.
        pose: `[6]` of `face.geometry.fit_pose` on the face's mesh in the image's pixels.

    Returns:
        `[48, 72]` uint8 grey; past the picture its edge repeats.
    """
    vertices = canonical_face()["vertices"]
    middle = vertices[[LIPS_INNER[i] for i in (0, 5, 10, 15)]].mean(0) - torch.tensor([0.0, BELOW_MOUTH, 0.0])
    centre = apply_pose(middle[None], torch.as_tensor(pose, dtype=torch.float32))[0, :2].numpy()
    scale = PIXELS_PER_CM / (POSE_SCALE * float(np.exp(pose[5])))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 0.5:  # linear sampling would skip pixels
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        centre, scale = centre * scale, 1.0
    roll = float(pose[2])
    along, across = np.cos(roll) * scale, np.sin(roll) * scale
    matrix = np.array([[along, -across, 0.0], [across, along, 0.0]])
    matrix[:, 2] = (WIDTH_PIXELS / 2, HEIGHT / 2) - matrix[:, :2] @ centre
    size = (WIDTH_PIXELS, HEIGHT)
    return cv2.warpAffine(grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def clock(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments at 25 a second, from the first seen frame to the last.

    Args:
        times: `[N]` rising seconds of the frames that show a face, at least one.

    Returns:
        `[T]` seconds, `[T]` the row of `times` nearest to each, `[T]` whether all five frames about it were seen.
    """
    moments = times[0] + np.arange(int((times[-1] - times[0]) * RATE + 1e-6) + 1) / RATE
    nearest = np.abs(times[None] - moments[:, None]).argmin(1)
    seen = np.abs(times[nearest] - moments) <= FARTHEST
    around = np.lib.stride_tricks.sliding_window_view(np.pad(seen, FRAMES // 2), FRAMES)
    return moments, nearest, np.asarray(around.all(-1))
