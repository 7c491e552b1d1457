"""D: a residual discriminator that also knows who is to be seen.

That of *Neural Head Reenactment with Latent Pose Descriptors* (Burkov et al., CVPR 2020), the paper's [6]: spectrally
normalised pre-activation residual blocks; a score that is linear in the summed last map, plus its product with an
embedding of the person (Miyato and Koyama's projection). Maps of all blocks serve feature matching.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

_EPS = 1e-4
_SMALLEST_MAP = 4
"""Side in pixels below which maps are not halved."""
_EMBEDDING = 0.1


class Judgement(NamedTuple):
    """What the discriminator says of pictures."""

    score: Tensor
    """`[B]`, unbounded; the hinge loss wants real ones above 1 and painted ones below -1."""
    features: list[Tensor]
    """The map of each block `[B, C, h, w]`, for feature matching."""


class Discriminator(nn.Module):
    """Scores pictures.

    Args:
        size: side of the pictures in pixels.
        people: identities whose embeddings are learnt; 0 for a score without identity.
        channels: of the first block; they double up to `most_channels`.
        most_channels: of the last block, and of the embeddings.
        blocks: of which as many halve the map as leave it 4 pixels or more.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        people: int = 0,
        channels: int = 64,
        most_channels: int = 512,
        blocks: int = 7,
    ) -> None:
        super().__init__()
        halvings = min(int(math.log2(size / _SMALLEST_MAP)), blocks)
        widths = [min(channels << index, most_channels) for index in range(blocks - 1)] + [most_channels]
        self.blocks = nn.ModuleList(
            _Block(before, width, halve=index < halvings, first=index == 0)
            for index, (before, width) in enumerate(zip([3, *widths[:-1]], widths, strict=True))
        )
        self.linear = spectral_norm(nn.Linear(most_channels, 1), eps=_EPS)
        self.people = nn.Embedding(people, most_channels) if people else None
        if self.people is not None:
            nn.init.uniform_(self.people.weight, -_EMBEDDING, _EMBEDDING)
            spectral_norm(self.people, eps=_EPS)

    def forward(self, pictures: Tensor, person: Tensor | None = None) -> Judgement:
        """Judges pictures.

        Args:
            pictures: `[B, 3, S, S]`, -1..1.
            person: `[B]` numbers of the identities; None judges the picture alone.

        Raises:
            ValueError: when people are named, but none were announced.
        """
        if person is not None and self.people is None:
            raise ValueError("expected no identities: this discriminator was made for 0 people")
        features = []
        x = pictures
        for block in self.blocks:
            x = block(x)
            features.append(x)
        summed = F.relu(x).sum((2, 3))
        score = self.linear(summed)[:, 0]
        if person is not None and self.people is not None:
            score = score + (summed * self.people(person)).sum(1)
        return Judgement(score, features)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, halve: bool, first: bool) -> None:
        super().__init__()
        self.first = first  # a picture is not rectified
        self.halve = halve
        self.conv1 = spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1), eps=_EPS)
        self.conv2 = spectral_norm(nn.Conv2d(outputs, outputs, 3, padding=1), eps=_EPS)
        self.skip: nn.Module = nn.Identity()
        if inputs != outputs or halve:
            self.skip = spectral_norm(nn.Conv2d(inputs, outputs, 1), eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        y = y + self.skip(x)
        return F.avg_pool2d(y, 2) if self.halve else y
