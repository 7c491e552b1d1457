"""EMOCA's encoders (Danecek et al., CVPR 2022) as the teacher of L_mot, as in the paper; the user brings the file.

The file is not free to pass on (research licence of the Max Planck Society), so nothing here has been run with it:
what is tested is that a state dict of these names and shapes loads, and that its codes come out. Two ResNet50 with
two layers each: DECA's coarse encoder, 236 parameters of FLAME, albedo, camera and light, and EMOCA's expression
encoder, 50 parameters.

`shape` is the FLAME part of the parameters, shape (100), pose (6) and EMOCA's expression (50). `emotion` is the pooled
feature of the expression encoder: the emotion recognition network that EMOCA is trained against, which the paper may
mean by psi, is a file of its own whose layout is not known here.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.priors.face_crop import face_crops
from pdfgc.priors.face_features import FaceFeatures
from pdfgc.state_dicts import read_tensors

SHAPE, ALBEDO, EXPRESSION, POSE, CAMERA, LIGHT = 100, 50, 50, 6, 3, 27
"""Entries of DECA's code, in its order."""

_SIDE = 224
_ROOM = 1.25  # side of DECA's face crop over the face's extent


class _Encoder(nn.Module):
    """DECA's encoder: ResNet50, then two linear layers."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = AppearanceEncoder("resnet50").model
        self.layers = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, outputs))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled feature and code."""
        feature = self.encoder(pictures).mean((2, 3))
        return feature, self.layers(feature)


class EmocaTeacher(nn.Module):
    """A `face_features.FaceTeacher`.

    Args:
        weights: EMOCA's checkpoint, or its state dict; None leaves it random, which only tests want.

    Raises:
        InputError: the file has no such encoders. A checkpoint that also holds other Python objects is not
            unpickled: save its `state_dict` alone first.
    """

    licence = "EMOCA and DECA licence (non-commercial research)"

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        self.E_flame = _Encoder(SHAPE + ALBEDO + EXPRESSION + POSE + CAMERA + LIGHT)
        self.E_expression = _Encoder(EXPRESSION)
        if weights is not None:
            self._load(weights)
        self.requires_grad_(False).eval()

    def _load(self, path: Path) -> None:
        stored = {name.removeprefix("deca."): value for name, value in read_tensors(path).items()}
        state = {
            name: value for name, value in stored.items() if name.startswith(("E_flame.", "E_expression."))
        }
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise InputError(
                f"expected EMOCA's encoders E_flame and E_expression in {path}: {reason}"
            ) from error

    def forward(self, pictures: Tensor, meshes: Tensor) -> FaceFeatures:
        """See `face_features.FaceTeacher`."""
        parts = (face_crops(pictures, meshes, room=_ROOM, side=_SIDE) + 1) / 2
        _, code = self.E_flame(parts)
        feature, expression = self.E_expression(parts)
        shape, _, _, pose, _ = code.split((SHAPE, ALBEDO, EXPRESSION, POSE, CAMERA + LIGHT), 1)
        return FaceFeatures(shape=torch.cat([shape, pose, expression], 1).float(), emotion=feature.float())
