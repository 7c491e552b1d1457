"""Winograd's convolutions against the plain ones."""

from __future__ import annotations

import shutil

import pytest
import torch
import torch.nn.functional as F

from pdfgc.networks import winograd, winograd_torch
from pdfgc.networks.paper.generator import blur
from pdfgc.networks.winograd import PointwiseConv, WinogradConv, WinogradDoubling
from pdfgc.networks.winograd_compiled import CompiledSteps
from pdfgc.networks.winograd_steps import Finish, Readout, Start, Steps
from pdfgc.networks.winograd_torch import TorchSteps

SHAPES = [(1, 1, 1), (1, 4, 4), (2, 8, 12), (2, 7, 9), (3, 28, 28)]


@pytest.fixture(params=["torch", "compiled"])
def steps(request: pytest.FixtureRequest) -> Steps:
    """Both ways."""
    if request.param == "torch":
        return TorchSteps()
    compiled = CompiledSteps.load()
    if compiled is None:
        assert not any(map(shutil.which, ("cc", "gcc", "clang"))), "the C files are not compiled"
        pytest.skip("this machine has no C compiler")
    return compiled


@pytest.fixture(params=[1, 200, 1 << 30], autouse=True)
def strips(request: pytest.FixtureRequest, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "best_steps", lambda: steps)
    monkeypatch.setattr(steps, "strip_pixels", request.param)


@pytest.mark.parametrize(("batch", "height", "width"), SHAPES)
def test_it_is_the_plain_convolution(batch: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    x, weight, scale = torch.randn(batch, 5, height, width), torch.randn(7, 5, 3, 3), torch.randn(batch, 5)
    before, conv = x.clone(), WinogradConv(weight)
    expected = F.conv2d(x * scale[:, :, None, None], weight, padding=1)
    assert torch.allclose(conv(x.permute(0, 2, 3, 1), Start(scale)).permute(0, 3, 1, 2), expected, atol=2e-4)
    plain = conv(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.allclose(plain, F.conv2d(x, weight, padding=1), atol=2e-4)
    assert torch.equal(x, before)


@pytest.mark.parametrize("numbers", [1, 1000, 1 << 30])
@pytest.mark.parametrize(("batch", "height", "width"), SHAPES)
def test_doubling_is_the_plain_transposed_convolution_and_low_pass(
    batch: int, height: int, width: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd_torch, "_FILTER_NUMBERS", numbers)
    torch.manual_seed(0)
    x, weight, scale = torch.randn(batch, 5, height, width), torch.randn(5, 7, 3, 3), torch.randn(batch, 5)
    before, conv = x.clone(), WinogradDoubling(weight)
    doubled = F.conv_transpose2d(x * scale[:, :, None, None], weight, stride=2)
    expected = blur(doubled, pad=(1, 1))
    found = conv(x.permute(0, 2, 3, 1), Start(scale)).permute(0, 3, 1, 2)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=2e-4)
    plain = conv(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.allclose(plain, blur(F.conv_transpose2d(x, weight, stride=2), pad=(1, 1)), atol=2e-4)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(16, 12, 5), (16, 12, 64), (4, 8, 130), (10, 7, 70)]
)
@pytest.mark.parametrize("double", [False, True])
def test_sums_are_finished(double: bool, height: int, width: int, channels: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, height, width, channels), torch.randn(channels, channels, 3, 3) / channels
    conv = WinogradDoubling(weight) if double else WinogradConv(weight)
    sums = conv(x)
    assert torch.equal(conv(x, finish=Finish()), sums)
    gain, bias = torch.randn(2, channels), torch.randn(channels)
    own, shared, noise = torch.randn_like(sums), torch.randn_like(sums[:1]), torch.randn(sums.shape[1:3])
    for added in (own, shared):
        expected = F.leaky_relu(sums * gain[:, None, None] + bias + added + noise[..., None], 0.2)
        assert torch.allclose(conv(x, finish=Finish(gain, bias, added, noise, 0.2)), expected, atol=1e-5)
    assert torch.allclose(
        conv(x, finish=Finish(bias=bias, slope=0.1)), F.leaky_relu(sums + bias, 0.1), atol=1e-5
    )
    assert torch.allclose(conv(x, finish=Finish(added=own)), sums + own, atol=1e-5)
    assert torch.allclose(conv(x, finish=Finish(gain=gain)), sums * gain[:, None, None], atol=1e-5)
    assert torch.allclose(conv(x, finish=Finish(noise=noise)), sums + noise[..., None], atol=1e-5)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 9)])
