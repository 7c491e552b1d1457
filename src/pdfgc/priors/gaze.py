"""Where the eyes look, read off pictures: the gaze term of L_con (eq. 8).

By default iris geometry on the landmarks of `face_features`: it needs no further file, and its value is where the
irises stand between the corners of the eyes. L2CS-Net (Abdelrahman et al. 2022), which the paper uses, when its file
is given. Licence of L2CS-Net's code and weights: MIT; its training data, Gaze360 and MPIIFaceGaze, are for research.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.priors.face_crop import face_crops
from pdfgc.state_dicts import read_tensors

BINS = 90
BIN_DEGREES = 4.0
FIRST_BIN = -180.0
"""L2CS-Net's classes of an angle, as trained on Gaze360."""

_SIDE = 448
_ROOM = 1.4  # side of the face crop over the face's extent
_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)


class GazeTeacher(Protocol):
    """What L_con asks of a gaze estimator."""

    licence: str

    def __call__(self, pictures: Tensor, meshes: Tensor) -> Tensor:
        """Pictures `[B, 3, S, S]` in -1..1 and their points `[B, 478, 3]` in crop units to `[B, 2]`: horizontal
        (positive to the picture's right) and vertical (positive downwards) gaze."""
        ...


class IrisGaze(nn.Module):
    """Offset of the irises from the middle of the eyes' corners, over the eye's width; mean of both eyes.

    Differentiable in the points, which have to be those of the picture itself. The turn of the head is not taken
    off: the loss compares two pictures of one pose.
    """

    licence = "Apache-2.0"

    def forward(self, pictures: Tensor, meshes: Tensor) -> Tensor:
        """See `GazeTeacher`; the pictures are not looked at."""
        flat = meshes[..., :2]
        eyes = [
            _iris_offset(flat, RIGHT_EYE[0], RIGHT_EYE[8], RIGHT_IRIS[0]),
            _iris_offset(flat, LEFT_EYE[8], LEFT_EYE[0], LEFT_IRIS[0]),
        ]
        return (eyes[0] + eyes[1]) / 2


def _iris_offset(points: Tensor, start: int, end: int, iris: int) -> Tensor:
    axis = points[:, end] - points[:, start]  # towards the picture's right
    offset = points[:, iris] - (points[:, start] + points[:, end]) / 2
    along = (offset * axis).sum(1)
    down = offset[:, 1] * axis[:, 0] - offset[:, 0] * axis[:, 1]
    return torch.stack([along, down], 1) / axis.square().sum(1, keepdim=True)


class L2CSGaze(nn.Module):
    """L2CS-Net: ResNet50, and 90 classes each for yaw and pitch whose expectation is the angle; in radians.

    Args:
        weights: its state dict; None leaves it random, which only tests want.

    Raises:
        InputError: the file is not L2CS-Net's with a ResNet50 and 90 classes.
    """

    licence = "MIT"
    mean: Tensor
    spread: Tensor

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        self.backbone = AppearanceEncoder("resnet50").model
        self.yaw = nn.Linear(2048, BINS)
        self.pitch = nn.Linear(2048, BINS)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD)[:, None, None], persistent=False)
        if weights is not None:
            self._load(weights)
        self.requires_grad_(False).eval()

    def _load(self, path: Path) -> None:
        own = {"fc_yaw_gaze": "yaw", "fc_pitch_gaze": "pitch"}
        state = {}
        for name, value in read_tensors(path).items():
            layer, _, rest = name.partition(".")
            if layer != "fc_finetune":  # an unused layer of the authors' file
                state[f"{own[layer]}.{rest}" if layer in own else f"backbone.{layer}.{rest}"] = value
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise InputError(
                f"expected L2CS-Net's state dict (ResNet50, 90 classes) in {path}: {reason}"
            ) from error

    def forward(self, pictures: Tensor, meshes: Tensor) -> Tensor:
        """See `GazeTeacher`; radians."""
        parts = face_crops(pictures, meshes, room=_ROOM, side=_SIDE)
        feature = self.backbone(((parts + 1) / 2 - self.mean) / self.spread).mean((2, 3))
        yaw, pitch = (expected_angle(head(feature).float()) for head in (self.yaw, self.pitch))
        return torch.stack([-yaw, -pitch], 1)  # the network's angles are positive to the left and upwards


def expected_angle(scores: Tensor) -> Tensor:
    """`[B, 90]` scores of the classes to the angle that they expect: `[B]` radians."""
    number = torch.arange(BINS, device=scores.device, dtype=scores.dtype)
    degrees = (scores.softmax(1) * number).sum(1) * BIN_DEGREES + FIRST_BIN
    return torch.deg2rad(degrees)
