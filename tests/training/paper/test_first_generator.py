"""G begins stage 3 as G0 ended stage 1, driven by codes instead of the unified feature."""

from __future__ import annotations

from pathlib import Path

import torch

from pdfgc.config import load_config
from pdfgc.motion import FACTORS
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.networks.paper.build import make_generator, make_motion
from pdfgc.training.paper.first_generator import TAUGHT, begin_as_first, fit_code_map, solve_code_map
from pdfgc.training.paper.frames import PaperClips
from pdfgc.training.paper.parts import enliven_motion
from synthetic import write_clip_set

SIZES = load_config("paper_tiny").paper.networks
VECTOR = AppearanceEncoder.vector_size(SIZES.appearance_width)


@torch.no_grad()
def test_g_paints_what_g0_paints_where_codes_tell_the_feature() -> None:
    torch.manual_seed(0)
    first = make_generator(SIZES, 64, motion=SIZES.motion).eval()
    generator = make_generator(SIZES, 64).eval()
    codes = {factor: torch.randn(200, size) for factor, size in FACTORS.items()}
    taught = {factor: codes[factor] for factor in TAUGHT}
    mixed = torch.cat(list(taught.values()), 1) @ torch.randn(12, SIZES.motion)
    features = 3 + mixed / mixed.std()
    begin_as_first(generator, first, FACTORS, solve_code_map(features, taught))
    silent = {factor: code if factor in TAUGHT else torch.zeros_like(code) for factor, code in codes.items()}
    vector = torch.randn(4, VECTOR)
    start = torch.randn(4, SIZES.generator_channels[0], 2, 2)
    wanted = first(start, torch.cat([vector, features[:4]], 1))
    made = generator(start, torch.cat([vector, *(code[:4] for code in silent.values())], 1))
    still = generator(start, torch.cat([vector, torch.zeros(4, sum(FACTORS.values()))], 1))
    assert (made - wanted).abs().mean() < 0.02 * (wanted - wanted.mean(0)).abs().mean()
    assert (still - wanted).abs().mean() > 0.2 * (wanted - wanted.mean(0)).abs().mean()


def test_a_code_that_never_moves_predicts_nothing() -> None:
    torch.manual_seed(0)
    pose, features = torch.randn(100, 6), torch.randn(100, 8)
    fit = solve_code_map(features, {"eyes": torch.full((100, 6), 0.3), "pose": pose})
    assert torch.equal(fit.matrices["eyes"], torch.zeros(6, 8))
    assert (features - (pose @ fit.matrices["pose"] + fit.offset)).mean(0).abs().max() < 1e-5


def test_a_code_that_trembles_is_no_lever() -> None:
    torch.manual_seed(0)
    codes = {"eyes": 0.15 * torch.randn(128, 6), "pose": 0.4 * torch.randn(128, 6)}
    codes["eyes"][:, 2] = 1e-4 * torch.randn(128)
    fit = solve_code_map(torch.randn(128, 8), codes)
    quiet, loud = fit.matrices["eyes"][2], fit.matrices["eyes"][[0, 1, 3, 4, 5]]
    assert quiet.norm() < loud.norm(dim=1).max()


def test_the_map_is_the_same_again_and_another_for_another_seed(tmp_path: Path) -> None:
    clips = PaperClips(write_clip_set(tmp_path, identities=2, clips=1, frames=12, size=64), 64)
    torch.manual_seed(0)
    motion = make_motion(SIZES, 64)
    enliven_motion(motion.model)
    first, again, other = (fit_code_map(motion, clips, seed) for seed in (0, 0, 1))
    assert torch.equal(first.offset, again.offset) and not torch.equal(first.offset, other.offset)
    assert first.matrices["pose"].shape == (6, SIZES.motion)
