"""The teachers that a configuration asks for (`paper.teachers`)."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from pdfgc.config_paper import Teachers
from pdfgc.errors import InputError
from pdfgc.priors.emoca import EmocaTeacher
from pdfgc.priors.face_features import MediaPipeTeacher
from pdfgc.priors.gaze import IrisGaze, L2CSGaze
from pdfgc.priors.perceptual import LPIPS
from pdfgc.priors.vgg19 import VGG19Loss


def make_face_teacher(teachers: Teachers) -> nn.Module:
    """A `face_features.FaceTeacher`.

    Raises:
        InputError: its file is missing or another one.
    """
    if teachers.face == "emoca":
        return EmocaTeacher(_given("face_file", teachers.face_file, "EMOCA's checkpoint"))
    return MediaPipeTeacher()


def make_gaze_teacher(teachers: Teachers) -> nn.Module:
    """A `gaze.GazeTeacher`.

    Raises:
        InputError: its file is missing or another one.
    """
    if teachers.gaze == "l2cs":
        return L2CSGaze(_given("gaze_file", teachers.gaze_file, "L2CS-Net's state dict"))
    return IrisGaze()


def make_perceptual(teachers: Teachers) -> nn.Module:
    """A distance of pairs of pictures `[B, 3, S, S]` in -1..1: `[B]`.

    Raises:
        InputError: its file is missing or another one.
    """
    if teachers.perceptual == "vgg19":
        return VGG19Loss(
            _given("perceptual_file", teachers.perceptual_file, "torchvision's vgg19-dcbb9e9d.pth")
        )
    own = Path(teachers.perceptual_file) if teachers.perceptual_file else None
    return LPIPS("vgg" if teachers.perceptual == "lpips_vgg" else "alex", weights=own)


def _given(key: str, path: str, what: str) -> Path:
    if not path:
        raise InputError(f"expected the path of {what} in paper.teachers.{key}, but it is empty")
    return Path(path)
