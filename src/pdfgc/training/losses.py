"""Losses of the three stages: pure functions of tensors (spec 3; equation numbers are the paper's)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

_P = ParamSpec("_P")


def in_float32(loss: Callable[_P, Tensor]) -> Callable[_P, Tensor]:
    """Computes a loss of features in float32 at least, under autocast too.

    Products of 16-bit numbers have too few digits for what is divided by a temperature, or is close to 0.
    """

    @wraps(loss)
    def precise(*args: _P.args, **kwargs: _P.kwargs) -> Tensor:
        named = {name: _widened(value) for name, value in kwargs.items()}
        given = [_widened(value) for value in args]
        device = next(value.device for value in (*given, *named.values()) if isinstance(value, Tensor))
        with torch.autocast(device.type, enabled=False):
            return loss(*given, **named)  # type: ignore[arg-type]

    return precise


def _widened(value: object) -> object:
    """A tensor of 16-bit numbers in float32; everything else as it is."""
    if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value


@in_float32
def info_nce(anchors: Tensor, candidates: Tensor, *, temperature: float) -> Tensor:
    """InfoNCE by cosine similarity: row i of `candidates` is anchor i's positive, all others its negatives (eq. 2, 3).

    Args:
        anchors: `[N, D]`.
        candidates: `[M, D]`, M >= N.
        temperature: what similarities are divided by.

    Returns:
        A scalar; ln M when all features are alike.
    """
    similarity = F.normalize(anchors, dim=1) @ F.normalize(candidates, dim=1).T / temperature
    return F.cross_entropy(similarity, torch.arange(len(anchors), device=anchors.device))


@in_float32
def squared_correlation(rows: Tensor, others: Tensor) -> Tensor:
    """Mean squared Pearson correlation between every column of one matrix and every column of another (eq. 6).

    Args:
        rows: `[M, P]`, for instance expression codes.
        others: `[M, Q]`, for instance speech features of the same moments.

    Returns:
        A scalar in 0..1.
    """
    return (_standardised(rows).T @ _standardised(others) / len(rows)).square().mean()


def _standardised(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred / centred.square().mean(0).add(1e-8).sqrt()


def weighted_l1(result: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute difference, each entry times `weight`, which broadcasts."""
    return ((result - target).abs() * weight).mean()


def hinge_real_or_fake(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's hinge loss (spec 3, adversarial).

    Args:
        real, fake: logits of any shape, greater for real.

    Returns:
        A scalar; 2 for a discriminator that answers 0 to everything, 0 once it is right by a margin of 1.
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_taken_for_real(fake: Tensor) -> Tensor:
    """The generator's side of the hinge loss: the mean logit of what it made, negated."""
    return -fake.mean()


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a discriminator's maps, real ones without gradient, averaged over its layers."""
    pairs = zip(real, fake, strict=True)
    return torch.stack([(a.detach() - b).abs().mean() for a, b in pairs]).mean()
