"""The training loop that all stages share.

The loop owns device, precision, optimisers, averages, checkpoints, resume, logs and the time budget; a
`Stage` brings batches and losses. A run that was stopped, or killed, goes on exactly as if it had not been:
on a CPU the losses are the same bit for bit, as far as its libraries repeat themselves (docs/training.md). Under
`torchrun` every process has a loop of its own; process 0 writes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pdfgc.config import Config, config_to_dict
from pdfgc.config_stages import Training
from pdfgc.devices import lay_channels_last
from pdfgc.errors import InputError, NonFiniteError
from pdfgc.files import atomic_path
from pdfgc.progress import track
from pdfgc.training import distributed
from pdfgc.training.averages import Averages
from pdfgc.training.batches import Parts, iterate_batches
from pdfgc.training.checkpoint import Checkpoint, read_latest, write_checkpoint
from pdfgc.training.descent import Descent, autocast, computes_in_16_bits
from pdfgc.training.logs import Logs
from pdfgc.training.measures import Measures, NotFinite, Place
from pdfgc.training.resume import compare
from pdfgc.training.stage import Batch, Phase, Stage
from pdfgc.training.stopping import StopRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a call of `Loop.run` ended."""

    stage: str
    step: int
    """Steps done in all."""
    minutes: float
    """Minutes trained in all."""
    reason: Literal["finished", "time", "stopped"]
    """All steps done, the time budget used up, or asked to stop by a signal."""
    worked: bool
    """Whether this call did any step."""


