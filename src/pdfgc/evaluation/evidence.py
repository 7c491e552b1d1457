"""All that is seen of the face in one video: what the metrics of pairs of videos are worked out from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pdfgc.evaluation.identity import EMBEDDING, STRIDE
from pdfgc.evaluation.signals import MEASURES, Signals, signals_from_faces
from pdfgc.evaluation.store import Arrays

if TYPE_CHECKING:
    from pdfgc.face.tracker import Face

LANDMARKS, SCORES = 68, 52

REFERENCE_SIDE = 256.0
"""Pixels of the head crop in whose units landmark distances are given."""


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
class Evidence:
    """What was seen in a row of frames; rows of frames without a face are NaN.

    Attributes:
        times: `[T]` float64 seconds.
        landmarks: `[T, 68, 2]` pixels, dlib's order.
        boxes: `[T, 4]` left, top, right, bottom of the face's mesh in pixels.
        pose: `[T, 6]` of `fit_pose` on the mesh in pixels: radians, pixels, log scale.
        scores: `[T, 52]` MediaPipe's blendshapes.
        signals: the measures of the control matrix.
        embeddings: `[ceil(T / STRIDE), 128]` identity of every `STRIDE`-th frame.
    """

    times: np.ndarray
    landmarks: np.ndarray
    boxes: np.ndarray
    pose: np.ndarray
    scores: np.ndarray
    signals: Signals
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def scale(self) -> float:
        """Pixels of a 256 px head crop per pixel of this video, by the head's median size; NaN without a face."""
        from pdfgc.face.crop import HEAD_SIDE
        from pdfgc.face.geometry import POSE_SCALE
        from pdfgc.face.mesh import FACE_HEIGHT

        sizes = self.pose[np.isfinite(self.pose[:, 5]), 5]
        if not len(sizes):
            return float("nan")
        head = float(np.median(np.exp(sizes))) * POSE_SCALE * FACE_HEIGHT
        return REFERENCE_SIDE / HEAD_SIDE / head

    def to_arrays(self) -> Arrays:
        """As plain arrays; `from_arrays` is the way back."""
        values = {f"value.{name}": value for name, value in self.signals.values.items()}
        return values | {
            "times": self.times,
            "found": self.signals.found.astype(np.uint8),
            "landmarks": self.landmarks,
            "boxes": self.boxes,
            "pose": self.pose,
            "scores": self.scores,
            "embeddings": self.embeddings,
        }

    @staticmethod
    def from_arrays(arrays: Arrays) -> Evidence:
        """Of `to_arrays`."""
        values = {n.removeprefix("value."): v for n, v in arrays.items() if n.startswith("value.")}
        signals = Signals(arrays["times"], values, arrays["found"].astype(bool))
        kept = {n: arrays[n] for n in ("times", "landmarks", "boxes", "pose", "scores", "embeddings")}
        return Evidence(**kept, signals=signals)

    def take(self, rows: np.ndarray) -> Evidence:
        """The frames of rising numbers `rows`; embeddings become NaN but for frames that have one."""
        embeddings = np.full((len(rows), self.embeddings.shape[1]), np.nan, np.float32)
        embedded = rows % STRIDE == 0
        embeddings[embedded] = self.embeddings[rows[embedded] // STRIDE]
        values = {name: value[rows] for name, value in self.signals.values.items()}
        signals = Signals(self.times[rows], values, self.signals.found[rows])
        return Evidence(
            self.times[rows],
            self.landmarks[rows],
            self.boxes[rows],
            self.pose[rows],
            self.scores[rows],
            signals,
            embeddings,
        )


def collect(frames: Iterable[TimedFrame], tracker: Tracker, identity: Identity) -> Evidence:
    """Looks at frames as they come; only numbers are kept.

    Args:
        frames: (seconds, RGB picture uint8) in order.
        tracker: finds the faces; the largest counts.
        identity: embeds every `STRIDE`-th.
    """
    times: list[float] = []
    faces: list[Face | None] = []
    embeddings: list[np.ndarray] = []
    for seconds, image in frames:
        found = tracker.detect(image)
        face = found[0] if found else None
        if len(faces) % STRIDE == 0:
            embedding = np.full(EMBEDDING, np.nan) if face is None else identity.embed(image, face)
            embeddings.append(np.asarray(embedding, np.float32))
        times.append(seconds)
        faces.append(face)
    return _evidence(times, faces, embeddings)


def _evidence(times: list[float], faces: list[Face | None], embeddings: list[np.ndarray]) -> Evidence:
    import torch

    from pdfgc.face.crop import FACE_POINTS
    from pdfgc.face.geometry import fit_pose
    from pdfgc.face.mesh import landmarks_68

    count = len(faces)
    found = np.array([face is not None for face in faces], bool)
    landmarks = np.full((count, LANDMARKS, 2), np.nan, np.float32)
    boxes, pose = np.full((count, 4), np.nan, np.float32), np.full((count, 6), np.nan)
    scores = np.full((count, SCORES), np.nan, np.float32)
    seen = [face for face in faces if face is not None]
    if seen:
        meshes = np.stack([face.mesh for face in seen])
        landmarks[found] = landmarks_68(meshes)[..., :2]
        outline = meshes[:, :FACE_POINTS, :2]
        boxes[found] = np.concatenate([outline.min(1), outline.max(1)], -1)
        pose[found] = fit_pose(torch.from_numpy(meshes.astype(np.float64))).numpy()
        scores[found] = np.stack([face.blendshapes for face in seen])
    stacked = np.stack(embeddings) if embeddings else np.zeros((0, EMBEDDING), np.float32)
    signals = signals_from_faces(times, faces) if count else _no_signals()
    return Evidence(np.asarray(times, np.float64), landmarks, boxes, pose, scores, signals, stacked)


def _no_signals() -> Signals:
    nothing = np.zeros(0)
    return Signals(nothing, dict.fromkeys(MEASURES, nothing), np.zeros(0, bool))


def match_frames(generated: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which frames of two videos show the same moment.

    Args:
        generated: `[T]` rising seconds, time 0 the first frame.
        truth: `[T']` likewise. A single frame is a still, which stands for every moment.

    Returns:
        rows of the generated video that have a partner, and the row of the truth's frame nearest in time to each
        (within three quarters of the truth's usual frame).
    """
    if not len(generated) or not len(truth):
        return np.zeros(0, int), np.zeros(0, int)
    if len(truth) == 1:
        return np.arange(len(generated)), np.zeros(len(generated), int)
    right = np.searchsorted(truth, generated).clip(0, len(truth) - 1)
    left = (right - 1).clip(0)
    nearest = np.where(np.abs(truth[left] - generated) <= np.abs(truth[right] - generated), left, right)
    period = float(np.median(np.diff(truth)))
    near = np.abs(truth[nearest] - generated) <= 0.75 * period
    return np.flatnonzero(near), nearest[near]
