"""Several training processes as one: `torchrun` starts them, each with a part of every batch.

Without `torchrun` there is one process, and everything here leaves its argument as it is. What is decided or averaged
for people goes over the CPU (gloo) and never waits for a GPU; gradients and gathered rows go over NCCL on GPUs.

Equality with one process that has the whole batch: gradients are averaged over the processes; whatever compares items
of a batch with each other (InfoNCE, memory banks) uses `gather_rows`; batch normalisation takes its statistics over
all processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.training.shared_normalisation import share_statistics

_PATIENCE = timedelta(hours=6)
"""How long processes wait for each other: the first one may prepare features of a whole data set."""


def is_launched() -> bool:
    """Whether `torchrun` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def rank() -> int:
    """This process's number; number 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Within the block, the processes of a `torchrun` train together.

    Args:
        device: as asked for; `cuda` becomes this process's own GPU.

    Yields:
        The device of this process.

    Raises:
        InputError: when the machine has fewer GPUs than processes.
    """
    if not is_launched() or dist.is_initialized():
        yield device
        return
    if device.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise InputError(
                f"expected a GPU for each process, but process {local} finds {torch.cuda.device_count()} here"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield device
        wait()  # nobody leaves while another one still sends
    finally:
        dist.destroy_process_group()


def wait() -> None:
    """Returns when every process has come here."""
    if world_size() > 1:
        dist.all_reduce(torch.zeros(1))


@contextmanager
def first_then_others() -> Iterator[None]:
    """Process 0 runs the block first, so that the others find what it wrote."""
    if rank() > 0:
        wait()
    yield
    if rank() == 0:
        wait()


def any_process(flags: Sequence[bool]) -> list[bool]:
    """For each flag, whether it is set in any process."""
    if world_size() == 1:
        return list(flags)
    numbers = torch.tensor(flags, dtype=torch.int32)
    dist.all_reduce(numbers, dist.ReduceOp.MAX)
    return [bool(number) for number in numbers]


def mean_of(values: Sequence[float]) -> list[float]:
    """The mean of each value over the processes; not finite where one of them is not."""
    if world_size() == 1:
        return list(values)
    numbers = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(numbers)
    return (numbers / world_size()).tolist()


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the processes.

    A parameter that has a gradient in some processes only counts as zero in the others; one that has none anywhere
    keeps none.
    """
    if world_size() == 1:
        return
    used = any_process([parameter.grad is not None for parameter in parameters])
    gradients = []
    for parameter, is_used in zip(parameters, used, strict=True):
        if is_used and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if parameter.grad is not None:
            gradients.append(parameter.grad)
    _replace_by_mean(gradients)


def share_initial_state(modules: Iterable[nn.Module]) -> None:
    """Gives every process the weights and buffers of process 0."""
    if world_size() == 1:
        return
    for module in modules:
        for tensor in module.state_dict().values():
            whole = tensor.contiguous()
            dist.broadcast(whole, 0)
            tensor.copy_(whole)


def share_normalisation(modules: Iterable[nn.Module], device: torch.device) -> None:
    """Takes the statistics of batch normalisation within the modules over all processes.

    The layers are replaced; their weights and statistics stay the same objects.
    """
    if world_size() == 1:
        return
    for module in modules:
        if device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(module)
        else:
            share_statistics(module)


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, in the processes' order: `[n, ...]` to `[N, ...]`; n may differ.

    Gradients flow back to the process that a row came from. A loss of gathered rows has to be computed alike in every
    process: then the mean of the parameters' gradients over the processes is the gradient of that loss.
    """
    if world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)]))
    gathered: Tensor = _Gather.apply(rows, [int(count) for count in counts])
    return gathered


class _Gather(torch.autograd.Function):
    """All processes' rows; the gradient of a row is the sum of what all processes say about it."""

    @staticmethod
    def forward(context: Any, rows: Tensor, counts: list[int]) -> Tensor:
        context.counts = counts
        # NCCL and gloo gather pieces of one size.
        piece = rows.new_zeros((max(counts), *rows.shape[1:]))
        piece[: len(rows)] = rows
        pieces = [torch.empty_like(piece) for _ in counts]
        dist.all_gather(pieces, piece)
        return torch.cat([piece[:count] for piece, count in zip(pieces, counts, strict=True)])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.split(context.counts)[rank()], None


@torch.no_grad()
def _replace_by_mean(tensors: Sequence[Tensor]) -> None:
    """One message for all tensors of a type instead of one for each."""
    for kind in {tensor.dtype for tensor in tensors}:
        own = [tensor for tensor in tensors if tensor.dtype == kind]
        message = torch.cat([tensor.reshape(-1) for tensor in own])
        dist.all_reduce(message)
        message /= world_size()
        for tensor, mean in zip(own, message.split([tensor.numel() for tensor in own]), strict=True):
            tensor.copy_(mean.view(tensor.shape))
