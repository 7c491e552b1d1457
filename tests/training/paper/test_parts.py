"""How the networks of preset `paper` begin: every part of the style has about the same say in the picture."""

from __future__ import annotations

import torch

from pdfgc.config import load_config
from pdfgc.motion import FACTORS
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.networks.paper.build import make_generator, make_motion
from pdfgc.networks.paper.generator import Generator
from pdfgc.training.paper.parts import enliven_motion, heed_codes

SIZES = load_config("paper_tiny").paper.networks
VECTOR = AppearanceEncoder.vector_size(SIZES.appearance_width)


def moved(generator: Generator, styles: torch.Tensor) -> float:
    """Deviation of the scales of a layer of G over styles `[N, style]`."""
    return float(generator.get_submodule("convs.2.conv.modulation")(styles).std(0).mean())


def test_the_motion_feature_begins_as_influential_as_a_portrait() -> None:
    torch.manual_seed(0)
    trunk = make_motion(SIZES, 64).model
    generator = make_generator(SIZES, 64, motion=SIZES.motion)
    pictures = torch.rand(16, 3, 8, 8).mul(2).sub(1)
    pictures = torch.nn.functional.interpolate(pictures, scale_factor=8, mode="bilinear")

    def influence() -> float:
        with torch.no_grad():
            features = trunk(pictures)
            return moved(generator, torch.cat([torch.zeros(16, VECTOR), features], 1))

    alive: list[float] = []
    trunk.conv6.register_forward_hook(lambda _, __, made: alive.append(float((made > 0).float().mean())))
    before = influence()
    enliven_motion(trunk)
    assert influence() > 4 * before and 0.05 < influence() < 1.5
    assert alive[0] < 0.8 and alive[-1] > 0.97, "the one map that all passes begins open"


def test_every_code_begins_with_the_same_influence() -> None:
    torch.manual_seed(0)
    generator = make_generator(SIZES, 64)
    heed_codes(generator, FACTORS)
    typical = {"lips": 0.1, "expression": 0.1, "eyes": 0.15, "pose": 0.4}
    codes = {name: typical[name] * torch.randn(200, size) for name, size in FACTORS.items()}
    found = {}
    with torch.no_grad():
        for name in FACTORS:
            alone = [code if other == name else torch.zeros_like(code) for other, code in codes.items()]
            found[name] = moved(generator, torch.cat([torch.zeros(200, VECTOR), *alone], 1))
        vector = torch.cat([torch.randn(200, VECTOR), torch.zeros(200, sum(FACTORS.values()))], 1)
        untouched = moved(generator, vector) / (VECTOR / (VECTOR + sum(FACTORS.values()))) ** 0.5
    assert all(0.06 < influence < 0.16 for influence in found.values()), found
    assert 0.8 < untouched < 1.2
