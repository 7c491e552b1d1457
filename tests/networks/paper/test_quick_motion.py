"""The fast trunk of E_mot against the plain one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from golden_rule import fill
from pdfgc.networks import winograd
from pdfgc.networks.paper.motion import MotionTrunk
from pdfgc.networks.paper.quick_motion import QuickTrunk
from pdfgc.networks.winograd_torch import TorchSteps


def make_trunk(size: int, channels: int, depth: int) -> MotionTrunk:
    """With weights and statistics that no layer is left out by."""
    trunk = MotionTrunk(size=size, channels=channels, landmarks=7, feature=11, depth=depth).eval()
    fill(trunk, network="motion_model")
    torch.manual_seed(0)
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias, 0.5, 0.3)
    return trunk


@pytest.mark.parametrize("steps", ["torch", "best"])
@pytest.mark.parametrize(("size", "channels", "depth"), [(64, 32, 2), (56, 16, 3), (224, 16, 4)])
def test_it_sees_what_the_plain_one_sees(
    size: int, channels: int, depth: int, steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side of 56 leaves maps of odd sides to be halved."""
    if steps == "torch":
        monkeypatch.setattr(winograd, "best_steps", TorchSteps)
    trunk = make_trunk(size, channels, depth)
    pictures = torch.rand(3, 3, size, size) * 2 - 1
    before = pictures.clone()
    with torch.no_grad():
        expected = trunk(pictures)
    found = QuickTrunk(trunk)(pictures)
    assert expected.std(0).min() > 0  # pictures are told apart
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
    assert torch.equal(pictures, before)
    assert torch.allclose(QuickTrunk(trunk)(pictures[:1]), found[:1], atol=1e-6 * float(found.abs().max()))


def test_every_layer_counts() -> None:
    trunk = make_trunk(64, 16, 2)
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    before = QuickTrunk(trunk)(pictures)
    for name, parameter in trunk.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.add_(0.1 * parameter.abs().max())
        assert not torch.equal(QuickTrunk(trunk)(pictures), before), name
        parameter.data = kept
