"""Faces in a picture: MediaPipe's 478 points with irises, 52 blendshape scores and head matrix.

Every picture is looked at by itself. MediaPipe's video mode smooths over time and so lags by about half a
frame; its points without smoothing are the same as these.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from types import TracebackType

import cv2
import numpy as np
import torch

from pdfgc.face.geometry import POSE_SCALE, fit_pose
from pdfgc.face.mesh import FACE_HEIGHT
from pdfgc.weights import locate

log = logging.getLogger(__name__)

SMALL_FACE = 96
"""Face height in pixels under which landmarks get coarse: such a face is looked at again, enlarged."""

CANDIDATES = 4
"""Faces looked for at least, as MediaPipe orders them by score and `detect` by size."""

LONGEST_SIDE = 1280
"""Larger pictures are shrunk to this before the search: MediaPipe samples a large face without averaging."""

REGION_SIDE = 512
"""Parts of a picture are enlarged at least to this."""

SMALLEST_TILE = 128
"""Pixels: the finest tiling of the search for small faces."""


@dataclass(frozen=True)
class Face:
    """One face of a picture.

    Attributes:
        mesh: `[478, 3]` float32 in pixels from the picture's top left corner, so that the middle of its first
            pixel is (0.5, 0.5): x right, y down, z at the same scale, smaller = nearer.
        blendshapes: `[52]` float32 0..1, named by `mesh.BLENDSHAPES`.
        matrix: `[4, 4]` float32, MediaPipe's head matrix, cm, camera axes (x right, y up, z backwards). It
            supposes a camera in front of the searched picture's middle; `geometry.fit_pose` does not.
    """

    mesh: np.ndarray
    blendshapes: np.ndarray
    matrix: np.ndarray

    @cached_property
    def size(self) -> float:
        """Height of the face from hair line to chin in pixels, whatever its pose."""
        return float(torch.exp(self._pose[5])) * POSE_SCALE * FACE_HEIGHT

    @property
    def roll(self) -> float:
        """How far the head is tipped to the picture's left, in degrees, -180..180."""
        return math.degrees(float(self._pose[2]))

    @cached_property
    def _pose(self) -> torch.Tensor:
        return fit_pose(torch.from_numpy(self.mesh))


def on_size(name: str, face: Face) -> str | None:
    """A remark on a face in the file `name` that is small; None for others."""
    if face.size >= SMALL_FACE:
        return None
    return f"{name}: the face is only {face.size:.0f} pixels high; from {SMALL_FACE} the result is sharper"


