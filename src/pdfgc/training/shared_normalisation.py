"""Batch normalisation over the items of all processes, on CPUs; GPUs have `torch.nn.SyncBatchNorm`."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SharedBatchNorm(_BatchNorm):
    """In training, mean and variance are those of the items of all processes; each process may have another number."""

    @classmethod
    def like(cls, layer: _BatchNorm) -> SharedBatchNorm:
        """A layer that takes over the weights and statistics of another, as the same objects."""
        shared = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        shared.weight, shared.bias = layer.weight, layer.bias
        shared.running_mean, shared.running_var = layer.running_mean, layer.running_var
        shared.num_batches_tracked = layer.num_batches_tracked
        shared.training = layer.training
        return shared

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, ...]` to the same, normalised per channel."""
        if not self.training:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        values = x.float()
        others = [axis for axis in range(x.dim()) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        own = values.new_tensor([x.numel() / x.shape[1]])
        totals = _Sum.apply(torch.cat([values.sum(others), own]))
        mean, count = totals[:-1] / totals[-1], totals[-1].detach()
        centred = values - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(others)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Moves the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes."""


def share_statistics(module: nn.Module) -> None:
    """Replaces the batch normalisation within a module by `SharedBatchNorm`."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, SharedBatchNorm.like(child))
        else:
            share_statistics(child)


class _Sum(torch.autograd.Function):
    """The sum over the processes; its gradient is the sum of what all processes say about it."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
