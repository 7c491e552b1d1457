"""The authors' audio front end against their own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pdfgc.networks.mel import log_mel, mel_filters, paper_filters, paper_window, to_rms

GOLDEN = Path(__file__).parents[1] / "golden" / "audio.safetensors"
_BEFORE = 7  # columns that reach before the first sample


def test_whispers_filters_are_slaneys() -> None:
    filters = mel_filters(fft=400)
    assert filters.shape == (80, 201)
    # every filter has unit area over frequency (bins of 40 Hz), the wide ones to the sampling of their slopes
    assert np.allclose(filters[40:].sum(1) * 40, 1, atol=0.1)
    peaks = filters.argmax(1)
    assert (peaks.diff() >= 0).all()
    assert peaks[-1] * 40 == pytest.approx(7800, abs=120)


def test_log_mel_is_the_authors() -> None:
    golden = load_file(GOLDEN)
    columns = log_mel(golden["wave"][None], paper_filters(), paper_window())[0]
    inside = columns[:, _BEFORE : _BEFORE + golden["mel"].shape[1]]
    assert torch.allclose(inside, golden["mel"], atol=1e-5)


@pytest.mark.parametrize(("samples", "columns"), [(0, 7), (1, 8), (160, 8), (161, 9), (16000, 107)])
def test_columns_cover_every_sample(samples: int, columns: int) -> None:
    assert log_mel(torch.zeros(1, samples), paper_filters(), paper_window()).shape == (1, 80, columns)


def test_silence_is_zero_and_all_is_between_0_and_1() -> None:
    filters, window = paper_filters(), paper_window()
    assert not log_mel(torch.zeros(1, 4000), filters, window).any()
    loud = log_mel(torch.sign(torch.sin(torch.arange(4000) * 0.3))[None], filters, window)
    assert loud.min() >= 0 and loud.max() <= 1 and loud.max() > 0.5


def test_level_is_an_rms_of_a_tenth_but_a_pause_stays_quiet() -> None:
    torch.manual_seed(0)
    wave = torch.randn(8000)
    assert to_rms(0.02 * wave).square().mean().sqrt() == pytest.approx(0.1, abs=1e-5)
    assert to_rms(1e-5 * wave).square().mean().sqrt() == pytest.approx(1e-3, rel=0.05)
    assert not to_rms(torch.zeros(8)).any() and len(to_rms(torch.zeros(0))) == 0
