"""Comparing the pictures of two videos frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pdfgc.evaluation.metrics.lpips import STRIDE as LPIPS_STRIDE
from pdfgc.evaluation.metrics.psnr import frame_psnr
from pdfgc.evaluation.metrics.ssim import frame_ssim
from pdfgc.evaluation.store import Arrays

SAME_SHAPE = 0.02
"""Largest difference of two aspect ratios at which one picture is resized to the other's size."""

Distance = Callable[[np.ndarray, np.ndarray], float]
"""LPIPS of two RGB pictures."""


def comparable(generated: tuple[int, int], truth: tuple[int, int]) -> bool:
    """Whether pictures of two sizes (width, height) show the same part of the world, as far as shape tells."""
    ratio = (generated[0] / generated[1]) / (truth[0] / truth[1])
    return abs(ratio - 1) <= SAME_SHAPE


def compare_pixels(generated: Path, truth: Path, rows: tuple[np.ndarray, np.ndarray]) -> Arrays:
    """PSNR and SSIM of matching frames, which are held one pair at a time.

    The truth is resized to the generated frame's size (area or cubic) where the two differ.

    Args:
        generated, truth: videos or folders of frames.
        rows: of `match_frames`.

    Returns:
        `{"psnr": [N], "ssim": [N]}`.
    """
    psnr: list[float] = []
    ssim: list[float] = []
    for ours, theirs in _pairs(generated, truth, rows):
        psnr.append(frame_psnr(ours, theirs))
        ssim.append(frame_ssim(ours, theirs))
    return {"psnr": np.array(psnr), "ssim": np.array(ssim)}


def compare_by_eye(
    generated: Path, truth: Path, rows: tuple[np.ndarray, np.ndarray], distance: Distance
) -> Arrays:
    """LPIPS of every `LPIPS_STRIDE`-th pair of matching frames, resized as in `compare_pixels`.

    Args:
        generated, truth: videos or folders of frames.
        rows: `[N]` each, of `match_frames`.
        distance: LPIPS.

    Returns:
        `{"lpips": [ceil(N / LPIPS_STRIDE)]}`.
    """
    ours, theirs = (side[::LPIPS_STRIDE] for side in rows)
    return {"lpips": np.array([distance(*pair) for pair in _pairs(generated, truth, (ours, theirs))])}


def _pairs(
    generated: Path, truth: Path, rows: tuple[np.ndarray, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Matching pictures of one size. Rows of the truth may repeat (it runs slower), but never fall."""
    ours, theirs = _numbered(generated), _numbered(truth)
    number, other = -1, np.zeros(0)
    for row, partner in zip(*rows, strict=True):
        picture = next(image for i, image in ours if i == row)
        while number < partner:
            number, other = next(theirs)
        same = picture.shape == other.shape
        yield picture, other if same else _resize(other, picture.shape[1], picture.shape[0])


def _numbered(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    from pdfgc.media.video import read_frames

    return ((i, frame.image) for i, frame in enumerate(read_frames(path)))


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    import cv2

    flag = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=flag))


def lpips_distance() -> Distance:
    """LPIPS with the published AlexNet weights, as a function of two RGB pictures.

    Raises:
        InputError: the weights are neither here nor reachable.
    """
    import torch

    from pdfgc.priors.perceptual import LPIPS

    network = LPIPS("alex")

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        pair = (torch.from_numpy(np.ascontiguousarray(p)).permute(2, 0, 1)[None] for p in (one, other))
        with torch.inference_mode():
            return float(network(*(picture.float() / 127.5 - 1 for picture in pair)))

    return distance
