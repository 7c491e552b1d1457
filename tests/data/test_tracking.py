"""The first pass over a video."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pdfgc.data.face_boxes import Annotation
from pdfgc.data.tracking import split_parts, track_faces
from pdfgc.face.tracker import Face
from pdfgc.media.video import Frame


def film(*pictures: np.ndarray) -> list[Frame]:
    return [Frame(picture, Fraction(number, 25)) for number, picture in enumerate(pictures)]


@pytest.fixture(scope="module")
def two(astronaut: np.ndarray) -> np.ndarray:
    """The astronaut at 0.6 of her size, and whole: `[256, 410, 3]`."""
    import cv2

    head = astronaut[:256, 100:356]
    small = cv2.resize(head, (154, 154), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.concatenate([np.pad(small, ((0, 102), (0, 0), (0, 0))), head], 1))


def test_faces_times_and_cuts(astronaut: np.ndarray, astronaut_face: Face) -> None:
    wall = np.full_like(astronaut, 128)
    found = list(track_faces(film(astronaut, astronaut, wall, wall, astronaut)))
    assert [frame.face is not None for frame in found] == [True, True, False, False, True]
    assert [frame.cut for frame in found] == [False, False, True, False, True]
    assert [frame.time for frame in found] == [Fraction(number, 25) for number in range(5)]
    assert found[0].size == (512, 512) and found[0].second == 0.0
    assert found[0].sharpness > 0.1 and found[2].sharpness == 0.0
    assert found[0].face is not None
    assert np.abs(found[0].face.mesh - astronaut_face.mesh).mean() < 3.0


def test_a_later_start_changes_nothing_else(astronaut: np.ndarray) -> None:
    frames = film(astronaut, np.full_like(astronaut, 128), astronaut)
    whole, rest = list(track_faces(frames)), list(track_faces(frames, first=1))
    assert [(frame.number, frame.cut) for frame in rest] == [(1, True), (2, True)]
    assert whole[2].face is not None and rest[1].face is not None
    assert np.array_equal(whole[2].face.mesh, rest[1].face.mesh)


def test_the_largest_face_or_the_annotated_one(two: np.ndarray) -> None:
    (largest,) = track_faces(film(two))
    assert largest.face is not None and largest.face.mesh[:, 0].mean() > 154
    assert largest.second == pytest.approx(0.6, abs=0.1)
    small = (largest.face.mesh[:468, :2] - (154, 0)) * (154 / 256)  # where the smaller copy must be
    low, high = small.min(0), small.max(0)
    box = np.array([*low, *(high - low)]) / (410, 256, 410, 256)
    boxes = Annotation("id00001", "film", {}, np.array([1, 2]), np.array([box, box]))
    (chosen,) = track_faces(film(two, two, two, two)[1:2], boxes)
    assert chosen.face is not None and chosen.second == 0.0
    assert np.abs(chosen.face.mesh[:468, :2] - small).mean() < 3.0
    stretch = [frame.time for frame in track_faces(film(two, two, two, two), boxes)]
    assert stretch == [Fraction(1, 25), Fraction(2, 25)]
    elsewhere = Annotation("id00001", "film", {}, np.array([0]), np.array([[0.1, 0.8, 0.1, 0.1]]))
    (nobody,) = track_faces(film(two), elsewhere)
    assert nobody.face is None


def test_parts_end_at_cuts_and_at_their_length(astronaut: np.ndarray) -> None:
    wall = np.full_like(astronaut, 128)
    tracked = list(track_faces(film(*[astronaut] * 5, *[wall] * 2)))
    assert [[frame.number for frame in part] for part in split_parts(tracked, 3)] == [
        [0, 1, 2],
        [3, 4],
        [5, 6],
    ]
    assert list(split_parts([], 3)) == []
