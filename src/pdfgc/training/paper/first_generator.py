"""How G begins in stage 3: with what G0 has learnt in stage 1 (ours; the paper leaves it open).

G0 paints from the portrait's vector v and the unified motion feature m, G from v and the codes c of all factors. Both
modulate their convolutions by scales that are linear in their style, so G0 becomes a G once m is written in codes. Pose
and eyes, which stage 2 has taught, predict it over the training clips as m = A c + a, so G0's scales

    W_v v + W_m m + b    become    W_v v + (W_m A) c + (b + W_m a).

The codes that stage 3 itself teaches, of lips and expression, say nothing yet and are left as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pdfgc.networks.paper.generator import Generator
from pdfgc.networks.paper.motion import MotionEncoder
from pdfgc.training.paper.frames import PaperClips
from pdfgc.training.paper.parts import DEVIATION
from pdfgc.training.paper.pictures import to_float

TAUGHT = ("eyes", "pose")
"""The factors whose codes mean something before stage 3."""

_PAIRS = 64
"""Pairs of frames of the training clips that the map is fitted to."""

_RIDGE = 0.01
"""Holds back codes that predict little: a part of each code's variance."""

_STILL = 0.3
"""Of a code's usual deviation (`DEVIATION`): entries that move less in the clips count as moving so far, or G would be
driven wildly by what was nothing but noise there."""


class CodeMap(NamedTuple):
    """The unified motion feature as a linear map of codes."""

    matrices: dict[str, Tensor]
    """By factor, `[D, feature]`."""
    offset: Tensor
    """`[feature]`."""


@torch.no_grad()
def fit_code_map(motion: MotionEncoder, clips: PaperClips, seed: int) -> CodeMap:
    """Fits the unified feature of frames of the clips to their codes of `TAUGHT`.

    Args:
        motion: E_mot with its heads, on the CPU; left in evaluation mode.
        clips: where frames are drawn from.
        seed: which frames.
    """
    motion.eval()
    random = np.random.default_rng(seed)
    features = torch.cat(
        [motion.model(to_float(clips.pictures(clips.draw_pair(random)))) for _ in range(_PAIRS)]
    )
    codes = {factor: motion.embed(factor, motion.head(factor, features)) for factor in TAUGHT}
    return solve_code_map(features, codes)


def solve_code_map(features: Tensor, codes: Mapping[str, Tensor]) -> CodeMap:
    """The map from codes `{factor: [N, D]}` to features `[N, feature]` with the least squares (a ridge)."""
    wanted, side_by_side = features.double(), torch.cat(list(codes.values()), 1).double()
    middle, mean = side_by_side.mean(0), wanted.mean(0)
    still = [torch.full((code.shape[1],), _STILL * DEVIATION[factor]) for factor, code in codes.items()]
    deviation = torch.maximum(side_by_side.std(0), torch.cat(still).double())
    known = (side_by_side - middle) / deviation
    ridge = _RIDGE * len(known) * torch.eye(known.shape[1], dtype=known.dtype)
    matrix = torch.linalg.solve(known.T @ known + ridge, known.T @ (wanted - mean)) / deviation[:, None]
    parts = matrix.to(features.dtype).split([code.shape[1] for code in codes.values()])
    return CodeMap(dict(zip(codes, parts, strict=True)), (mean - middle @ matrix).to(features.dtype))


@torch.no_grad()
def begin_as_first(generator: Generator, first: Generator, factors: Mapping[str, int], fit: CodeMap) -> None:
    """Gives G everything that G0 has learnt.

    Args:
        generator: G, whose style is the portrait's vector and the codes; changed in place.
        first: G0, whose style is the portrait's vector and the unified motion feature.
        factors: sizes of the codes in their order.
        fit: writes that feature in codes; columns of factors it does not know stay as they are.
    """
    # a state dict's tensors are the parameters themselves
    own, state = generator.state_dict(), first.state_dict()
    for name, tensor in own.items():
        if not name.endswith("modulation.weight"):
            tensor.copy_(state[name])
    for name, weight in own.items():
        if name.endswith("modulation.weight"):
            bias = own[name.removesuffix("weight") + "bias"]
            _rewrite(weight, bias, state[name], factors, fit)


def _rewrite(weight: Tensor, bias: Tensor, first: Tensor, factors: Mapping[str, int], fit: CodeMap) -> None:
    """One layer's scales: `weight` `[C, vector + codes]` and `bias` `[C]` from G0's weight `[C, vector + feature]`."""
    by_vector, by_motion = first.split([first.shape[1] - len(fit.offset), len(fit.offset)], 1)
    rescale = (
        weight.shape[1] / first.shape[1]
    ) ** 0.5  # weights are divided by the root of the style's size in use
    bias += by_motion @ fit.offset / first.shape[1] ** 0.5
    places = weight.split([by_vector.shape[1], *factors.values()], 1)
    places[0].copy_(rescale * by_vector)
    for factor, place in zip(factors, places[1:], strict=True):
        if factor in fit.matrices:
            place.copy_(rescale * by_motion @ fit.matrices[factor].T)