def learning_rate(training: Training, step: int) -> float:
    """The learning rate of a step (from 0): linear warm-up, then constant or a half cosine down to 0."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    if training.schedule == "cosine":
        done = (step - training.warmup) / max(training.steps - training.warmup, 1)
        return training.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    return training.learning_rate


def prepare_device(device: torch.device) -> None:
    """Lets a GPU choose its fastest convolutions, and multiply float32 in TF32."""
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")


class Loop:
    """Trains one stage in its folder.

    Args:
        stage: what is trained.
        config: the whole configuration; the stage's own `training` section steers the loop.
        folder: `RUN/<stage>`; checkpoints found in it are continued from.
        used: sha256 of the earlier stages' weights that the stage was built from.
        device: where the networks run.
        data: what names the clips (`clips.digest_of`); empty where nobody compares them.

    Raises:
        InputError: when the configuration is impossible, or does not fit the checkpoint.
    """

    def __init__(
        self,
        stage: Stage,
        config: Config,
        folder: Path,
        used: Mapping[str, str],
        device: torch.device,
        data: str = "",
    ) -> None:
        self.stage, self.folder, self.device, self.used, self.data = stage, folder, device, dict(used), data
        self.config = config_to_dict(config)
        self.training = config.stage(stage.name).training
        self._check_batch()
        self.step = 0
        self.minutes = 0.0
        stage.to(device)
        prepare_device(device)
        if computes_in_16_bits(self.training, device):
            for network in stage.networks():
                lay_channels_last(network)
        distributed.share_normalisation(stage.modules.values(), device)
        distributed.share_initial_state(stage.modules.values())
        self._names: dict[Tensor, str] = {}
        """Every trained parameter's name, `<module>.<name>`."""
        trained = {name for phase in stage.phases for name in phase.modules}
        for name, module in stage.modules.items():
            if name in trained:
                self._names.update(
                    {p: f"{name}.{key}" for key, p in module.named_parameters() if p.requires_grad}
                )
            else:
                module.requires_grad_(False)
        self._trained = trained
        self._descents = {phase.name: self._descent(phase) for phase in stage.phases}
        averaged = {name for phase in stage.phases if phase.ema for name in phase.modules}
        self.averages = Averages({name: stage.modules[name] for name in sorted(averaged)}, self.training.ema)
        self._set_mode(training=True)
        checkpoint = read_latest(folder / "checkpoints")
        if checkpoint is not None:
            self._restore(checkpoint)

    def run(self, max_minutes: float | None = None) -> Outcome:
        """Trains until the stage has all its steps, the time is used up, or a signal asks to stop.

        A checkpoint is written in every case; SIGINT and SIGTERM let the step in hand finish first.

        Raises:
            NonFiniteError: when a loss or gradient is not finite; the last checkpoint stays as it was.
        """
        first, started = self.step, time.monotonic()
        earlier_minutes, last_checkpoint = self.minutes, started
        if self.step >= self.training.steps:
            return self._outcome("finished", worked=False)
        logs = Logs(self.folder, self.step, self.training.steps) if self._writes else None
        reason: Literal["finished", "time", "stopped"] = "finished"
        steps = range(self.step, self.training.steps)
        try:
            with StopRequest() as stop, closing(self._batches(steps)) as batches:
                for step in track(steps, description=self.stage.name):
                    before = time.monotonic()
                    values = self._do_step(next(batches), step)
                    self.step = step + 1
                    values["seconds"] = time.monotonic() - before
                    if logs is not None:
                        logs.write(self.step, values, self._show(logs))
                    now = time.monotonic()
                    self.minutes = earlier_minutes + (now - started) / 60
                    if self._wants_checkpoint((now - last_checkpoint) / 60):
                        self._save()
                        last_checkpoint = now
                    out_of_time = max_minutes is not None and now - started >= 60 * max_minutes
                    asked, out_of_time = distributed.any_process([stop.asked, out_of_time])
                    if (asked or out_of_time) and self.step < self.training.steps:
                        reason = "stopped" if asked else "time"
                        break
        finally:
            if logs is not None:
                logs.close()
        self._save()
        return self._outcome(reason, worked=self.step > first)

    @property
    def _writes(self) -> bool:
        return distributed.rank() == 0

    def exports(self) -> dict[str, Tensor]:
        """The averaged weights, and the buffers, of the modules that the stage adds to the model or leaves to later
        stages."""
        with self.averages.in_place():
            return {
                f"{name}.{key}": value.detach().cpu().clone()
                for name in (*self.stage.exports, *self.stage.for_later)
                for key, value in self.stage.modules[name].state_dict().items()
            }

    def _check_batch(self) -> None:
        batch, parts, processes = (
            self.training.batch,
            self.training.accumulation,
            distributed.world_size(),
        )
        if batch % (parts * processes):
            among = f" and {processes} processes divide" if processes > 1 else " divides"
            raise InputError(
                f"expected a batch that accumulation{among}, but {self.stage.name} has batch {batch} and "
                f"accumulation {parts}"
            )

    def _descent(self, phase: Phase) -> Descent:
        parameters = {name: self._parameters(name) for name in phase.modules}
        if not any(parameters.values()):
            raise InputError(f"the phase {phase.name} of {self.stage.name} has nothing to train")
        return Descent(phase, parameters, self.training)

    def _parameters(self, module: str) -> list[nn.Parameter]:
        return [p for p in self.stage.modules[module].parameters() if p in self._names]

    def _set_mode(self, training: bool) -> None:
        for name, module in self.stage.modules.items():
            module.train(training and name in self._trained)

    # One step -----------------------------------------------------------------------------------------------

    def _do_step(self, parts: Parts, step: int) -> dict[str, float]:
        """All phases of a step; returns every named loss and measure, each phase's total, and the rate."""
        moved = [self._to_device(part) for part in parts]
        rate = learning_rate(self.training, step)
        measures = Measures(self._may_overflow())
        for index, phase in enumerate(self.stage.phases):
            if step >= phase.first and step % phase.interval == 0:
                self._do_phase(index, phase, moved, step, rate, measures)
        self.averages.update(step)
        values, not_finite = measures.read()
        not_finite = not_finite or self._vanished_scale(values)
        if not_finite is not None:
            raise self._not_finite(step, not_finite, moved)
        return {**values, "learning_rate": rate}

    def _batches(self, steps: range) -> Generator[Parts, None, None]:
        return iterate_batches(self.stage, self.training, steps, self.device)

    def _to_device(self, part: Batch) -> Batch:
        return {
            name: value if name in self.stage.stays_on_cpu else value.to(self.device, non_blocking=True)
            for name, value in part.items()
        }

    def _do_phase(
        self, index: int, phase: Phase, parts: Parts, step: int, rate: float, measures: Measures
    ) -> None:
        descent = self._descents[phase.name]
        training_now = set(descent.parameters)
        for parameter in self._names:
            parameter.requires_grad_(parameter in training_now)
        descent.begin(rate)
        for number, part in enumerate(parts):
            # the place in the undivided batch, so that parts and processes are alike
            self._seed(step, number * distributed.world_size() + distributed.rank(), index)
            with autocast(self.training, self.device):
                losses = self.stage.losses(phase.name, part, step)
            total = self._total(phase, losses)
            descent.add(total / len(parts))
            measures.add(Place(phase.name, number), {**losses, self._label("total", phase): total})
        made = descent.finish()
        measures.add(
            Place(phase.name, len(parts) - 1),
            {self._label(name, phase): scalar for name, scalar in made.items()},
        )

    def _total(self, phase: Phase, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum that the phase minimises."""
        total = torch.zeros((), device=self.device)
        for name, loss in losses.items():
            if not loss.requires_grad:
                continue
            if name not in self.stage.weights:
                raise InputError(f"the loss {name!r} of {self.stage.name} has no weight in the configuration")
            if self.stage.weights[name] != 0:
                total = total + self.stage.weights[name] * loss.float()
        if not total.requires_grad:
            raise InputError(f"every loss of the phase {phase.name} of {self.stage.name} is switched off")
        return total

    def _may_overflow(self) -> frozenset[str]:
        """With float16, gradients beyond its range only leave out a step."""
        names = [self._label("gradient", d.phase) for d in self._descents.values() if d.is_scaled]
        return frozenset(names)

    def _vanished_scale(self, values: Mapping[str, float]) -> NotFinite | None:
        """Gradients that are not finite however small the losses are scaled."""
        for phase in self.stage.phases:
            gradient = self._label("gradient", phase)
            if gradient not in values and values.get(self._label("scale", phase), 1.0) < 1.0:
                return NotFinite(Place(phase.name, self.training.accumulation - 1), (gradient,), here=True)
        return None

    def _label(self, name: str, phase: Phase) -> str:
        return name if len(self.stage.phases) == 1 else f"{phase.name}_{name}"

    def _seed(self, *place: int) -> None:
        """Seeds torch's global generators by the place in the run, so that no generator has to be saved."""
        sequence = np.random.SeedSequence((self.training.seed, *place))
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))

    def _not_finite(self, step: int, found: NotFinite, parts: Parts) -> NonFiniteError:
        process = f"-process-{distributed.rank()}" if distributed.world_size() > 1 else ""
        path = self.folder / f"not-finite-step-{step + 1:08d}{process}.safetensors"
        saved = f"the batch is saved in {path}, and "
        if found.here:
            batch = parts[found.place.part]
            with atomic_path(path) as temporary:
                save_file(
                    {name: value.cpu().clone().contiguous() for name, value in batch.items()}, temporary
                )
        else:
            saved = "the process where it was has saved its batch, and "
        return NonFiniteError(
            f"{self.stage.name} stopped at step {step + 1} in the phase {found.place.phase}: not finite: "
            f"{', '.join(found.names)}; {saved}training goes on from the last checkpoint when it is called again"
        )

    # Between steps ------------------------------------------------------------------------------------------

    def _show(self, logs: Logs) -> dict[str, float]:
        """Sample sheet and measurements on held-out clips where they are due, with the averaged weights."""
        last = self.step == self.training.steps
        due = [every > 0 and (last or self.step % every == 0) for every in self._intervals()]
        validation: dict[str, float] = {}
        if any(due):
            self._set_mode(training=False)
            with self.averages.in_place(), torch.no_grad():
                if due[0] and (sheet := self.stage.sample()) is not None:
                    logs.sample(self.step, sheet)
                if due[1]:
                    validation = self.stage.validate()
            self._set_mode(training=True)
        return validation

    def _intervals(self) -> tuple[int, int]:
        return self.training.sample_every, self.training.validate_every

    def _wants_checkpoint(self, minutes: float) -> bool:
        by_step, by_clock = self.training.checkpoint_steps, self.training.checkpoint_minutes
        if self.step == self.training.steps:
            return False  # the end writes one anyway
        return (by_step > 0 and self.step % by_step == 0) or (by_clock > 0 and minutes >= by_clock)

    def _outcome(self, reason: Literal["finished", "time", "stopped"], worked: bool) -> Outcome:
        return Outcome(self.stage.name, self.step, self.minutes, reason, worked)

    def _save(self) -> None:
        if not self._writes:
            return
        tensors = {
            f"modules/{name}.{key}": value
            for name, module in self.stage.modules.items()
            for key, value in module.state_dict().items()
        }
        tensors.update({f"averages/{name}": value for name, value in self.averages.tensors.items()})
        for name, descent in self._descents.items():
            for key, value in descent.tensors(self._names).items():
                tensors[f"optimizer/{name}/{key}"] = value
        checkpoint = Checkpoint(self.step, self.minutes, self.config, self.used, tensors, self.data)
        write_checkpoint(self.folder / "checkpoints", checkpoint, self.training.keep)

    def _restore(self, checkpoint: Checkpoint) -> None:
        compare(self.stage.name, self.folder, checkpoint, config=self.config, used=self.used, data=self.data)
        for name, module in self.stage.modules.items():
            prefix = f"modules/{name}."
            state = {
                key[len(prefix) :]: value
                for key, value in checkpoint.tensors.items()
                if key.startswith(prefix)
            }
            try:
                module.load_state_dict(state)
            except RuntimeError as error:
                raise InputError(
                    f"the module {name} does not fit the checkpoint in {self.folder}: {error}"
                ) from error
        self.averages.restore(checkpoint.part("averages"))
        for name, descent in self._descents.items():
            descent.restore(self._names, checkpoint.part(f"optimizer/{name}"))
        self.step, self.minutes = checkpoint.step, checkpoint.minutes
        log.info("%s: going on from step %d", self.stage.name, self.step)
