"""What a training stage is: the part of training that the shared loop does not know.

A stage file (`stage1.py`, `stage2_lips.py`, ...) holds one subclass of `Stage` and one function
`build(setup: Setup) -> Stage`; the loop (`loop.py`) owns device, precision, optimisers, EMA, checkpoints,
resume and logs. Resume is exact because nothing hides state: a batch is a pure function of its `Draw`,
torch's global random generators are seeded from (seed, step, part, phase) before every call of `losses`,
and whatever else a stage remembers (a memory bank) is a buffer of one of its `modules`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.training.checkpoint import list_checkpoints

if TYPE_CHECKING:
    from pdfgc.config import Config
    from pdfgc.data.clips import ClipSet
    from pdfgc.training.results import Results

Batch = dict[str, Tensor]
"""A flat dictionary of CPU tensors; the loop moves it to the device (but for `Stage.stays_on_cpu`), and saves it when a
loss is not finite."""


@dataclass(frozen=True)
class Draw:
    """Everything that a batch may depend on.

    Item `i` of a step's batch is drawn with its own generator, which depends only on (seed, step, i):
    however a batch is divided, by accumulation or among processes, the items stay the same. What is chosen
    for a batch as a whole depends on (seed, step) and on places in the whole batch, never on the part.
    """

    seed: int
    step: int
    """The step that the batch is for, from 0."""
    first: int
    """This part's first item within the step's batch."""
    count: int
    """How many items this part has."""
    whole: int
    """How many items the step's batch has, all parts together; every part has as many."""

    def items(self) -> Iterator[np.random.Generator]:
        """One random generator per item of this part, in order."""
        for item in range(self.first, self.first + self.count):
            yield np.random.default_rng((self.seed, self.step, item))


@dataclass(frozen=True)
class Phase:
    """One optimiser: the modules it trains, and how often (as in stylegan3)."""

    name: str
    """`generator`, `discriminator`; handed to `Stage.losses`."""
    modules: tuple[str, ...]
    """Keys of `Stage.modules`. During a phase, only its own modules require gradients."""
    interval: int = 1
    """The phase runs at steps divisible by this."""
    first: int = 0
    """The first step (from 0) at which it runs."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Factors on the phase's learning rate for single modules."""
    learning_rate: float = 1.0
    """A factor on the configured learning rate."""
    betas: tuple[float, float] | None = None
    """Adam's betas, where they differ from the configured ones."""
    ema: bool = True
    """Whether an exponential moving average of the modules is kept (a discriminator needs none)."""


@dataclass(frozen=True)
class Setup:
    """What a stage is built from."""

    config: Config
    clips: ClipSet
    """Training clips."""
    held_out: ClipSet
    """Clips of the identities in `config.data.held_out`: for `validate` and `sample`, never for `batch`."""
    earlier: Results
    """Weights of the earlier stages of this run: `earlier.load("motion", module)`."""
    folder: Path
    """`RUN/<stage>`, where the stage's own files lie."""
    cache: Path
    """A folder shared by the stages of a run, for what is worth computing once (speech features)."""

    def goes_on(self) -> bool:
        """Whether the stage has a checkpoint, which holds the weights of all its modules."""
        return bool(list_checkpoints(self.folder / "checkpoints"))


class Stage(ABC):
    """One stage of training.

    A subclass sets `name` and, in its constructor, `modules`, `phases`, `exports` and `weights`.
    """

    name: ClassVar[str]
    """As on the command line: `stage2-lips`."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Names of the stages whose results this one is built on."""

    modules: dict[str, nn.Module]
    """Every module with state, frozen ones and memory banks included: all go into the checkpoint. Those in no
    phase get no gradients and stay in evaluation mode; a memory bank may still change its buffers in
    `losses`."""
    phases: tuple[Phase, ...]
    """Run in this order within a step, on the same batch."""
    stays_on_cpu: ClassVar[frozenset[str]] = frozenset()
    """Entries of a batch that `losses` gets on the CPU whatever the device: numbers that steer the work, such as a
    window to paint or a mask of rows. Reading them from a GPU would wait for all that it has to do."""
    exports: tuple[str, ...]
    """The modules that this stage adds to the model; their averaged weights become the stage's result."""
    for_later: tuple[str, ...] = ()
    """Modules that later stages begin with and the model does not have: part of the stage's result alone."""
    joins_at: Mapping[str, int] = MappingProxyType({})
    """The first step, from 0, of losses that begin later."""
    weights: Mapping[str, float]
    """Weight of each loss by name, usually `config.stages.<stage>.weights`."""
    device: torch.device = torch.device("cpu")
    """Set by the loop, together with the device of the modules and batches."""

    @abstractmethod
    def batch(self, draw: Draw) -> Batch:
        """The items `draw.first .. draw.first + draw.count` of the batch of step `draw.step`.

        Runs on the CPU, maybe in another process (forked): it must be a pure function of `draw` and of data
        that does not change, and may not touch `modules`. Sizes may depend on `draw.step` (coarse to fine).
        """

    @abstractmethod
    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """Unweighted scalar losses by name; the phase minimises the sum of weight x loss.

        Runs under autocast when the configured precision is bfloat16 or float16. A loss that needs a gradient must be
        named in `weights` (0 switches it off; `is_off` lets a stage spare the work). A scalar without
        gradient is a measure, which is logged and not trained. Names must differ between the phases of a
        stage.
        """

    def sample(self) -> np.ndarray | None:
        """A sheet `[H, W, 3]` uint8 RGB that shows the state of training, or None.

        Called with the averaged weights, in evaluation mode and without gradients.
        """
        return None

    def validate(self) -> dict[str, float]:
        """Measures on held-out clips by name; called like `sample`."""
        return {}

    def is_off(self, loss: str) -> bool:
        """Whether the loss has weight 0."""
        return self.weights.get(loss, 0.0) == 0.0

    def networks(self) -> list[nn.Module]:
        """All that it has: `modules`, and those that it only keeps as attributes, such as a perceptual loss."""
        return [*self.modules.values(), *(own for own in vars(self).values() if isinstance(own, nn.Module))]

    def to(self, device: torch.device) -> None:
        """Moves all networks.

        Tensors that a stage keeps itself stay where they are, on the CPU, where batches are made.
        """
        self.device = device
        for network in self.networks():
            network.to(device)
