"""Winograd's convolutions against the plain ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pdfgc.networks import winograd
from pdfgc.networks.paper.generator import blur
from pdfgc.networks.winograd import WinogradConv, WinogradDoubling

SHAPES = [(1, 4, 4), (2, 8, 12), (3, 28, 28)]


@pytest.fixture(params=[1, 12, 1 << 30], autouse=True)
def strip_tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(winograd, "_STRIP_TILES", request.param)
    return int(request.param)


@pytest.mark.parametrize(("batch", "height", "width"), SHAPES)
def test_it_is_the_plain_convolution(batch: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    x, weight, scale = torch.randn(batch, 5, height, width), torch.randn(7, 5, 3, 3), torch.randn(batch, 5)
    before, conv = x.clone(), WinogradConv(weight)
    expected = F.conv2d(x * scale[:, :, None, None], weight, padding=1)
    assert torch.allclose(conv(x.permute(0, 2, 3, 1), scale).permute(0, 3, 1, 2), expected, atol=2e-4)
    plain = conv(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.allclose(plain, F.conv2d(x, weight, padding=1), atol=2e-4)
    assert torch.equal(x, before)


@pytest.mark.parametrize("numbers", [1, 1000, 1 << 30])
@pytest.mark.parametrize(("batch", "height", "width"), SHAPES)
def test_doubling_is_the_plain_transposed_convolution_and_low_pass(
    batch: int, height: int, width: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "_FILTER_NUMBERS", numbers)
    torch.manual_seed(0)
    x, weight, scale = torch.randn(batch, 5, height, width), torch.randn(5, 7, 3, 3), torch.randn(batch, 5)
    before, conv = x.clone(), WinogradDoubling(weight)
    doubled = F.conv_transpose2d(x * scale[:, :, None, None], weight, stride=2)
    expected = blur(doubled, pad=(1, 1))
    found = conv(x.permute(0, 2, 3, 1), scale).permute(0, 3, 1, 2)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=2e-4)
    plain = conv(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.allclose(plain, blur(F.conv_transpose2d(x, weight, stride=2), pad=(1, 1)), atol=2e-4)
    assert torch.equal(x, before)


@pytest.mark.parametrize("double", [False, True])
def test_rows_are_finished_once_each(double: bool) -> None:
    x, weight = torch.randn(1, 16, 12, 5), torch.randn(5, 5, 3, 3)
    conv = WinogradDoubling(weight) if double else WinogradConv(weight)
    plain = conv(x)
    count = plain.shape[1]
    rows = torch.arange(float(count))[None, :, None, None]
    seen: list[slice] = []

    def finish(strip: torch.Tensor, which: slice) -> None:
        seen.append(which)
        strip.add_(rows[:, which])

    assert torch.allclose(conv(x, finish=finish), plain + rows, atol=1e-5)
    assert sorted(r for part in seen for r in range(count)[part]) == list(range(count))


def test_many_channels_are_summed_exactly_enough() -> None:
    """Of 512 channels, outputs of deviation 1: an error of a hundred-thousandth, as 100 dB."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 512, 8, 8), torch.randn(16, 512, 3, 3) / 4608**0.5
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    found = WinogradConv(weight)(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert (found - expected).square().mean().sqrt() < 1e-5
    assert (found - expected).abs().max() < 1e-4
