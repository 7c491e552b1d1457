"""SyncNet (Chung & Zisserman, "Out of time", ACCV 2016): lips and sound to features that agree in sync.

Layers and names are those of the published `syncnet_v2.model`, so that its state dict loads as it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.state_dicts import load_weights

FEATURE = 1024

FRAMES = 5
"""Frames that one feature looks at."""

COLUMNS = 20
"""Columns of cepstra (100 a second) that the same five frames take."""

SIDE = 224
"""Pixels of a face crop."""

CHUNK = 16
"""Features worked out at once."""


def _conv2(inside: int, outside: int, kernel: tuple[int, int], padding: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inside, outside, kernel, padding=padding), nn.BatchNorm2d(outside), nn.ReLU()]


def _conv3(
    inside: int, outside: int, side: int, *, frames: int = 1, stride: int = 1, padding: int = 0
) -> list:
    layer = nn.Conv3d(
        inside, outside, (frames, side, side), stride=(1, stride, stride), padding=(0, padding, padding)
    )
    return [layer, nn.BatchNorm3d(outside), nn.ReLU()]


def _pool3(padding: int = 0) -> nn.Module:
    return nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, padding, padding))


def _project() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, FEATURE))


class SyncNet(nn.Module):
    """Two networks into one space: `lips` and `sound` of the same moment lie close together."""

    def __init__(self) -> None:
        super().__init__()
        square = (3, 3)
        self.netcnnaud = nn.Sequential(
            *_conv2(1, 64, square), nn.MaxPool2d(1, stride=1),
            *_conv2(64, 192, square), nn.MaxPool2d(3, stride=(1, 2)),
            *_conv2(192, 384, square),
            *_conv2(384, 256, square),
            *_conv2(256, 256, square), nn.MaxPool2d(3, stride=2),
            *_conv2(256, 512, (5, 4), padding=0),
        )  # fmt: skip
        self.netfcaud = _project()
        self.netfclip = _project()
        self.netcnnlip = nn.Sequential(
            *_conv3(3, 96, 7, frames=FRAMES, stride=2), _pool3(),
            *_conv3(96, 256, 5, stride=2, padding=1), _pool3(padding=1),
            *_conv3(256, 256, 3, padding=1),
            *_conv3(256, 256, 3, padding=1),
            *_conv3(256, 256, 3, padding=1), _pool3(),
            *_conv3(256, 512, 6),
        )  # fmt: skip
        self.eval().requires_grad_(False)

    def lips(self, faces: Tensor) -> Tensor:
        """Features of a row of face crops.

        Args:
            faces: `[T, 3, 224, 224]` 0..255, channels blue, green, red.

        Returns:
            `[T - 4, 1024]`; row t looks at frames t..t+4.
        """
        maps: Tensor = self.netcnnlip(faces.transpose(0, 1)[None])
        return self.netfclip(maps[0, :, :, 0, 0].T)

    def sound(self, patches: Tensor) -> Tensor:
        """Features `[B, 1024]` of cepstra `[B, 1, 13, 20]`."""
        return self.netfcaud(self.netcnnaud(patches).flatten(1))


def load_syncnet(path: Path) -> SyncNet:
    """SyncNet with published weights.

    Args:
        path: `syncnet_v2.model` (www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model), a PyTorch
            state dict. It is read without running any code that it may carry.

    Raises:
        InputError: there is no such file, or it is not that.
    """
    network = SyncNet()
    load_weights(network, path, "SyncNet's published state dict (syncnet_v2.model)")
    return network.eval()


@torch.inference_mode()
def sound_features(network: SyncNet, cepstra: np.ndarray, frames: int) -> np.ndarray:
    """`[frames, 1024]`: row t hears columns 4 t..4 t + 19 of cepstra `[columns, 13]`."""
    columns = torch.from_numpy(cepstra.astype(np.float32)).T
    patches = [columns[None, :, 4 * t : 4 * t + COLUMNS] for t in range(frames)]
    features = [network.sound(torch.stack(patches[t : t + CHUNK])) for t in range(0, frames, CHUNK)]
    return torch.cat(features).numpy() if features else np.zeros((0, FEATURE), np.float32)
