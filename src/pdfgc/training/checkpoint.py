"""Checkpoints: one safetensors file each, complete or absent, the last few kept.

`RUN/<stage>/checkpoints/step-00001234.safetensors` holds tensors under `modules/`, `averages/` and
`optimizer/<phase>/`; the metadata entry `pdfgc_checkpoint` is a JSON object with the step, the minutes
trained, the resolved configuration, and the fingerprints of the earlier stages it builds on and of the
clips. Nothing is pickled.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from pdfgc.errors import InputError
from pdfgc.files import atomic_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """All that a stage needs to go on as if it had never stopped."""

    step: int
    """Steps done."""
    minutes: float
    """Minutes trained, over all runs."""
    config: dict[str, Any]
    """The resolved configuration, as `config_to_dict` gives it."""
    used: dict[str, str]
    """sha256 of the earlier stages' weights that this stage was built from."""
    tensors: dict[str, Tensor] = field(repr=False)
    data: str = ""
    """What names the clips trained on (`clips.digest_of`); empty in checkpoints of older versions."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below `prefix/`, by the rest of their names."""
        start = f"{prefix}/"
        return {name[len(start) :]: value for name, value in self.tensors.items() if name.startswith(start)}


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Writes a checkpoint, then deletes all but the last `keep` (at least this one is kept)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{checkpoint.step:08d}.safetensors"
    about = {
        "step": checkpoint.step,
        "minutes": checkpoint.minutes,
        "config": checkpoint.config,
        "used": checkpoint.used,
        "data": checkpoint.data,
    }
    own = {name: value.detach().cpu().clone().contiguous() for name, value in checkpoint.tensors.items()}
    with atomic_path(path) as temporary:
        save_file(own, temporary, metadata={"pdfgc_checkpoint": json.dumps(about)})
    for old in list_checkpoints(folder)[: -max(keep, 1)]:
        old.unlink()
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a stage, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


def read_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint of a stage that can be read, None where there is none yet.

    Raises:
        InputError: there are some, and all are damaged.
    """
    damaged: list[InputError] = []
    for path in reversed(list_checkpoints(folder)):
        try:
            checkpoint = read_checkpoint(path)
        except InputError as error:
            damaged.append(error)
            continue
        for complaint in damaged:
            log.warning("%s; going on from the one before it", complaint)
        return checkpoint
    if damaged:
        raise InputError(f"{damaged[0]}; delete the folder {folder.parent} to begin the stage anew")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint to the CPU.

    Raises:
        InputError: when the file is damaged or is not a checkpoint.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise InputError(f"expected a checkpoint, but {path} cannot be read ({error})") from error
    if "pdfgc_checkpoint" not in metadata:
        raise InputError(f"expected a checkpoint, but {path} is another safetensors file")
    return Checkpoint(**json.loads(metadata["pdfgc_checkpoint"]), tensors=tensors)


def optimizer_tensors(optimizer: Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """The state of an optimiser by `<parameter's name>/<key>`; AdamW's is tensors only."""
    return {
        f"{names[parameter]}/{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_optimizer(
    optimizer: Optimizer, names: Mapping[Tensor, str], tensors: Mapping[str, Tensor]
) -> None:
    """Puts back what `optimizer_tensors` took."""
    parameters = {name: parameter for parameter, name in names.items()}
    for key, value in tensors.items():
        name, entry = key.rsplit("/", 1)
        if name not in parameters:
            raise InputError(f"the checkpoint trains {name!r}, which the configured networks do not have")
        parameter = parameters[name]
        if entry == "step":
            # AdamW counts its steps on the CPU whatever the device of the weights, but for the fused one.
            fused = bool(optimizer.defaults.get("fused"))
            optimizer.state[parameter][entry] = value.to(parameter.device) if fused else value
        else:
            # laid out as the parameter is (channels-last), which fused steps insist on
            optimizer.state[parameter][entry] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
