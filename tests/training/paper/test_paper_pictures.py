"""What the stages of preset `paper` that paint share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pdfgc.priors.face_features import FaceFeatures
from pdfgc.training.paper.pictures import compare_pictures


def _read(pictures: Tensor, meshes: Tensor) -> FaceFeatures:
    """A teacher that reads colours, and where it was told that the face is."""
    return FaceFeatures(shape=pictures[:, :, 0, :2].flatten(1), emotion=meshes[:, 0])


def test_pictures_are_compared_beside_portraits_left_as_they_are() -> None:
    driving = torch.zeros(2, 3, 4, 4)
    meshes = torch.zeros(2, 2, 478, 3)
    meshes[:, 0, 0, 1] = 0.5  # the portraits' faces are elsewhere
    scores = compare_pictures(_read, driving + 0.1, driving - 0.4, driving, meshes)
    assert scores == {
        "held_l1": pytest.approx(0.1),
        "held_still_l1": pytest.approx(0.4),
        "held_motion": pytest.approx(0.1 * 6**0.5),
        "held_still_motion": pytest.approx(0.4 * 6**0.5 + 0.5),
    }
    assert set(compare_pictures(None, driving, driving, driving, meshes)) == {"held_l1", "held_still_l1"}
