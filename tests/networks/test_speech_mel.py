"""The paper's speech network against the authors' own numbers, and its patches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from golden_rule import fill
from pdfgc.networks.hearing import SAMPLE_RATE, hear
from pdfgc.networks.speech_mel import MelHearing, MelSpeechNetwork, mel_patches

GOLDEN = Path(__file__).parents[1] / "golden" / "audio.safetensors"


def test_feature_and_lips_are_the_authors() -> None:
    golden = load_file(GOLDEN)
    network = MelSpeechNetwork().eval()
    fill(network, network="audio_model")
    columns = torch.cat([torch.zeros(32, 80), golden["mel"].T])[None]
    with torch.no_grad():
        feature = network.contrast(
            columns, torch.tensor([[0.4]])
        )  # the patch of second 0.40 begins at column 32
        lips = network.encode(feature)
    assert torch.allclose(feature[0, 0], golden["feature"], atol=1e-4)
    assert torch.allclose(lips[0, 0], golden["lips"], atol=1e-4)


@pytest.mark.parametrize("frame", [0, 1, 2, 5, 24])
def test_patches_begin_two_frames_early_at_25_a_second(frame: int) -> None:
    columns = 1 + torch.arange(100.0)[None, :, None].expand(1, 100, 80)
    patch = mel_patches(columns, torch.tensor([[frame / 25]]))
    expected = 1 + torch.arange(20) + 4 * (frame - 2)
    expected[(expected < 1) | (expected > 100)] = 0
    assert patch.shape == (1, 1, 80, 20)
    assert torch.equal(patch[0, 0, 0], expected.float())


def test_other_rates_take_the_nearest_column_and_far_times_are_silent() -> None:
    columns = 1 + torch.arange(100.0)[None, :, None].expand(1, 100, 80)
    patch = mel_patches(columns, torch.tensor([[10 / 30, 16 * 1001 / 30000, 0.525, 0.535, 99.0, -99.0]]))
    assert (patch[0, :4, 0, 0] == 1 - 8 + torch.tensor([33, 53, 53, 54])).all()
    assert not patch[0, 4:].any()


def test_columns_do_not_depend_on_the_chunks() -> None:
    torch.manual_seed(0)
    wave = 0.1 * torch.randn(SAMPLE_RATE * 20)
    hearing = MelHearing()
    whole = hearing(hearing.set_level(wave)[None])[0]
    parts = list(hear(wave.split(5000), hearing))
    assert [part[2:] for part in parts] == [(0, 0, 1600), (1400, 1600, 2000)]
    for _, columns, first, begin, end in parts:
        assert torch.allclose(columns[begin - first : end - first], whole[begin:end], atol=5e-3)
    assert len(parts[-1][1]) == 600 + 7


def test_many_patches_are_answered_as_few() -> None:
    torch.manual_seed(0)
    network = MelSpeechNetwork(hidden=16, feature=8, code=4).eval()
    columns, at = torch.rand(1, 400, 80), torch.arange(100)[None] / 25
    with torch.no_grad():
        together = network(columns, at)
        assert torch.allclose(together[:, 90:], network(columns, at[:, 90:]), atol=1e-5)
    assert together.shape == (1, 100, 4)
