"""What a face looks like and does, read off a picture by a differentiable network: the teachers of L_mot (eq. 1).

The paper uses EMOCA's. By default MediaPipe's two networks of the face landmarker stand in, which come with this
package: 478 points with irises from the picture, and 52 blendshape scores from the points. As torch modules they
agree with LiteRT to 4e-4 of a pixel of 256, and 2e-6 of a score.

Licence of MediaPipe's networks: Apache-2.0.
"""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.face.geometry import MESH_POINTS
from pdfgc.face.mesh import LEFT_EYE, RIGHT_EYE
from pdfgc.priors.tflite_graph import TFLiteGraph
from pdfgc.weights import locate

SIDE = 256
"""Pixels of the landmark network's input."""

ROOM = 1.5
"""Side of the region it looks at, over the longer side of the face's bounding box (MediaPipe's)."""

SUBSET = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)  # fmt: skip
"""The 146 points that the blendshape network takes."""


@dataclass(frozen=True)
class FaceFeatures:
    """What a teacher reads off pictures; gradients reach the pictures."""

    shape: Tensor
    """phi: `[B, P]`, features of the 3-D face's reconstruction."""
    emotion: Tensor
    """psi: `[B, Q]`, features of the expression."""
    mesh: Tensor | None = None
    """`[B, 478, 3]` in crop units, where the teacher finds MediaPipe's points."""


@dataclass(frozen=True)
class MeshFeatures(FaceFeatures):
    """What a teacher reads off pictures that always finds MediaPipe's points."""

    mesh: Tensor = field()  # or the default would be inherited


class FaceTeacher(Protocol):
    """What L_mot asks of a teacher: `FaceFeatures` of pictures."""

    licence: str

    def __call__(self, pictures: Tensor, meshes: Tensor) -> FaceFeatures:
        """Reads faces.

        Args:
            pictures: `[B, 3, S, S]` RGB in -1..1.
            meshes: `[B, 478, 3]` in crop units of the pictures: about where the faces are.
        """
        ...


class MeshTeacher(Protocol):
    """A `FaceTeacher` that finds MediaPipe's points."""

    def __call__(self, pictures: Tensor, meshes: Tensor) -> MeshFeatures:
        """See `FaceTeacher`."""
        ...


def require_tflite() -> None:
    """Raises InputError where the package that reads MediaPipe's networks is missing."""
    if importlib.util.find_spec("tflite") is None:
        raise InputError("the networks of MediaPipe are read with the package tflite: pip install '.[train]'")


class MediaPipeTeacher(nn.Module):
    """MediaPipe's landmarks and blendshapes as a frozen differentiable network.

    `shape` is the mesh about its middle, in crop units; `emotion` the 52 scores: both move a face's norm by some
    tenths. Runs in float32 also under autocast, for points need more digits than bfloat16 has.
    """

    licence = "Apache-2.0"

    def __init__(self) -> None:
        super().__init__()
        require_tflite()
        with zipfile.ZipFile(locate("face_landmarker")) as task:
            self.landmarks = TFLiteGraph(task.read("face_landmarks_detector.tflite"))
            self.scores = TFLiteGraph(task.read("face_blendshapes.tflite"))
        self.register_buffer("subset", torch.tensor(SUBSET), persistent=False)
        self.requires_grad_(False).eval()

    subset: Tensor

    def forward(self, pictures: Tensor, meshes: Tensor) -> MeshFeatures:
        """See `FaceTeacher`."""
        with torch.autocast(pictures.device.type, enabled=False):
            mesh = self.points(pictures.float(), meshes.float())
            middle = mesh[:, :468].mean(1, keepdim=True)
            return MeshFeatures(shape=(mesh - middle).flatten(1), emotion=self.blendshapes(mesh), mesh=mesh)

    def points(self, pictures: Tensor, meshes: Tensor) -> Tensor:
        """The 478 points in crop units, looked for about `meshes`."""
        middle, axis, side = face_regions(meshes)
        steps = (torch.arange(SIDE, device=pictures.device) + 0.5) / SIDE - 0.5
        offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
        turn = torch.stack([axis, torch.stack([-axis[:, 1], axis[:, 0]], -1)], 1)  # rows: right, down
        grid = middle[:, None, None] + side[:, None, None, None] * (offsets @ turn[:, None])
        parts = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        found, *_ = self.landmarks(((parts + 1) / 2).permute(0, 2, 3, 1).contiguous())
        local = found.reshape(-1, MESH_POINTS, 3) / SIDE
        flat = middle[:, None] + side[:, None, None] * ((local[..., :2] - 0.5) @ turn)
        return torch.cat([flat, side[:, None, None] * local[..., 2:]], -1)

    def blendshapes(self, meshes: Tensor) -> Tensor:
        """`[B, 478, 3]` points in any unit to `[B, 52]` scores."""
        # The network centres and scales its points; the factor keeps its first division well away from zero.
        (scores,) = self.scores(100 * meshes[:, self.subset, :2])
        return scores


def face_regions(meshes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The square about each face that MediaPipe looks at: upright with the eyes, 1.5 times the face's extent.

    Args:
        meshes: `[B, 478, 3]`, y down.

    Returns:
        Middle `[B, 2]`, unit vector to the square's right `[B, 2]`, side `[B]`, in the meshes' unit; constants for
        the gradient.
    """
    with torch.no_grad():
        low, high = meshes[..., :2].amin(1), meshes[..., :2].amax(1)
        eyes = meshes[:, LEFT_EYE[0], :2] - meshes[:, RIGHT_EYE[0], :2]
        return (low + high) / 2, F.normalize(eyes, dim=1), ROOM * (high - low).amax(1)
