"""A model in half precision is the same model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import embed_weights
from pdfgc.model import Model
from pdfgc.training.results import read_result
from random_model import write_random_model
from synthetic import talking_meshes


def test_half_precision_gives_nearly_the_same_codes(tmp_path: Path) -> None:
    whole = read_result(write_random_model(tmp_path / "model.safetensors"))
    half = embed_weights.halved(whole)
    assert {tensor.dtype for tensor in half.tensors.values()} == {torch.float16, torch.int64}
    assert "research" in half.about["licence"] and "GRID" in half.about["trained_on"]
    random = np.random.default_rng(0)
    meshes, _ = talking_meshes(3, random)
    scores = random.uniform(0, 1, (3, 52)).astype(np.float32)
    for name, code in Model(whole).encode_motion(None, meshes, scores).items():
        other = Model(half).encode_motion(None, meshes, scores)[name]
        assert np.abs(other - code).max() < 0.02 * np.abs(code).max() + 1e-3, name
