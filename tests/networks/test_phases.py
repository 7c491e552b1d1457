"""Pictures taken apart and put together again."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from pdfgc.networks.flow import pixel_centres
from pdfgc.networks.phases import centres_in_phases, double_in_phases, from_phases, in_phases


def test_taken_apart_and_put_together_it_is_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8), np.uint8)
    apart = torch.from_numpy(in_phases(picture))
    assert torch.equal(apart.flatten(1, 2), F.pixel_unshuffle(torch.from_numpy(picture), 2))
    assert np.array_equal(from_phases(apart), picture.transpose(0, 2, 3, 1))


def test_doubling_is_bilinear_interpolation() -> None:
    maps = torch.randn(2, 3, 5, 5)
    expected = F.pixel_unshuffle(
        F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False), 2
    )
    assert torch.allclose(double_in_phases(maps).flatten(1, 2), expected, atol=1e-6)


def test_centres_are_those_of_the_picture() -> None:
    centres = centres_in_phases(8)
    assert torch.equal(centres[:, 3, 1, 2], pixel_centres(8)[3, 5])  # odd row, odd column
