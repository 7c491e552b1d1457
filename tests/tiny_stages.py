"""Stages of presets `tiny` and `paper_tiny` without what is random in the networks, trained for a step on one batch.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=N python tiny_stages.py DATA FOLDER PRESET STAGE [STAGE ...]

trains with another process; the first one writes `FOLDER/STAGE.safetensors`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pdfgc.config import load_config
from pdfgc.data.clips import ClipSet
from pdfgc.training import distributed
from pdfgc.training.batches import make_parts
from pdfgc.training.loop import Loop
from pdfgc.training.results import Results
from pdfgc.training.run import _build, _setup

CHANGES = (
    "weights.perceptual=0",
    "training.precision=float32",
    "training.clip=0",
    "training.checkpoint_steps=0",
    "training.sample_every=0",
    "training.validate_every=0",
)

OF_PRESET = {
    "tiny": ("networks.speech=mel", "stages.stage3.drivers=2", "stages.stage3.watched=3"),
    "paper_tiny": ("weights.motion=0", "weights.gaze=0"),
}
"""On what is no face yet, the teachers of `paper` turn a rounding error into 0.4 % of a gradient."""


def make_loop(stage: str, data: Path, run: Path, *changes: str, preset: str = "tiny") -> Loop:
    """The loop of a stage of a preset; the networks of earlier stages have first weights."""
    config = load_config(preset, [*CHANGES, *OF_PRESET[preset], *changes])
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    setup = _setup(stage, config, ClipSet.open(data), ClipSet([]), Results(run, stage, pretend=True))
    with distributed.first_then_others():
        setup.cache.mkdir(exist_ok=True)
        built = _build(stage, setup)
    return Loop(built, config, setup.folder, {}, torch.device("cpu"))


def first_step(loop: Loop) -> dict[str, Tensor]:
    """The gradient of every trained parameter in step 0 by name, and the losses as `loss <name>`.

    Without the gradients of the noise's strengths, which are 0 at first: each process draws noise of its own.
    """
    for module in loop.stage.modules.values():
        for layer in module.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    losses = loop._do_step(make_parts(loop.stage, loop.training, 0), 0)
    gradients = {
        name: p.grad.contiguous()
        for p, name in loop._names.items()
        if p.grad is not None and not name.endswith("noise.weight")
    }
    return gradients | {f"loss {name}": torch.tensor(value) for name, value in losses.items()}


def main() -> None:
    torch.set_num_threads(1)
    data, folder, preset, *stages = sys.argv[1:]
    with distributed.joined(torch.device("cpu")):
        for stage in stages:
            step = first_step(make_loop(stage, Path(data), Path(folder), preset=preset))
            if distributed.rank() == 0:
                save_file(step, Path(folder) / f"{stage}.safetensors")


if __name__ == "__main__":
    main()
