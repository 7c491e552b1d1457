"""The discriminator: shapes, spectral norms, projection."""

from __future__ import annotations

import pytest
import torch

from pdfgc.networks.paper.discriminator import Discriminator


def test_224_pixels_are_halved_five_times_under_the_papers_channels() -> None:
    torch.manual_seed(0)
    network = Discriminator(people=3).eval()
    with torch.no_grad():
        score, features = network(torch.rand(1, 3, 224, 224) * 2 - 1, torch.tensor([2]))
    assert score.shape == (1,)
    sizes = [(64, 112), (128, 56), (256, 28), (512, 14), (512, 7), (512, 7), (512, 7)]
    assert [(f.shape[1], f.shape[2]) for f in features] == sizes


def test_no_weight_stretches_by_more_than_one() -> None:
    torch.manual_seed(0)
    network = Discriminator(size=32, people=4, channels=8, most_channels=16, blocks=4)
    for _ in range(30):  # the power iteration goes one step a forward pass
        network(torch.rand(2, 3, 32, 32), torch.tensor([0, 1]))
    modules = [module for module in network.modules() if hasattr(module, "parametrizations")]
    weights = [torch.as_tensor(module.weight) for module in modules]
    assert len(weights) == 2 * 4 + 3 + 2
    for weight in weights:
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_the_score_depends_on_the_person_by_the_projection() -> None:
    torch.manual_seed(0)
    network = Discriminator(size=32, people=4, channels=8, most_channels=16, blocks=4).eval()
    pictures = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        alone = network(pictures)
        known = network(pictures, torch.tensor([1, 3]))
        assert network.people is not None
        summed = alone.features[-1].relu().sum((2, 3))
        product = (summed * network.people.weight[[1, 3]]).sum(1)
    assert torch.allclose(known.score - alone.score, product, atol=1e-5)


def test_people_must_have_been_announced() -> None:
    network = Discriminator(size=32, channels=8, most_channels=16, blocks=4)
    with pytest.raises(ValueError, match="0 people"):
        network(torch.rand(1, 3, 32, 32), torch.tensor([0]))
