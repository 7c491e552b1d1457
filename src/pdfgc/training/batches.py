"""Batches made ahead of the steps that need them, by processes of their own."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import signal
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pdfgc.config_stages import Training
from pdfgc.errors import InputError
from pdfgc.training import distributed
from pdfgc.training.stage import Batch, Draw, Stage

log = logging.getLogger(__name__)

Parts = list[Batch]
"""The parts of a step's batch, one per round of accumulation."""

_AHEAD = 3
"""Batches that each worker has ready or in hand: one step that reads much may not hold up the others."""

_SHARED_MEMORY = Path("/dev/shm")

_ENOUGH = 4 << 30
"""Bytes of shared memory below which batches go through pipes: containers often have 64 MiB, and writing past the end
kills a worker."""


@dataclass(frozen=True)
class _Failure:
    """An error that people are meant to read, on its way out of a worker: the loader would wrap it in a traceback."""

    message: str


@dataclass(frozen=True)
class _Copies:
    """Batches as arrays, which are sent through a pipe; tensors would be sent in shared memory."""

    parts: list[dict[str, np.ndarray]]

    def tensors(self) -> Parts:
        return [{name: torch.from_numpy(array) for name, array in part.items()} for part in self.parts]


@dataclass(frozen=True)
class _Steps(Dataset[Parts | _Copies | _Failure]):
    """The batch of every step, by its number; the same wherever and whenever it is made."""

    stage: Stage
    training: Training
    copies: bool

    def __getitem__(self, step: int) -> Parts | _Copies | _Failure:
        try:
            parts = make_parts(self.stage, self.training, step)
        except InputError as error:
            return _Failure(str(error))
        if self.copies:
            return _Copies([{name: tensor.numpy() for name, tensor in part.items()} for part in parts])
        return parts


def make_parts(stage: Stage, training: Training, step: int) -> Parts:
    """This process's share of a step's batch.

    The items of all parts and processes together are those of one undivided batch. Part `p` of all processes is a run
    of neighbouring items, so that rows gathered from the processes in order are that part.
    """
    processes = distributed.world_size()
    size = training.batch // (training.accumulation * processes)
    blocks = [part * processes + distributed.rank() for part in range(training.accumulation)]
    return [stage.batch(Draw(training.seed, step, block * size, size, training.batch)) for block in blocks]


def iterate_batches(
    stage: Stage, training: Training, steps: range, device: torch.device
) -> Generator[Parts, None, None]:
    """The parts of the batch of every step, in order.

    With `training.workers` the batches are made ahead by so many processes, which share the stage's data as it was
    when they began (they are forked) and hand tensors over in shared memory, where there is enough of it. For a GPU
    they come in pinned memory.

    Raises:
        InputError: what `Stage.batch` raises.
    """
    workers = training.workers
    if workers and "fork" not in multiprocessing.get_all_start_methods():
        log.warning("batches are made in the training process: this system cannot fork workers")
        workers = 0
    loader = DataLoader(
        _Steps(stage, training, copies=workers > 0 and _is_short_of_shared_memory()),
        batch_size=None,
        collate_fn=_as_it_is,
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
        yield parts.tensors() if isinstance(parts, _Copies) else parts


def _as_it_is(item: object) -> object:
    return item


def _is_short_of_shared_memory() -> bool:
    if not _SHARED_MEMORY.is_dir():  # not Linux: shared memory is not a file system of its own
        return False
    free = shutil.disk_usage(_SHARED_MEMORY).free
    if free < _ENOUGH:
        log.info("batches go through pipes: %s has only %d MiB", _SHARED_MEMORY, free >> 20)
    return free < _ENOUGH


def _begin_worker(worker: int) -> None:
    """A worker ends with its parent, not by the signals that ask the parent to finish its step."""
    import cv2

    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
