"""Talking heads from one portrait: lips, expression, eyes and head pose driven apart (PD-FGC, CVPR 2023).

    import pdfgc
    model = pdfgc.load("small")
    avatar = model.avatar("face.jpg")
    avatar.animate(audio="speech.wav", pose="nod.mp4", eyes="look.mp4").save("out.mp4")

The names below are imported when they are first used, so `import pdfgc` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdfgc.avatar import Avatar
    from pdfgc.drivers import Driver, read_motion
    from pdfgc.errors import InputError
    from pdfgc.model import Model, load
    from pdfgc.motion import MotionTrack
    from pdfgc.performance import Performance

__all__ = ["Avatar", "Driver", "InputError", "Model", "MotionTrack", "Performance", "load", "read_motion"]

_HOME = {
    "Avatar": "pdfgc.avatar",
    "Driver": "pdfgc.drivers",
    "InputError": "pdfgc.errors",
    "Model": "pdfgc.model",
    "MotionTrack": "pdfgc.motion",
    "Performance": "pdfgc.performance",
    "load": "pdfgc.model",
    "read_motion": "pdfgc.drivers",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("pdfgc")
    if name not in _HOME:
        raise AttributeError(f"module 'pdfgc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
