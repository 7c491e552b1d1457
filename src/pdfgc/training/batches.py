"""Batches made ahead of the steps that need them, by processes of their own."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from pdfgc.config import Training
from pdfgc.errors import InputError
from pdfgc.training import distributed
from pdfgc.training.stage import Batch, Draw, Stage

log = logging.getLogger(__name__)

Parts = list[Batch]
"""The parts of a step's batch, one per round of accumulation."""

_AHEAD = 3
"""Batches that each worker has ready or in hand: one step that reads much may not hold up the others."""


@dataclass(frozen=True)
class _Failure:
    """An error that people are meant to read, on its way out of a worker: the loader would wrap it in a traceback."""

    message: str


class _Steps(Dataset[Parts | _Failure]):
    """The batch of every step, by its number; the same wherever and whenever it is made."""

    def __init__(self, stage: Stage, training: Training) -> None:
        self.stage, self.training = stage, training

    def __len__(self) -> int:
        return self.training.steps

    def __getitem__(self, step: int) -> Parts | _Failure:
        try:
            return make_parts(self.stage, self.training, step)
        except InputError as error:
            return _Failure(str(error))


def make_parts(stage: Stage, training: Training, step: int) -> Parts:
    """This process's share of a step's batch.

    The items of all parts and processes together are those of one undivided batch. Part `p` of all processes is a run
    of neighbouring items, so that rows gathered from the processes in order are that part.
    """
    processes = distributed.world_size()
    size = training.batch // (training.accumulation * processes)
    blocks = [part * processes + distributed.rank() for part in range(training.accumulation)]
    return [stage.batch(Draw(training.seed, step, block * size, size)) for block in blocks]


def iterate_batches(
    stage: Stage, training: Training, steps: range, device: torch.device
) -> Generator[Parts, None, None]:
    """The parts of the batch of every step, in order.

    With `training.workers` the batches are made ahead by so many processes, which share the stage's data as it was when
    they began (they are forked) and hand tensors over in shared memory. For a GPU they come in pinned memory.

    Raises:
        InputError: what `Stage.batch` raises.
    """
    workers = training.workers
    if workers and "fork" not in multiprocessing.get_all_start_methods():
        log.warning("batches are made in the training process: this system cannot fork workers")
        workers = 0
    loader = DataLoader(
        _Steps(stage, training),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=_begin_worker,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # the loader draws a seed that nothing uses; not from the global generator
    )
    for parts in loader:
        if isinstance(parts, _Failure):
            raise InputError(parts.message)
        yield parts


def _begin_worker(worker: int) -> None:
    """A worker ends with its parent, not by the signals that ask the parent to finish its step."""
    import cv2

    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
