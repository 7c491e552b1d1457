import numpy as np
import pytest

from pdfgc.evaluation.metrics.sync_small import SHIFT, frame_distances, sync_small


def unit(rows: int, seed: int) -> np.ndarray:
    """Random unit features `[rows, 64]`."""
    features = np.random.default_rng(seed).normal(size=(rows, 64))
    return features / np.linalg.norm(features, axis=-1, keepdims=True)


@pytest.mark.parametrize("late", [-7, 0, 4])
def test_sound_that_comes_late_is_found_where_it_is(late: int) -> None:
    mouths, speech = unit(60, 0), unit(60 + 2 * SHIFT, 1)
    speech[SHIFT + late : SHIFT + late + 60] = mouths  # frame t sounds `late` frames after it shows
    usable = np.ones(60, bool)
    apart = frame_distances(mouths, speech, usable)
    assert apart.shape == (60, 2 * SHIFT + 1)
    results = sync_small(apart.mean(0), len(apart), {"weights": "w"})
    distance, confidence = results["sync_small_d"], results["sync_small_c"]
    assert distance.value == pytest.approx(0, abs=1e-9)
    assert confidence.value == pytest.approx(
        np.sqrt(2), abs=0.02
    )  # what unlike unit features have between them
    assert (distance.settings["offset_frames"], distance.samples) == (-late, 60)
    assert distance.settings["weights"] == "w"


def test_distances_by_hand_and_only_of_usable_frames() -> None:
    east, north = np.array([1.0, 0]), np.array([0, 1.0])
    mouths = np.stack([east, north, east])
    speech = np.repeat(east[None], 3 + 2 * SHIFT, 0)
    apart = frame_distances(mouths, speech, np.array([True, True, False]))
    assert apart.shape == (2, 2 * SHIFT + 1)
    assert apart[0] == pytest.approx(np.zeros(2 * SHIFT + 1))
    assert apart[1] == pytest.approx(np.full(2 * SHIFT + 1, np.sqrt(2)))


def test_confidence_by_hand() -> None:
    distances = np.full(2 * SHIFT + 1, 1.4)
    distances[SHIFT + 2] = 0.9
    results = sync_small(distances, 50, {})
    assert results["sync_small_c"].value == pytest.approx(0.5)
    assert results["sync_small_d"].value == pytest.approx(0.9)
    assert results["sync_small_d"].settings["distance_unshifted"] == pytest.approx(1.4)
    assert results["sync_small_c"].settings["offset_frames"] == -2


def test_too_few_frames_give_no_value() -> None:
    results = sync_small(np.zeros(2 * SHIFT + 1), 9, {})
    assert [r.value for r in results.values()] == [None, None]
    assert "fewer than 10" in (results["sync_small_c"].reason or "")
