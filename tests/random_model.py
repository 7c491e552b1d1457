"""Preset `tiny` with random weights: every part of a model, nothing learnt."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pdfgc.config import config_to_dict, load_config
from pdfgc.model import Model
from pdfgc.training.results import Result, write_result


def write_random_model(path: Path) -> Path:
    """Writes a file for `pdfgc.load`; the same weights each time."""
    about = {"preset": "tiny", "config": config_to_dict(load_config("tiny")), "stages": {}}
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr(
            nn.Module, "load_state_dict", lambda *_, **__: None
        )  # leaves the networks as they are made
        modules = Model(Result({}, about))._modules
    tensors = {
        f"{name}.{key}": value for name, part in modules.items() for key, value in part.state_dict().items()
    }
    write_result(path, tensors, about)
    return path
