"""The rule by which weights were filled when the authors' networks gave the answers in `golden`."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn


def fill(module: nn.Module, *, network: str, seed: int = 1) -> None:
    """Fills a module whose state has the authors' names; a tensor follows from seed, network, name and shape."""
    state = {
        name: _tensor(seed, network, name, tuple(old.shape)) for name, old in module.state_dict().items()
    }
    module.load_state_dict(state)


def _tensor(seed: int, network: str, name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    random = np.random.RandomState(zlib.crc32(f"{seed}:{network}:{name}".encode()) & 0x7FFFFFFF)
    values = torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    if name.endswith("running_var"):
        return 1 + 0.1 * values.abs()
    if name.endswith("modulation.bias"):
        return 1 + 0.1 * values
    if name.endswith(("running_mean", "bias")):
        return 0.1 * values
    if network == "generator_model":  # its layers scale unit normals themselves
        return 0.1 * values if name.endswith("noise.weight") else values
    if len(shape) == 1:  # the scale of a normalisation
        return 1 + 0.1 * values
    return values / float(np.sqrt(np.prod(shape[1:])))
