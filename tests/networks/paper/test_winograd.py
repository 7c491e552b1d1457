"""Winograd's convolution against the plain one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pdfgc.networks.paper import winograd
from pdfgc.networks.paper.winograd import WinogradConv


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 4, 4), (2, 8, 12), (3, 28, 28)])
@pytest.mark.parametrize("strip_bytes", [1, 1 << 16, 1 << 30])
def test_it_is_the_plain_convolution(
    both: bool, batch: int, height: int, width: int, strip_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "_STRIP_BYTES", strip_bytes)
    torch.manual_seed(0)
    x, weight, scale = torch.randn(batch, 5, height, width), torch.randn(7, 5, 3, 3), torch.randn(batch, 5)
    before = x.clone()
    expected = F.conv2d(x * scale[:, :, None, None], weight, padding=1)
    found = WinogradConv(weight, both=both)(x.permute(0, 2, 3, 1), scale).permute(0, 3, 1, 2)
    assert torch.allclose(found, expected, atol=2e-4)
    assert torch.equal(x, before)
    plain = WinogradConv(weight, both=both)(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.allclose(plain, F.conv2d(x, weight, padding=1), atol=2e-4)


@pytest.mark.parametrize("both", [False, True])
def test_strips_are_finished_once_each(both: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_STRIP_BYTES", 1 << 11)
    x, weight = torch.randn(1, 16, 12, 5), torch.randn(5, 5, 3, 3)
    conv, rows = WinogradConv(weight, both=both), torch.arange(16.0)[None, :, None, None]
    plain = conv(x)
    seen: list[slice] = []

    def finish(strip: torch.Tensor, which: slice) -> None:
        seen.append(which)
        strip.add_(rows[:, which])

    assert torch.allclose(conv(x, finish=finish), plain + rows, atol=1e-5)
    assert len(seen) > 1 and sorted(r for part in seen for r in range(16)[part]) == list(range(16))


def test_many_channels_are_summed_exactly_enough() -> None:
    """Of 512 channels at the deviation that the generator's maps have, the error is a hundred-thousandth."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 512, 8, 8), torch.randn(16, 512, 3, 3) / 4608**0.5
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    for both in (False, True):
        found = WinogradConv(weight, both=both)(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        assert (found - expected).abs().max() < 3e-5
