"""State dicts that other people saved with PyTorch."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pdfgc.errors import InputError

STATE_DICT = "a PyTorch state dict"

_WRAPPERS = ("state_dict", "model", "net")
_PREFIX = "module."  # of networks saved from under DataParallel

_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
    struct.error,
)
"""What torch raises for files that it did not write, or that are broken."""


def read_tensors(path: Path, what: str = STATE_DICT, *, name: str | None = None) -> dict[str, Tensor]:
    """The tensors of a PyTorch state dict; nothing in the file is run.

    A dict around it (`{"state_dict": ...}`) and the prefix of `DataParallel` are taken off; entries that are no tensors
    are left out.

    Args:
        path: the file.
        what: what it should be, for the error's sentence.
        name: what the file is called there (default: its path).

    Raises:
        InputError: the file cannot be read, or is no state dict of tensors.
    """
    name = str(path) if name is None else name
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {name}, which should be {what}: {error.strerror}") from error
    with file:
        try:
            loaded: Any = torch.load(file, map_location="cpu", weights_only=True)
        except _UNREADABLE as error:
            raise InputError(
                f"expected {what} in {name}, but it cannot be read as one ({_reason(error)})"
            ) from error
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    entries = loaded.items() if isinstance(loaded, Mapping) else ()
    tensors = {str(key).removeprefix(_PREFIX): value for key, value in entries if isinstance(value, Tensor)}
    if not tensors:
        raise InputError(f"expected {what} in {name}, names and tensors, but it holds something else")
    return tensors


def _reason(error: Exception) -> str:
    """What torch says in its first sentence, where it is one; of other people's text it names a number or nothing."""
    if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in str(error):
        return (
            "it holds other Python objects too, which are not loaded; save its tensors alone with torch.save"
        )
    first = str(error).partition("\n")[0].partition(". ")[0]
    return first if " " in first else "PyTorch did not write it, or not all of it is there"


def load_weights(network: nn.Module, path: Path, what: str) -> None:
    """Loads the file of a published network of exactly these layers.

    Args:
        network: is changed.
        path: its state dict, as `read_tensors` takes it.
        what: whose weights they should be, for the error's sentence.

    Raises:
        InputError: as `read_tensors`, or the state dict of another network.
    """
    state = read_tensors(path, what)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"expected {what} in {path}, but it is something else") from error
