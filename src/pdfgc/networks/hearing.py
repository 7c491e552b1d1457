"""What every speech network is made of: a hearing, and a head that reads the lip factor off what it hears.

A `Hearing` turns sound into features at a fixed rate and is not trained; a `SpeechNetwork` (E_aud) turns features at
given times into the contrastive feature and the lip code. Training stages and the model know no more than that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLE_RATE = 16000

CHUNK_SECONDS = 16
CONTEXT_SECONDS = 2
"""Long speech is heard in chunks with context on both sides, so memory does not grow with its length."""


class Hearing(nn.Module, ABC):
    """Sound to features, the same for every training step: frozen, or without weights at all."""

    rate: ClassVar[int]
    """Features a second; feature i stands for second i / rate."""
    width: ClassVar[int]
    """Numbers in a feature; all of them 0 past the ends of a sound."""
    cached_as: ClassVar[str]
    """Tells the files of computed features of one hearing from another's."""

    @abstractmethod
    def set_level(self, wave: Tensor) -> Tensor:
        """`[N]` samples brought to the loudness that `forward` expects."""

    @abstractmethod
    def forward(self, wave: Tensor) -> Tensor:
        """`[B, N]` samples at 16 kHz to features `[B, L, width]`, L >= N / 16000 * rate.

        Features beyond the last sample are echoes of it.
        """


class SpeechNetwork(nn.Module, ABC):
    """E_aud after its hearing: features to the lip factor."""

    @abstractmethod
    def contrast(self, features: Tensor, at: Tensor) -> Tensor:
        """Contrastive features at given times.

        Args:
            features: `[B, L, width]` of the hearing.
            at: `[B, T]` times in seconds from the first feature on.

        Returns:
            `[B, T, feature]`.
        """

    @abstractmethod
    def encode(self, contrast: Tensor) -> Tensor:
        """Contrastive features `[..., feature]` to lip codes `[..., code]`."""

    def forward(self, features: Tensor, at: Tensor) -> Tensor:
        """Lip codes `[B, T, code]`; arguments as `contrast`."""
        return self.encode(self.contrast(features, at))


@torch.no_grad()
def hear(
    blocks: Iterable[Tensor], hearing: Hearing, device: torch.device | str = "cpu"
) -> Iterator[tuple[Tensor, Tensor, int, int, int]]:
    """Features of a stream of samples, chunk by chunk.

    The level is set chunk by chunk too: within 18 seconds that is the level of the whole sound.

    Args:
        blocks: `[n]` samples at 16 kHz, one after the other, on the CPU.
        hearing: what hears them.
        device: where the hearing is, and so the features.

    Yields:
        `[n]` the chunk's samples and `[L, width]` their features, context included, then three feature numbers
        as `speech_chunks`.
    """
    for samples, first, begin, end in speech_chunks(blocks, SAMPLE_RATE // hearing.rate):
        yield samples, hearing(hearing.set_level(samples)[None].to(device))[0], first, begin, end


def speech_chunks(blocks: Iterable[Tensor], unit: int) -> Iterator[tuple[Tensor, int, int, int]]:
    """Cut a stream of samples into chunks with context.

    Args:
        blocks: `[n]` float samples at 16 kHz, one after the other.
        unit: samples per feature.

    Yields:
        The samples of a chunk with its context; the number of the feature that stands first in it; and the
        first and last (exclusive) feature that the chunk is there for. What comes out does not depend on how the
        stream was cut into blocks.
    """
    chunk, context = CHUNK_SECONDS * SAMPLE_RATE, CONTEXT_SECONDS * SAMPLE_RATE
    held = torch.zeros(0)
    start, begin, total = 0, 0, 0  # of `held`, of the next chunk's own part, of the stream so far: samples
    for block in blocks:
        held = torch.cat([held, block])
        total += len(block)
        while total >= begin + chunk + context:
            own = held[: begin + chunk + context - start]
            yield own, start // unit, begin // unit, (begin + chunk) // unit
            begin += chunk
            held, start = held[begin - context - start :], begin - context
    if total > begin:
        yield F.pad(held, (0, -len(held) % unit)), start // unit, begin // unit, -(-total // unit)
