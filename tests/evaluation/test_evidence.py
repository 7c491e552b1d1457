from pathlib import Path

import numpy as np
import pytest

from evaluation.fakes import FakeIdentity, FakeTracker, draw, performance
from pdfgc.evaluation.evidence import Evidence, collect, match_frames
from pdfgc.evaluation.identity import STRIDE
from pdfgc.evaluation.store import ArrayStore
from pdfgc.face.crop import HEAD_SIDE


@pytest.fixture(scope="module")
def seen() -> Evidence:
    pictures = performance(12, mouth=0.5, yaw=10.0)
    pictures[4] = draw(present=0.0)
    return collect(((i / 25, p) for i, p in enumerate(pictures)), FakeTracker(), FakeIdentity())


def test_frames_without_a_face_are_unknown(seen: Evidence) -> None:
    for rows in (seen.landmarks, seen.boxes, seen.pose, seen.scores):
        unknown = np.isnan(rows.reshape(12, -1)).all(1)
        assert unknown.tolist() == [i == 4 for i in range(12)]
    assert seen.embeddings.shape == (3, 128)


def test_the_scale_is_that_of_a_head_crop_of_256_pixels(seen: Evidence) -> None:
    head_height = 32.0  # the drawn head of a 64 px picture: FACE_HEIGHT cm at 64 / (2 FACE_HEIGHT) px a cm
    assert seen.scale == pytest.approx(256 / (HEAD_SIDE * head_height), rel=0.02)


def test_taking_frames_keeps_each_embedding_with_its_frame(seen: Evidence) -> None:
    taken = seen.take(np.array([3, 5, 6, 10]))
    assert np.isfinite(taken.embeddings).all(1).tolist() == [False, True, False, True]
    assert np.array_equal(taken.embeddings[1], seen.embeddings[5 // STRIDE])
    assert taken.times.tolist() == [3 / 25, 5 / 25, 6 / 25, 10 / 25]


def test_evidence_survives_the_store(seen: Evidence, tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    calls = []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return seen.to_arrays()

    for _ in range(2):
        kept = Evidence.from_arrays(store.get(make, of="it"))
        assert np.array_equal(kept.landmarks, seen.landmarks, equal_nan=True)
        assert np.array_equal(kept.signals.values["yaw"], seen.signals.values["yaw"], equal_nan=True)
    assert len(calls) == 1
    store.get(make, of="another")
    assert len(calls) == 2
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"broken")
    store.get(make, of="it")
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("generated", "truth", "rows", "partners"),
    [
        ([0.0, 0.04, 0.08], [0.0, 0.04, 0.08], [0, 1, 2], [0, 1, 2]),
        ([0.0, 0.04, 0.08, 0.12], [0.0, 0.04], [0, 1], [0, 1]),  # the truth ends earlier
        ([0.0, 0.02, 0.04], [0.0, 0.04], [0, 1, 2], [0, 0, 1]),  # twice as many frames
        ([0.0, 0.04], [0.0], [0, 1], [0, 0]),  # a still is of every moment
        ([], [0.0], [], []),
    ],
)
def test_frames_of_the_same_moment(
    generated: list[float], truth: list[float], rows: list[int], partners: list[int]
) -> None:
    ours, theirs = match_frames(np.array(generated), np.array(truth))
    assert (ours.tolist(), theirs.tolist()) == (rows, partners)
