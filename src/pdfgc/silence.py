"""Where a sound is silent: a mouth that nothing is heard from stays shut."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_WINDOW_SECONDS = 0.16
"""Sound within this much around a frame opens the mouth: lips move before they are heard."""

_BELOW_SPEECH_DB = 29.0
_QUIETEST_DB, _LOUDEST_DB = -62.0, -40.0
_RAMP_DB = 6.0


def speech_share(samples: Tensor, at: Tensor, rate: int) -> Tensor:
    """How much of speech there is at given times, by level.

    Args:
        samples: `[N]` mono, -1..1.
        at: `[T]` seconds from the first sample.
        rate: samples a second.

    Returns:
        `[T]` 0 (silence) to 1 (speech). Silence lies 35 dB below the loud parts of the samples, but somewhere in
        -68..-46 dBFS; from there to 6 dB above, speech fades in.
    """
    step = rate // 100
    padded = F.pad(samples, (0, -len(samples) % step))
    power = padded.view(-1, step).square().mean(1)
    if len(power) == 0:
        return torch.zeros(len(at))
    reach = round(_WINDOW_SECONDS * 100 / 2)
    level = 10 * torch.log10(F.max_pool1d(power[None, None], 2 * reach + 1, 1, reach)[0, 0] + 1e-10)
    loud = 10 * torch.log10(torch.quantile(power, 0.95) + 1e-10)
    threshold = (loud - _BELOW_SPEECH_DB).clamp(_QUIETEST_DB, _LOUDEST_DB)
    index = (at * 100).long().clamp(0, len(level) - 1)
    return ((level[index] - threshold) / _RAMP_DB + 1).clamp(0, 1)
