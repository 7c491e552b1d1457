"""State dicts that other people saved with PyTorch."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor

from pdfgc.errors import InputError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch state dict; nothing else in the file is run.

    Raises:
        InputError: the file is no state dict of tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(f"expected a PyTorch state dict of tensors in {path}: {first}") from error
    if not isinstance(state, dict):
        raise InputError(f"expected a PyTorch state dict in {path}, got {type(state).__name__}")
    state = state.get("state_dict", state)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
