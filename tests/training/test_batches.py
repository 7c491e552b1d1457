"""Batches made by worker processes are those made in place, and their errors stay readable."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
import torch

from pdfgc.config_stages import Training
from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError
from pdfgc.training import batches as batches_module
from pdfgc.training import distributed
from pdfgc.training.batches import Parts, iterate_batches, make_parts
from pdfgc.training.stage import Batch, Draw
from toy_stage import ComparingStage

CPU = torch.device("cpu")
TRAINING = Training(steps=9, batch=4, accumulation=2)


class WhoseStage(ComparingStage):
    """Its batches tell which process made them; step 5 has no data if `breaks`."""

    def __init__(self, breaks: bool = False) -> None:
        super().__init__(ClipSet([]))
        self.breaks = breaks

    def batch(self, draw: Draw) -> Batch:
        if self.breaks and draw.step == 5:
            raise InputError("expected a picture as frame 3 of some.clip")
        return {**super().batch(draw), "process": torch.tensor(os.getpid())}


def made(stage: WhoseStage, workers: int) -> list[Parts]:
    training = dataclasses.replace(TRAINING, workers=workers)
    return list(iterate_batches(stage, training, range(2, 9), CPU))


@pytest.mark.parametrize("shared_memory", [0, 1 << 60])
def test_workers_make_the_same_batches_in_order(monkeypatch: pytest.MonkeyPatch, shared_memory: int) -> None:
    monkeypatch.setattr(batches_module, "_ENOUGH", shared_memory)
    stage = WhoseStage()
    alone, helped = made(stage, 0), made(stage, 2)
    assert len(alone) == len(helped) == 7
    for own, theirs in zip(alone, helped, strict=True):
        assert len(own) == len(theirs) == 2
        for one, other in zip(own, theirs, strict=True):
            assert torch.equal(one["input"], other["input"])
            assert int(one["process"]) == os.getpid() != int(other["process"])
    assert len({int(parts[0]["process"]) for parts in helped}) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_an_input_error_of_a_worker_is_its_own_sentence(workers: int) -> None:
    with pytest.raises(InputError, match=r"^expected a picture as frame 3 of some\.clip$"):
        made(WhoseStage(breaks=True), workers)


def test_parts_and_processes_divide_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = ComparingStage(ClipSet([]))
    whole = make_parts(stage, Training(batch=8), 3)[0]["input"]
    blocks = {}
    for rank in range(2):
        monkeypatch.setattr(distributed, "world_size", lambda: 2)
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        for part, batch in enumerate(make_parts(stage, Training(batch=8, accumulation=2), 3)):
            blocks[part, rank] = batch["input"]
    # what the processes gather in the first round of accumulation is the first half of the batch
    assert torch.equal(torch.cat([blocks[0, 0], blocks[0, 1], blocks[1, 0], blocks[1, 1]]), whole)


def test_workers_end_with_the_iteration(tmp_path: Path) -> None:
    running = iterate_batches(WhoseStage(), dataclasses.replace(TRAINING, workers=1), range(9), CPU)
    worker = int(next(running)[0]["process"])
    os.kill(worker, 0)  # it is there
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
