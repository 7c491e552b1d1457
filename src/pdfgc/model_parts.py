"""What models of both presets do alike: weights in, crops checked, pixels out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.training.results import Result


def load_parts(modules: Mapping[str, nn.Module], result: Result) -> None:
    """Loads every network from a result, in float32, and makes it ready for use.

    Args:
        modules: by their names in the result; may be on the meta device.

    Raises:
        InputError: a network is missing or of other sizes.
    """
    absent = [name for name, module in modules.items() if module.state_dict() and not result.module(name)]
    stages = result.about.get("stages")
    if absent and stages:
        raise InputError(
            f"expected a model with all its parts, but {', '.join(absent)} are not there; trained are only the stages "
            f"{', '.join(stages)}"
        )
    for name, module in modules.items():
        empty = any(weight.is_meta for weight in module.parameters())  # else the weights keep their layout
        try:
            module.load_state_dict(result.module(name), assign=empty)
        except RuntimeError as error:
            raise InputError(
                f"expected a complete model of this version of pdfgc, but its part {name} does not fit"
            ) from error
        module.float().eval().requires_grad_(False)


def count_weights(modules: Mapping[str, nn.Module]) -> int:
    """Number of weights."""
    return sum(weight.numel() for module in modules.values() for weight in module.parameters())


def fingerprint(modules: Iterable[nn.Module], settings: str = "") -> str:
    """16 characters that differ for other weights (on the CPU) or settings."""
    digest = hashlib.sha256(settings.encode())
    for module in modules:
        for tensor in module.state_dict().values():
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def check_crop(image: np.ndarray, size: int) -> None:
    """Raises ValueError unless a portrait is `[size, size, 3]`."""
    if image.shape != (size, size, 3):
        raise ValueError(f"expected a head crop of {size} x {size} pixels, got {image.shape}")


def to_pixels(frames: Tensor) -> np.ndarray:
    """`[T, 3, S, S]` in -1..1, on any device, to `[T, S, S, 3]` uint8."""
    pixels = ((frames.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
