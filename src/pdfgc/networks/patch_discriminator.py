"""The judge of painted pictures in training: patch by patch, real or painted, given what was asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pdfgc.networks.sketch import SKETCH_CHANNELS


class PatchDiscriminator(nn.Module):
    """A patch discriminator that sees the driving sketch beside the picture, with spectral normalisation.

    It knows what the eyes and lips should be, so a sharp mouth that is open when it should be shut is not taken for
    real. A patch is about 70 pixels wide: teeth, lids and strands of hair, not whole faces.
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        c = channels
        sizes = [(3 + SKETCH_CHANNELS, c, 2), (c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 4 * c, 1)]
        self.layers = nn.ModuleList(
            [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride, 1)) for inputs, outputs, stride in sizes]
        )
        self.head = spectral_norm(nn.Conv2d(4 * c, 1, 3, 1, 1))

    def forward(self, picture: Tensor, sketch: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Judge pictures.

        Args:
            picture: `[B, 3, H, W]` in -1..1, sides of 24 pixels or more.
            sketch: `[B, SKETCH_CHANNELS, H, W]` drawing of the mesh that was asked for, 0..1.

        Returns:
            Logits `[B, 1, h, w]`, greater for real, and the maps of every layer.
        """
        x = torch.cat([picture, sketch.to(picture.dtype)], 1)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            maps.append(x)
        return self.head(x), maps
