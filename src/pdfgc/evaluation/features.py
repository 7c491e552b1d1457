"""Features of frames for Frechet distances: Inception's (FID), or VGG16's where its weights cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pdfgc.evaluation.metrics.frechet import STRIDE

BATCH = 8

VGG_SIDE = 224
"""Pixels that frames are resized to for VGG16, whose ImageNet size that is."""

Extractor = Callable[[np.ndarray], np.ndarray]
"""RGB pictures `[B, H, W, 3]` uint8 to features `[B, D]`."""


def frame_features(path: Path, extractor: Extractor) -> np.ndarray:
    """`[ceil(T / STRIDE), D]` features of every `STRIDE`-th frame of a video, a few frames at a time."""
    features: list[np.ndarray] = []
    for batch in _batches(path):
        features.append(np.asarray(extractor(np.stack(batch)), np.float32))
    return np.concatenate(features) if features else np.zeros((0, 1), np.float32)


def _batches(path: Path) -> Iterator[list[np.ndarray]]:
    from pdfgc.media.video import read_frames

    batch: list[np.ndarray] = []
    for i, frame in enumerate(read_frames(path)):
        if i % STRIDE == 0:
            batch.append(frame.image)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def inception_extractor(weights: Path) -> Extractor:
    """FID's features with weights of a file.

    Raises:
        InputError: as `inception.load_inception`.
    """
    import torch

    from pdfgc.evaluation.inception import load_inception

    network = load_inception(weights)

    def extract(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(pictures).permute(0, 3, 1, 2).float()).numpy()

    return extract


def vgg_extractor() -> Extractor:
    """Means over the picture of VGG16's last maps, 512 features, with the weights that LPIPS carries.

    Raises:
        InputError: the weights are neither here nor reachable.
    """
    import torch
    import torch.nn.functional as F

    from pdfgc.priors.perceptual import LPIPS

    network = LPIPS("vgg")

    def extract(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
            x = F.interpolate(x, (VGG_SIDE, VGG_SIDE), mode="bilinear", antialias=True, align_corners=False)
            return network.features((x - network.shift) / network.scale)[-1].mean((2, 3)).numpy()

    return extract
