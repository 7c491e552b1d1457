"""The fast painter against the slow generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from golden_rule import fill
from pdfgc.networks.paper.generator import Generator
from pdfgc.networks.paper.painter import Painter
from pdfgc.networks.winograd import WinogradConv, WinogradDoubling
from slow_generator import paint


@pytest.fixture(scope="module")
def generator() -> Generator:
    network = Generator(style=24, channels=(24, 20, 16, 16, 12, 8), start=7).eval()
    fill(network, network="generator_model")
    return network


@pytest.fixture(scope="module")
def wide() -> Generator:
    """With layers to which each of Winograd's ways applies: maps of 8 to 64 pixels."""
    network = Generator(style=24, channels=(24, 64, 64, 80), start=8).eval()
    fill(network, network="generator_model")
    return network


def inputs(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(1, 24, 7, 7), torch.randn(count, 24)


def test_wide_layers_are_convolved_winograds_way(wide: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    style = inputs(3)[1]
    start = torch.randn(1, 24, 8, 8)
    painter = Painter(wide)
    with torch.no_grad():
        slow = paint(wide, start.expand(3, -1, -1, -1), style)
    assert torch.allclose(painter(start, style), slow, atol=1e-4)
    assert torch.allclose(painter(start, style[:1]), slow[:1], atol=1e-4)
    assert sum(isinstance(layer.quick, WinogradConv) for layer in painter._layers) == 3
    assert sum(isinstance(layer.quick, WinogradDoubling) for layer in painter._layers) == 2
    monkeypatch.setattr(WinogradConv, "read", lambda *_: None)
    assert not torch.allclose(painter(start, style), slow, atol=1e-2)


@pytest.mark.parametrize("room", [0, 1, 1 << 18, 1 << 20])
def test_float32_paints_what_the_slow_way_paints(generator: Generator, room: int) -> None:
    start, style = inputs(3)
    before = start.clone()
    with torch.no_grad():
        slow = paint(generator, start.expand(3, -1, -1, -1), style)
    fast = Painter(generator, room=room)(start, style)
    assert fast.shape == (3, 3, 224, 224)
    assert torch.allclose(fast, slow, atol=1e-4)
    assert torch.equal(start, before)


def test_sixteen_bits_keep_the_picture(generator: Generator) -> None:
    start, style = inputs(2)
    with torch.no_grad():
        slow = paint(generator, start.expand(2, -1, -1, -1), style)
    fast = Painter(generator, torch.bfloat16)(start, style)
    assert fast.dtype == torch.float32
    error = (fast - slow).square().mean()
    assert 10 * torch.log10(4 / error) > 45
    assert not torch.allclose(fast, slow, atol=1e-4)  # it did compute in 16 bits


def test_a_painter_is_used_again_and_again(generator: Generator) -> None:
    start, style = inputs(4)
    painter = Painter(generator)
    whole = painter(start, style)
    again = torch.cat([painter(start, style[:1]), painter(start, style[1:])])
    assert torch.allclose(whole, again, atol=1e-5)
