"""The generator against its slow twin."""

from __future__ import annotations

import pytest
import torch

from golden_rule import fill
from pdfgc.networks.paper.generator import Generator, double
from slow_generator import paint


@pytest.fixture
def generator() -> Generator:
    network = Generator(style=20, channels=(16, 12, 8), start=5).eval()
    fill(network, network="generator_model")
    return network


def test_samples_of_a_batch_are_painted_as_the_slow_way_paints_them(generator: Generator) -> None:
    torch.manual_seed(0)
    start, style = torch.randn(3, 16, 5, 5), torch.randn(3, 20)
    with torch.no_grad():
        fast, slow = generator(start, style), paint(generator, start, style)
    assert fast.shape == (3, 3, 20, 20)
    assert fast.std() > 0.1
    assert torch.allclose(fast, slow, atol=1e-5)
    assert not torch.allclose(fast[0], fast[1], atol=1e-2)


def test_gradients_are_those_of_the_slow_way(generator: Generator) -> None:
    torch.manual_seed(0)
    start, style = torch.randn(2, 16, 5, 5), torch.randn(2, 20)
    weights = list(generator.parameters())
    fast = torch.autograd.grad(generator(start, style).square().sum(), weights)
    slow = torch.autograd.grad(paint(generator, start, style).square().sum(), weights)
    for ours, theirs in zip(fast, slow, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_maps_stay_in_16_bits_where_convolutions_make_such_ones(generator: Generator) -> None:
    torch.manual_seed(0)
    start, style = torch.randn(2, 16, 5, 5), torch.randn(2, 20)
    weights = list(generator.parameters())
    exact = torch.autograd.grad(generator(start, style).square().sum(), weights)
    kinds = set()
    for layer in (generator.conv1, *generator.convs):
        layer.register_forward_hook(lambda module, inputs, made: kinds.add(made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        picture = generator(start, style)
    assert kinds == {torch.bfloat16}
    rounded = torch.autograd.grad(picture.square().sum(), weights)
    for ours, theirs in zip(rounded, exact, strict=True):
        if len(theirs.flatten()) > 1 and theirs.norm() > 1e-3:
            assert torch.cosine_similarity(ours.flatten(), theirs.flatten(), 0) > 0.98


def test_noise_is_repeatable_except_in_training(generator: Generator) -> None:
    torch.manual_seed(0)
    start, style = torch.randn(1, 16, 5, 5), torch.randn(1, 20)
    with torch.no_grad():
        assert torch.equal(generator(start, style), generator(start, style))
        generator.train()
        assert not torch.allclose(generator(start, style), generator(start, style), atol=1e-3)


def test_doubling_keeps_the_brightness_inside() -> None:
    doubled = double(torch.full((1, 2, 6, 6), 0.7))
    assert doubled.shape == (1, 2, 12, 12)
    assert torch.allclose(doubled[:, :, 2:-2, 2:-2], torch.tensor(0.7))