class FaceTracker:
    """Finds faces. Not thread-safe; close it, or use it as a context manager.

    Args:
        max_faces: how many faces `detect` returns at most.
    """

    def __init__(self, max_faces: int = 1) -> None:
        with _native_log():
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision

            self._to_image = lambda pixels: mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
            self._landmarker = vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_buffer=locate("face_landmarker").read_bytes()),
                    running_mode=vision.RunningMode.IMAGE,
                    num_faces=max(max_faces, CANDIDATES),
                    output_face_blendshapes=True,
                    output_facial_transformation_matrixes=True,
                )
            )
            self._landmarker.detect(
                self._to_image(np.zeros((64, 64, 3), np.uint8))
            )  # says what it has to say
        self._closer = weakref.finalize(self, self._landmarker.close)  # MediaPipe's own fails at exit
        self._max_faces = max_faces

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> list[Face]:
        """The faces of a picture, the largest first.

        Args:
            image: `[H, W, 3]` uint8 RGB, upright.
            thorough: also search part by part where the whole picture shows no face, and look again,
                enlarged, at faces under `SMALL_FACE` pixels. For the frames of a video without a face,
                `False` is faster.

        Returns:
            At most `max_faces` faces; an empty list when there is none.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected a [H, W, 3] uint8 picture, got {list(image.shape)} {image.dtype}")
        height, width = image.shape[:2]
        faces = self._detect_part(image, 0, 0, width, height)
        if thorough and not faces:
            faces = self._search_tiles(image)
        if thorough:
            faces = [self._look_again(image, face) if face.size < SMALL_FACE else face for face in faces]
        return sorted(faces, key=lambda face: face.size, reverse=True)[: self._max_faces]

    def close(self) -> None:
        """Free the networks."""
        self._closer()

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _detect_part(self, image: np.ndarray, left: int, top: int, right: int, bottom: int) -> list[Face]:
        """Faces of a part of the picture at its own scale, shrunk if it is very large."""
        part = image[top:bottom, left:right]
        longest = max(part.shape[:2])
        if longest > LONGEST_SIDE:
            part = _resize(part, LONGEST_SIDE / longest)
        return self._run(part, left, top, longest / max(part.shape[:2]))

    def _detect_enlarged(self, image: np.ndarray, left: int, top: int, right: int, bottom: int) -> list[Face]:
        part = image[top:bottom, left:right]
        longest = max(part.shape[:2])
        if longest >= REGION_SIDE:
            return self._detect_part(image, left, top, right, bottom)
        return self._run(_resize(part, REGION_SIDE / longest), left, top, longest / REGION_SIDE)

    def _run(self, pixels: np.ndarray, left: int, top: int, scale: float) -> list[Face]:
        """Faces in `pixels`, whose pixel (x, y) lies at (left, top) + scale * (x, y) of the picture."""
        result = self._landmarker.detect(self._to_image(np.ascontiguousarray(pixels)))
        height, width = pixels.shape[:2]
        faces = []
        for points, scores, matrix in zip(
            result.face_landmarks,
            result.face_blendshapes,
            result.facial_transformation_matrixes,
            strict=True,
        ):
            mesh = np.array([(p.x * width, p.y * height, p.z * width) for p in points]) * scale
            mesh[:, :2] += (left, top)
            blendshapes = np.array([score.score for score in scores], np.float32)
            faces.append(Face(mesh.astype(np.float32), blendshapes, np.asarray(matrix, np.float32)))
        return faces

    def _search_tiles(self, image: np.ndarray) -> list[Face]:
        """Halve the searched part until faces show: the detector sees 128 pixels of whatever it gets."""
        height, width = image.shape[:2]
        side = max(height, width) // 2
        while side >= SMALLEST_TILE:
            faces: list[Face] = []
            for top in _starts(height, side):
                for left in _starts(width, side):
                    found = self._detect_enlarged(
                        image, left, top, min(left + side, width), min(top + side, height)
                    )
                    faces += [face for face in found if not any(_same(face, other) for other in faces)]
            if faces:
                return faces
            side //= 2
        return []

    def _look_again(self, image: np.ndarray, face: Face) -> Face:
        """The same face from an enlarged part of the picture about it; itself when it is not found there."""
        height, width = image.shape[:2]
        centre, reach = _centre(face), 1.5 * face.size
        left, top = np.maximum(np.floor(centre - reach), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(centre + reach), (width, height)).astype(int).tolist()
        found = [
            other for other in self._detect_enlarged(image, left, top, right, bottom) if _same(face, other)
        ]
        return replace(found[0], matrix=face.matrix) if found else face


def _resize(image: np.ndarray, scale: float) -> np.ndarray:
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles of `side` begin along `length`: half overlapping, the last one at the end."""
    return [*range(0, max(length - side, 0), side // 2), max(length - side, 0)]


def _centre(face: Face) -> np.ndarray:
    return (face.mesh[:, :2].min(0) + face.mesh[:, :2].max(0)) / 2


def _same(one: Face, other: Face) -> bool:
    return float(np.linalg.norm(_centre(one) - _centre(other))) < 0.5 * min(one.size, other.size)


@contextmanager
def _native_log() -> Iterator[None]:
    """Take what native code writes to standard error, of no use to users, into the debug log."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                log.debug("mediapipe: %s", line)
