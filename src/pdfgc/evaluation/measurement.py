"""Measuring a row of frames: the tracker on each, the identity network on some."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pdfgc.evaluation.identity import STRIDE
from pdfgc.evaluation.signals import Signals, signals_from_faces

if TYPE_CHECKING:
    from pdfgc.face.tracker import Face

EMBEDDING = 128
"""Length of an SFace embedding."""


TimedFrame = tuple[float, np.ndarray]
"""Seconds, and an RGB picture `[H, W, 3]` uint8."""


class Tracker(Protocol):
    """What is asked of a tracker; `pdfgc.face.tracker.FaceTracker` is one."""

    def detect(self, image: np.ndarray) -> Sequence[Face]:
        """Faces of an RGB picture `[H, W, 3]` uint8, the largest first."""


class Identity(Protocol):
    """What is asked of a face recogniser; `pdfgc.priors.identity.FaceIdentity` is one."""

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """`[128]` embedding of a face in an RGB picture."""


@dataclass(frozen=True)
class Measurement:
    """What was measured on a row of frames.

    Attributes:
        signals: measures over time.
        embeddings: `[N, 128]` identity of every `STRIDE`-th frame that shows a face.
        seconds: wall-clock time that the frames took to come, without measuring them.
        strip: a picture of some of the frames side by side, where one was kept.
    """

    signals: Signals
    embeddings: np.ndarray
    seconds: float
    strip: Path | None = None


class Meter:
    """Measures rows of frames with one tracker and one identity network."""

    def __init__(self, tracker: Tracker, identity: Identity) -> None:
        self.tracker = tracker
        self.identity = identity

    def measure(self, frames: Iterable[TimedFrame], *, sensor_noise: float = 0.0) -> Measurement:
        """Measures frames as they come; only the tracker's points are kept.

        Args:
            frames: (seconds, RGB picture uint8) in order.
            sensor_noise: standard deviation in grey levels of independent Gaussian noise added to every
                picture first (fixed seed), so that a frozen picture shows the tracker's own jitter.
        """
        noise = np.random.default_rng(0)
        times: list[float] = []
        faces: list[Face | None] = []
        embeddings: list[np.ndarray] = []
        making = 0.0
        iterator = iter(frames)
        while True:
            start = time.perf_counter()
            item = next(iterator, None)
            making += time.perf_counter() - start
            if item is None:
                break
            seconds, image = item
            if sensor_noise:
                noisy = image + noise.normal(0.0, sensor_noise, image.shape)
                image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
            found = self.tracker.detect(image)
            face = found[0] if found else None
            if face is not None and len(faces) % STRIDE == 0:
                embeddings.append(self.identity.embed(image, face))
            times.append(seconds)
            faces.append(face)
        stacked = np.stack(embeddings) if embeddings else np.zeros((0, EMBEDDING))
        return Measurement(signals_from_faces(times, faces), np.asarray(stacked, np.float32), making)

    def portrait(self, image: np.ndarray) -> np.ndarray | None:
        """`[128]` embedding of a portrait's largest face, None if it shows none."""
        faces = self.tracker.detect(image)
        return self.identity.embed(image, faces[0]) if faces else None