@pytest.mark.parametrize("double", [False, True])
def test_a_map_is_normalised_and_rectified_before(
    double: bool, height: int, width: int, samples: int
) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, height, width, 70), torch.randn(70, 70, 3, 3) / 25
    scale, shift = torch.randn(samples, 70), torch.randn(70)
    conv = WinogradDoubling(weight) if double else WinogradConv(weight)
    expected = conv(F.relu(x * scale[:, None, None] + shift))
    assert torch.allclose(conv(x, Start(scale, shift)), expected, atol=1e-4)


@pytest.mark.parametrize(("batch", "height", "width"), SHAPES)
def test_maps_may_be_channels_of_wider_ones(batch: int, height: int, width: int) -> None:
    torch.manual_seed(0)
    wide, weight = torch.randn(batch, height, width, 9), torch.randn(5, 5, 3, 3)
    x, conv = wide[..., 2:7], WinogradConv(weight)
    expected = conv(x.contiguous())
    assert torch.allclose(conv(x), expected, atol=1e-5)
    before = wide.clone()
    assert conv(x.contiguous(), out=wide[..., 3:8]).data_ptr() == wide[..., 3:8].data_ptr()
    assert torch.allclose(wide[..., 3:8], expected, atol=1e-5)
    assert torch.equal(wide[..., [0, 1, 2, 8]], before[..., [0, 1, 2, 8]])
    doubling = WinogradDoubling(weight)
    assert torch.allclose(doubling(x), doubling(x.contiguous()), atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "height", "width", "channels"), [(1, 4, 4, 5), (2, 7, 9, 64), (3, 14, 8, 70)]
)
def test_colours_are_read_off_the_finished_map(batch: int, height: int, width: int, channels: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(batch, height, width, 5), torch.randn(channels, 5, 3, 3)
    finish, before = Finish(bias=torch.randn(channels), slope=0.2), torch.randn(batch, height, width, 3)
    looks = torch.randn(3, channels, batch).permute(2, 0, 1)  # not side by side
    sums = before.clone()
    found = WinogradConv(weight)(x, finish=finish, readout=Readout(looks, sums))
    assert torch.equal(found, WinogradConv(weight)(x, finish=finish))
    expected = before + torch.einsum("bhwc,bkc->bhwk", found, looks)
    assert torch.allclose(sums, expected, atol=1e-3)
    for_all = before.clone()
    WinogradConv(weight)(x, finish=finish, readout=Readout(looks[:1], for_all))
    assert torch.allclose(for_all, before + torch.einsum("bhwc,kc->bhwk", found, looks[0]), atol=1e-3)
    unkept = before.clone()
    WinogradConv(weight).read(x, None, finish, Readout(looks, unkept))
    assert torch.allclose(unkept, sums, atol=1e-4)


def test_a_convolution_of_one_pixel_is_a_product() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, 5, 20), torch.randn(17, 20, 1, 1)
    expected = F.conv2d(x.permute(0, 3, 1, 2), weight).permute(0, 2, 3, 1)
    assert torch.allclose(PointwiseConv(weight)(x), expected, atol=1e-5)


def test_many_channels_are_summed_exactly_enough() -> None:
    """Of 512 channels, outputs of deviation 1: an error of a hundred-thousandth, as 100 dB."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 512, 8, 8), torch.randn(16, 512, 3, 3) / 4608**0.5
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    found = WinogradConv(weight)(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert (found - expected).square().mean().sqrt() < 1e-5
    assert (found - expected).abs().max() < 1e-4
