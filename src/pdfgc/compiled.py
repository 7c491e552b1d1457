"""Painting by torch.compile: the same frames after a wait, faster where the rest of the way is not arithmetic."""

from __future__ import annotations

import os
import shutil

import torch

from pdfgc.errors import InputError
from pdfgc.model import Model
from pdfgc.paper_model import PaperModel

_COMPILERS = ("g++", "clang++")


def compile_painting(model: Model | PaperModel, *, backend: str = "inductor") -> None:
    """Compiles what paints a model's frames; this happens when the first ones are painted, which then take a while.

    Any number of frames at a time is compiled once, except that one frame alone is another case.

    Args:
        model: is changed.
        backend: of torch.compile.

    Raises:
        InputError: ONNX Runtime paints this model's frames, or there is no C++ compiler, which `inductor` needs.
    """
    if model.painter is not None:
        raise InputError("compiling is for the engine torch, but ONNX Runtime paints the frames")
    wanted = (os.environ["CXX"],) if "CXX" in os.environ else _COMPILERS
    if backend == "inductor" and not any(shutil.which(name) for name in wanted):
        raise InputError(f"compiling needs a C++ compiler, but {' and '.join(wanted)} cannot be found")
    if isinstance(model, PaperModel):
        model.paint = torch.compile(model.paint, dynamic=True, backend=backend)
    else:
        model.generator.compile(dynamic=True, backend=backend)
