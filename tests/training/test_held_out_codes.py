"""The measures of codes on held-out faces, by cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pdfgc.face.mesh import LIPS_INNER
from pdfgc.training.held_out_codes import _correlation, _distance


def _mouths(gaps: np.ndarray) -> torch.Tensor:
    meshes = torch.zeros(len(gaps), 478, 3)
    meshes[:, list(LIPS_INNER[4:7]), 1] = torch.tensor(gaps, dtype=torch.float32)[:, None]
    return meshes


def test_distance_is_the_mean_over_points_in_cm() -> None:
    result = torch.zeros(2, 4, 3)
    result[0, 0] = torch.tensor([3.0, 4.0, 0.0])
    assert _distance(result, torch.zeros(2, 4, 3)) == pytest.approx(5 / 8)


def test_correlation_is_of_the_gap_and_nothing_for_a_still_mouth() -> None:
    gaps = np.array([0.0, 0.5, 1.0, 0.2])
    assert _correlation(_mouths(2 * gaps), _mouths(gaps)) == pytest.approx(1)
    assert _correlation(_mouths(-gaps), _mouths(gaps)) == pytest.approx(-1)
    assert np.isnan(_correlation(_mouths(0 * gaps), _mouths(gaps)))
