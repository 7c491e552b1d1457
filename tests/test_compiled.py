"""Painting by torch.compile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from paper_files import write_paper_model
from pdfgc.compiled import compile_painting
from pdfgc.errors import InputError
from pdfgc.model import load
from pdfgc.motion import FACTORS
from random_model import write_random_model

WRITERS = {"paper": write_paper_model, "small": write_random_model}


def check(file: Path, backend: str) -> None:
    """Frames of a compiled model against those of the same model as it is, for several batch sizes."""
    plain, compiled = load(file, device="cpu"), load(file, device="cpu")
    compile_painting(compiled, backend=backend)
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (plain.size, plain.size, 3), np.uint8)
    mesh = random.standard_normal((478, 3)).astype(np.float32)
    codes = {name: random.standard_normal((8, size)).astype(np.float32) for name, size in FACTORS.items()}
    portraits = [model.portrait(picture, mesh, np.zeros(52, np.float32)) for model in (plain, compiled)]
    torch._dynamo.reset()
    counters.clear()
    for count in (8, 3, 1):
        part = {name: values[:count] for name, values in codes.items()}
        expected, found = (
            model.render(portrait, part)  # type: ignore[arg-type]
            for model, portrait in zip((plain, compiled), portraits, strict=True)
        )
        assert np.abs(found.astype(int) - expected).max() <= 2
    assert counters["stats"]["unique_graphs"] > 0  # something was compiled


@pytest.mark.parametrize("preset", WRITERS)
def test_frames_stay_the_same_when_traced(preset: str, tmp_path: Path) -> None:
    check(WRITERS[preset](tmp_path / "model.safetensors"), "eager")


@pytest.mark.slow
@pytest.mark.parametrize("preset", WRITERS)
def test_frames_stay_the_same_when_compiled(preset: str, tmp_path: Path) -> None:
    check(WRITERS[preset](tmp_path / "model.safetensors"), "inductor")


def test_no_compiler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(write_paper_model(tmp_path / "model.safetensors"), device="cpu")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match="needs a C\\+\\+ compiler, but no-such-compiler cannot be found"):
        compile_painting(model)
    model.painter = lambda *args: np.zeros(0)
    with pytest.raises(InputError, match="ONNX Runtime paints"):
        compile_painting(model)
