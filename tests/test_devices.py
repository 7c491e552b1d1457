"""Where networks compute."""

from __future__ import annotations

import pytest
import torch

from pdfgc.devices import choose_device, fast_autocast, half_precision
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
