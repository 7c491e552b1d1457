"""Faces found in pictures of many sizes."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from pdfgc.face import mesh
from pdfgc.face.tracker import SMALL_FACE, Face, FaceTracker, on_size


def scaled(image: np.ndarray, scale: float) -> np.ndarray:
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def on_canvas(image: np.ndarray, height: int, width: int, top: int, left: int) -> np.ndarray:
    canvas = np.random.default_rng(0).integers(0, 60, (height, width, 3)).astype(np.uint8)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def test_a_face_has_its_parts_where_they_are(astronaut_face: Face) -> None:
    points = astronaut_face.mesh
    assert points.shape == (478, 3) and points.dtype == np.float32
    assert astronaut_face.blendshapes.shape == (52,) and astronaut_face.matrix.shape == (4, 4)
    assert points[468, 0] < points[473, 0], "the subject's right eye is on the image's left"
    assert points[468, 1] < points[4, 1] < points[13, 1] < points[152, 1], "eyes, nose, mouth, chin downwards"
    assert points[4, 2] < points[234, 2], "the nose is nearer than the ear"
    assert 100 < astronaut_face.size < 140


def test_the_blendshapes_are_in_the_order_of_their_names(astronaut_face: Face) -> None:
    score = dict(zip(mesh.BLENDSHAPES, astronaut_face.blendshapes, strict=True))
    assert len(score) == 52
    assert score["mouthSmileLeft"] > 0.5 and score["mouthSmileRight"] > 0.5  # she smiles
    assert score["_neutral"] < 0.01 and score["mouthFrownLeft"] < 0.1 and score["cheekPuff"] < 0.1


def test_no_face_gives_an_empty_list(tracker: FaceTracker) -> None:
    assert tracker.detect(np.full((300, 400, 3), 128, np.uint8)) == []


def test_the_largest_face_comes_first(astronaut: np.ndarray) -> None:
    head = astronaut[:256, 100:356]
    both = np.concatenate([np.pad(scaled(head, 0.6), ((0, 102), (0, 0), (0, 0))), head], 1)
    with FaceTracker(max_faces=2) as tracker:
        first, second = tracker.detect(both)
    assert first.size > 1.4 * second.size
    assert first.mesh[:, 0].mean() > second.mesh[:, 0].mean()


def test_a_small_face_in_a_large_picture_is_found_and_remarked_on(
    astronaut: np.ndarray, astronaut_face: Face
) -> None:
    scale = 48 / astronaut_face.size
    picture = on_canvas(scaled(astronaut, scale), 540, 960, 200, 600)
    with FaceTracker() as tracker:
        assert tracker.detect(picture, thorough=False) == []
        (face,) = tracker.detect(picture)
    assert face.size < SMALL_FACE
    truth = astronaut_face.mesh[:, :2] * scale + (600, 200)
    assert np.abs(face.mesh[:, :2] - truth).mean() < 1.0
    assert (on_size("crowd.jpg", face) or "").startswith("crowd.jpg: the face is only 4")
    assert on_size("her.jpg", astronaut_face) is None


def test_a_small_picture_is_looked_at_enlarged(
    tracker: FaceTracker, astronaut: np.ndarray, astronaut_face: Face
) -> None:
    small = scaled(astronaut, 0.25)
    truth = astronaut_face.mesh[:, :2] * 0.25
    errors = [
        np.abs(tracker.detect(small, thorough=thorough)[0].mesh[:, :2] - truth).mean()
        for thorough in (False, True)
    ]
    assert errors[1] < errors[0] and errors[1] < 0.3


def test_a_huge_picture_gives_the_same_points(
    tracker: FaceTracker, astronaut: np.ndarray, astronaut_face: Face
) -> None:
    huge = cv2.resize(astronaut, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    points = tracker.detect(huge)[0].mesh / 5
    assert np.abs(points - astronaut_face.mesh).mean() < 0.6


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_other_arrays_are_refused(tracker: FaceTracker, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a"):
        tracker.detect(image)


def test_nothing_native_is_written_to_standard_error() -> None:
    code = "import numpy, pdfgc.face.tracker as t; t.FaceTracker().detect(numpy.zeros((99, 99, 3), 'uint8'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr == ""
