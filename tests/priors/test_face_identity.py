"""SFace: its alignment always, its embeddings where the weights are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pdfgc.face.tracker import Face, FaceTracker
from pdfgc.priors.identity import (
    ARCFACE_POINTS,
    SAME_PERSON,
    FaceIdentity,
    align,
    five_points,
    similarity,
    similarity_transform,
)
from pdfgc.weights import find


@pytest.fixture(scope="module")
def identity() -> FaceIdentity:
    if find("sface") is None:
        pytest.skip("the weights sface are not on this machine (`pdfgc weights fetch sface`)")
    return FaceIdentity()


def test_a_similarity_transform_is_recovered() -> None:
    points = np.random.default_rng(0).normal(size=(5, 2)) * 40
    angle, scale, shift = 0.4, 1.7, np.array([12.0, -3.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity_transform(points, points @ turn.T + shift)
    assert np.allclose(matrix, np.column_stack([turn, shift]))


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    matrix = similarity_transform(ARCFACE_POINTS * (-1, 1), ARCFACE_POINTS)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_the_five_points_land_near_their_places(
    astronaut: np.ndarray, astronaut_face: Face, tracker: FaceTracker
) -> None:
    points = five_points(astronaut_face.mesh)
    matrix = similarity_transform(points, ARCFACE_POINTS)
    assert np.abs(points @ matrix[:, :2].T + matrix[:, 2] - ARCFACE_POINTS).max() < 6
    aligned = align(astronaut, astronaut_face)
    assert aligned.shape == (112, 112, 3)
    enlarged = cv2.resize(aligned, (448, 448), interpolation=cv2.INTER_CUBIC)
    assert np.abs(five_points(tracker.detect(enlarged)[0].mesh) / 4 - ARCFACE_POINTS).max() < 8


def test_one_person_stays_one_person(
    identity: FaceIdentity, tracker: FaceTracker, astronaut: np.ndarray, astronaut_face: Face
) -> None:
    vector = identity.embed(astronaut, astronaut_face)
    assert vector.shape == (128,) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    darker = (cv2.resize(astronaut, None, fx=0.6, fy=0.6) * 0.7).astype(np.uint8)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    for other in (darker, mirrored):
        assert similarity(vector, identity.embed(other, tracker.detect(other)[0])) > 0.8


def test_no_face_is_nobody(identity: FaceIdentity, astronaut: np.ndarray, astronaut_face: Face) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    alike = similarity(identity.embed(astronaut, astronaut_face), identity.embed_aligned(noise))
    assert alike < SAME_PERSON
    with pytest.raises(ValueError, match="expected an aligned face"):
        identity.embed_aligned(noise[:100])
