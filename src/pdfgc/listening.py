"""Speech as a stream: what is heard at each frame's time, and smoothing that does not wait for the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from pdfgc.networks.hearing import Hearing, hear


@dataclass(frozen=True)
class Heard:
    """Frames of the result, and the stretch of sound around them.

    Attributes:
        samples: `[N]` of the stretch, 16 kHz, on the CPU.
        features: `[L, width]` what the hearing makes of it.
        since: `[n]` the frames' times in seconds from the stretch's beginning, on the CPU.
    """

    samples: Tensor
    features: Tensor
    since: Tensor


def listen(
    wave: Iterable[np.ndarray], fps: Fraction, hearing: Hearing, device: torch.device
) -> Iterator[Heard]:
    """Goes through speech stretch by stretch; memory does not grow with its length.

    Args:
        wave: mono samples at 16 kHz, -1..1, in blocks of any length.
        fps: frames a second; frame i stands for second i / fps.
        hearing: on `device`.
        device: where the features are computed.
    """
    blocks = (torch.from_numpy(np.asarray(block, np.float32)) for block in wave)
    row, rate = 0, hearing.rate
    for samples, features, first, _, end in hear(blocks, hearing, device):
        rows = np.arange(row, max(row, -(-end * fps.numerator // (rate * fps.denominator))))
        if len(rows) == 0:
            continue
        row = int(rows[-1]) + 1
        since = torch.tensor([float(Fraction(int(r)) / fps - Fraction(first, rate)) for r in rows])
        yield Heard(samples, features, since)


def gaussian_taps(taps: int, sigma: float) -> np.ndarray:
    """`[taps]` weights of a Gaussian about the middle one; `taps` is odd, `sigma` in rows. They sum to 1."""
    offsets = np.arange(taps) - taps // 2
    weights = np.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)
    return weights / weights.sum()


def smooth_rows(blocks: Iterable[np.ndarray], weights: np.ndarray) -> Iterator[np.ndarray]:
    """Rows `[n, D]` under weights `[2 r + 1]`, r rows later than they come; at the ends over what is there.

    What comes out does not depend on how the rows were cut into blocks.
    """
    reach = len(weights) // 2
    window: np.ndarray | None = None
    done = 0  # rows of the window that were given out
    for block in blocks:
        window = block if window is None else np.concatenate([window, block])
        ready = len(window) - reach
        if ready > done:
            yield _weighted(window, weights)[done:ready]
            window = window[max(ready - reach, 0) :]
            done = min(ready, reach)
    if window is not None and len(window) > done:
        yield _weighted(window, weights)[done:]


def _weighted(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    reach = len(weights) // 2
    total, norm = np.zeros(rows.shape, np.float64), np.zeros(len(rows))
    for offset, weight in enumerate(weights, -reach):
        to = slice(max(-offset, 0), len(rows) - max(offset, 0))
        origin = slice(max(offset, 0), len(rows) - max(-offset, 0))
        total[to] += weight * rows[origin]
        norm[to] += weight
    return (total / norm[:, None]).astype(np.float32)
