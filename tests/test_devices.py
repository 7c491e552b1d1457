"""Where networks compute."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pdfgc.devices import choose_device, fast_autocast, half_precision, lay_channels_last
from pdfgc.errors import InputError


@pytest.mark.parametrize(("here", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_a_gpu_where_there_is_one(here: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: here)
    assert choose_device("auto") == torch.device(expected)
    assert choose_device("cpu") == torch.device("cpu")


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="cuda:1 was asked for, but torch finds no GPU"):
        choose_device("cuda:1")


@pytest.mark.parametrize("name", ["mps", "meta"])
def test_a_device_that_nothing_was_run_on(name: str) -> None:
    with pytest.raises(InputError, match=f"expected the device cpu or cuda, but got '{name}'"):
        choose_device(name)


def test_an_unknown_device() -> None:
    with pytest.raises(InputError, match="such as cpu or cuda, but got 'gpu'"):
        choose_device("gpu")


@pytest.mark.parametrize(
    ("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)], ids=["new", "old"]
)
def test_gpus_without_bfloat16_compute_in_float16(
    native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_precision.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native)
    assert half_precision("cuda") == expected
    half_precision.cache_clear()


@pytest.mark.parametrize("has", [True, False])
def test_processors_without_bfloat16_compute_in_float32(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    half_precision.cache_clear()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    square = torch.eye(4)
    with fast_autocast(torch.device("cpu")):
        assert (square @ square).dtype == (torch.bfloat16 if has else torch.float32)
    half_precision.cache_clear()


def test_weights_are_laid_out_anew_and_stay_what_they_are() -> None:
    network = nn.Sequential(nn.Conv2d(4, 5, 3), nn.Linear(2, 2))
    network.register_parameter("modulated", nn.Parameter(torch.randn(1, 5, 4, 3, 3)))
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    lay_channels_last(network)
    for name, weight in network.named_parameters():
        assert weight.shape == before[name].shape and torch.equal(weight, before[name])
    convolution, modulated = network.get_parameter("0.weight"), network.get_parameter("modulated")
    assert convolution.is_contiguous(memory_format=torch.channels_last)
    assert modulated[0].is_contiguous(memory_format=torch.channels_last)
