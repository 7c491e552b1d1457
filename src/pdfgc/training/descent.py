"""One phase's descent: its optimiser, mixed precision, and the guard of its gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pdfgc.config_stages import Training
from pdfgc.devices import half_precision
from pdfgc.training import distributed
from pdfgc.training.checkpoint import optimizer_tensors, restore_optimizer
from pdfgc.training.stage import Phase

_SCALE, _GROWTH = "scaler/scale", "scaler/growth"

_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}

_TYPICAL_SCALE = 2.0**16


def autocast(training: Training, device: torch.device) -> torch.autocast:
    """The precision that the networks run in.

    float32 stands for bfloat16 on a processor that would have to imitate it, which takes many times as long.

    Args:
        training: names it.
        device: of the networks.
    """
    dtype = _16_bits(training, device)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def computes_in_16_bits(training: Training, device: torch.device) -> bool:
    """Whether `autocast` is on."""
    return _16_bits(training, device) is not None


def _16_bits(training: Training, device: torch.device) -> torch.dtype | None:
    dtype = _AUTOCAST.get(training.precision)
    return None if dtype == torch.bfloat16 and half_precision(device.type) is None else dtype


class Descent:
    """AdamW on the modules of a phase.

    With float16 the losses are scaled so that small gradients do not vanish; a step whose gradients overflow is left
    out and the scale halved (`torch.amp.GradScaler`). Nothing here waits for a GPU, but for checkpoints.

    Args:
        phase: what is trained.
        parameters: of the phase's modules, by module, on their device; not empty.
        training: the stage's settings.
    """

    def __init__(
        self, phase: Phase, parameters: Mapping[str, list[nn.Parameter]], training: Training
    ) -> None:
        self.phase = phase
        self.parameters = [parameter for own in parameters.values() for parameter in own]
        self._clip = training.clip or math.inf
        device = self.parameters[0].device
        self.optimizer = torch.optim.AdamW(
            [
                {"params": own, "factor": phase.learning_rate * phase.rates.get(name, 1.0)}
                for name, own in parameters.items()
                if own
            ],
            lr=training.learning_rate,
            betas=phase.betas or training.betas,
            weight_decay=training.weight_decay,
            fused=device.type == "cuda",
        )
        self.is_scaled = training.precision == "float16"
        self._scaler = torch.amp.GradScaler(device.type, _TYPICAL_SCALE, enabled=self.is_scaled)

    def begin(self, learning_rate: float) -> None:
        """Forgets the last step's gradients and sets the rate of this one."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)

    def add(self, loss: Tensor) -> None:
        """Adds the gradients of a scalar."""
        self._scaler.scale(loss).backward()

    def finish(self) -> dict[str, Tensor]:
        """Averages the gradients over the processes, clips them, and makes the step.

        Returns:
            `gradient`, the norm before clipping, and with float16 `scale`, what losses were multiplied by: scalars,
            still on the device.
        """
        distributed.average_gradients(self.parameters)
        measures: dict[str, Tensor] = {}
        if self.is_scaled:
            measures["scale"] = self._scaler.scale(torch.ones((), device=self.parameters[0].device))
            self._scaler.unscale_(self.optimizer)
        measures["gradient"] = torch.nn.utils.clip_grad_norm_(self.parameters, self._clip)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        return measures

    def tensors(self, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
        """The state to save, by name; `names` are those of the parameters."""
        state = optimizer_tensors(self.optimizer, names)
        if self.is_scaled:
            scaler = self._scaler.state_dict()
            state[_SCALE] = torch.tensor(scaler["scale"], dtype=torch.float64)
            state[_GROWTH] = torch.tensor(scaler["_growth_tracker"], dtype=torch.int64)
        return state

    def restore(self, names: Mapping[Tensor, str], tensors: Mapping[str, Tensor]) -> None:
        """Takes over what `tensors` gave; a scale is begun anew where none was saved.

        Raises:
            InputError: when the state is of other networks.
        """
        state = dict(tensors)
        scale, growth = state.pop(_SCALE, None), state.pop(_GROWTH, None)
        if self.is_scaled and scale is not None and growth is not None:
            saved = {**self._scaler.state_dict(), "scale": float(scale), "_growth_tracker": int(growth)}
            self._scaler.load_state_dict(saved)
        restore_optimizer(self.optimizer, names, state)
