"""What a stage's training would do and need, in words: `pdfgc train --dry-run`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from pdfgc.config_stages import Training
from pdfgc.devices import half_precision
from pdfgc.training.descent import autocast
from pdfgc.training.stage import Batch, Draw, Phase, Stage

_TRIED = (2, 4)
"""Items whose activations are measured; the difference is that of two more items, the rest does not grow with them."""

_FLOAT = 4

_CPU = torch.device("cpu")


def describe(stage: Stage, training: Training) -> list[str]:
    """The lines of a stage's plan: steps, networks, memory, losses.

    The memory of activations is measured: a few items are drawn and go forward through every phase on the CPU, in
    float32 where that does not know the stage's precision.
    """
    trained = {name for phase in stage.phases for name in phase.modules}
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in stage.modules.items()}
    learning = {p for name in trained for p in stage.modules[name].parameters() if p.requires_grad}
    averaged = {name for phase in stage.phases if phase.ema and training.ema for name in phase.modules}
    # Weights of all; averages; for what learns also gradients and Adam's two moments.
    beside = sum(counts[name] for name in averaged) + 3 * sum(parameter.numel() for parameter in learning)
    state = _held(stage) + _FLOAT * beside
    part = training.batch // training.accumulation
    activations = _activations(stage, training, part, learning)
    lines = [
        f"{stage.name}: {training.steps} steps of {training.batch} items, {training.precision}, "
        f"learning rate {training.learning_rate:g} {training.schedule}"
    ]
    for name, count in counts.items():
        learns = sum(p.numel() for p in stage.modules[name].parameters() if p in learning)
        lines.append(f"  {name}: {_parameters(count, learns)}")
    return [
        *lines,
        f"  memory for weights, gradients, optimiser and averages: {_megabytes(state)}",
        f"  memory for what the backward pass needs of {part} items: about {_megabytes(activations)}"
        f"{'' if _is_exact(training) else f' in float32, {training.precision} takes little more than half'}; "
        "buffers of the convolutions and of the allocator come on top",
        "  losses: " + json.dumps(dict(stage.weights)),
        *_joining(stage, training),
    ]


def _joining(stage: Stage, training: Training) -> list[str]:
    """What is to be said of losses that begin later."""
    by_step: dict[int, list[str]] = {}
    for name, step in stage.joins_at.items():
        by_step.setdefault(step, []).append(name)
    return [
        f"  {', '.join(names)}: from step {step + 1} on" + (", so never" if step >= training.steps else "")
        for step, names in sorted(by_step.items())
        if step > 0
    ]


def _parameters(count: int, learns: int) -> str:
    """How many parameters a part has and whether they learn, in words."""
    if count == 0:
        return "no parameters"
    how = "trained" if learns == count else f"{learns / 1e6:.3f} M of them trained" if learns else "frozen"
    return f"{count / 1e6:.3f} M parameters, {how}"


def _held(stage: Stage) -> int:
    """Bytes of the weights and buffers of all networks, each once: stages keep some under two names."""
    tensors = {
        id(tensor): tensor.nbytes
        for network in stage.networks()
        for tensor in (*network.parameters(), *network.buffers())
    }
    return sum(tensors.values())


def _activations(stage: Stage, training: Training, items: int, learning: Collection[Tensor]) -> float:
    """Bytes that autograd keeps for the backward pass of so many items, in the phase that keeps most.

    The last step is measured: by then every loss has joined that begins later, and sizes have grown.
    """
    few, more = (
        stage.batch(Draw(training.seed, _last(training), 0, count, max(training.batch, count)))
        for count in _TRIED
    )
    needs = []
    for phase in stage.phases:
        kept_of_few, kept_of_more = (_kept(stage, phase, batch, training, learning) for batch in (few, more))
        per_item = (kept_of_more - kept_of_few) / (_TRIED[1] - _TRIED[0])
        needs.append(kept_of_few + per_item * (items - _TRIED[0]))
    return max(needs)


def _kept(stage: Stage, phase: Phase, batch: Batch, training: Training, learning: Collection[Tensor]) -> int:
    for name, module in stage.modules.items():
        module.train(any(name in other.modules for other in stage.phases))
        for parameter in module.parameters():
            parameter.requires_grad_(name in phase.modules and parameter in learning)
    own = {
        tensor.untyped_storage().data_ptr()
        for module in stage.modules.values()
        for tensor in module.state_dict().values()
    }
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no other tensor takes its place in memory
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        _measured(training),
    ):
        stage.losses(phase.name, batch, _last(training))
    return sum(kept.values())


def _measured(training: Training) -> torch.autocast:
    """The precision that memory is measured in."""
    return autocast(training if _is_exact(training) else replace(training, precision="float32"), _CPU)


def _is_exact(training: Training) -> bool:
    """Whether this processor computes in a stage's precision; imitating it takes a hundred times as long."""
    return training.precision == "float32" or half_precision(_CPU.type) == getattr(torch, training.precision)


def _last(training: Training) -> int:
    return max(training.steps - 1, 0)


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.0f} MB"
