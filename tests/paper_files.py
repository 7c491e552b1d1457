"""Random networks of preset `paper_tiny`, as the authors' four files and as a model of ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from golden_rule import fill
from pdfgc.config import config_to_dict, load_config
from pdfgc.networks.paper.build import make_networks
from pdfgc.official.layout import FILES, unread_tensors
from pdfgc.training.results import write_result

OFFICIAL_NAMES = {
    "appearance": "appearance_model",
    "motion": "motion_model",
    "speech": "audio_model",
    "generator": "generator_model",
}


@cache
def random_states() -> dict[str, dict[str, Tensor]]:
    """States of the four networks by module, the same each time; not to be changed."""
    config = load_config("paper_tiny")
    networks = make_networks(config.paper.networks, config.size)
    for name, network in networks.items():
        fill(network, network=OFFICIAL_NAMES[name])
    return {name: dict(network.state_dict()) for name, network in networks.items()}


def write_paper_model(path: Path) -> Path:
    """Writes a file for `pdfgc.load`."""
    config = load_config("paper_tiny")
    tensors = {
        f"{name}.{key}": tensor for name, state in random_states().items() for key, tensor in state.items()
    }
    write_result(path, tensors, {"preset": config.preset, "config": config_to_dict(config), "stages": {}})
    return path


def write_official(folder: Path, **changes: dict[str, Tensor]) -> Path:
    """Writes the four files as the authors' training would, what inference never uses included.

    Args:
        folder: is made.
        changes: by module, tensors to add or replace.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = load_config("paper_tiny")
    unread = unread_tensors(make_networks(config.paper.networks, config.size)["generator"])
    extra = {
        "appearance": {"model.fc.weight": torch.randn(10, 256), "fc.weight": torch.randn(7, 256)},
        "motion": {"mouth_fc.weight": torch.randn(3, 64)},
        "speech": {},
        "generator": {name: torch.randn(tensor.shape) for name, tensor in unread.items()},
    }
    for file in FILES:
        state = random_states()[file.module] | extra[file.module] | changes.get(file.module, {})
        torch.save(state, folder / file.names[0])
    return folder
