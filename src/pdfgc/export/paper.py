"""The graphs of preset `paper`; gains of `PaperUse` are in them, smoothing in time is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.export.graph import Graph, Input, Output
from pdfgc.export.pictures import example_picture, to_bytes, to_floats
from pdfgc.export.speech import hearing_graph, speech_graph
from pdfgc.motion import FACTORS
from pdfgc.networks.hearing import SAMPLE_RATE
from pdfgc.paper_model import PaperModel, PaperPortrait

_PICTURE = "VoxCeleb's alignment less its margin, RGB, 0..255"
_STEPS = (
    "Align the portrait and each frame of the drivers as VoxCeleb's frames are, cut the margin of `constants.use` "
    "(pixels of 224; left, right, and twice below) and resize to the size of the graphs.",
    "Once for the portrait: `appearance` gives its vector and map, `motion` its own codes.",
    "For drivers: `motion` gives the codes of each frame; take each factor from the driver that you want, and "
    "what nobody drives from the portrait's own codes. Average poses over `pose_mean` frames.",
    "For speech: `hearing` gives features of up to 30 s of sound, `speech` the lip codes at the frames' times. Smooth "
    "them by a Gaussian of `lips_taps` frames.",
    "For every frame: `generator` paints.",
)


def graphs(model: PaperModel) -> list[Graph]:
    """All of a model's networks; the model must be on the CPU."""
    return [
        appearance_graph(model),
        motion_graph(model),
        hearing_graph(model.hearing, "RMS 0.1 (less than 40 dB louder)"),
        speech_graph(
            model.speech, model.hearing, gain=model.use.lips_gain, lips="lip code, its gain applied"
        ),
        generator_graph(model),
    ]


def constants(model: PaperModel) -> dict[str, Any]:
    """What a runtime needs besides the graphs."""
    return {
        "factors": FACTORS,
        "sample_rate": SAMPLE_RATE,
        "features_a_second": model.hearing.rate,
        "use": asdict(model.use),
        "steps": _STEPS,
    }


def appearance_graph(model: PaperModel) -> Graph:
    """A portrait to its vector and map."""
    return Graph(
        "appearance",
        "once",
        _Appearance(model.appearance),
        (Input("picture", _PICTURE, example_picture(model.size, 2), {0: "portraits"}),),
        (
            Output("vector", "who is seen", {0: "portraits"}),
            Output("map", "where the generator starts", {0: "portraits"}),
        ),
    )


def motion_graph(model: PaperModel) -> Graph:
    """Pictures to codes."""
    return Graph(
        "motion",
        "once for the portrait, and for every frame of a driver",
        _Motion(model),
        (Input("picture", _PICTURE, example_picture(model.size, 2), {0: "pictures"}),),
        tuple(Output(name, f"{name} code, its gain applied", {0: "pictures"}) for name in FACTORS),
    )


def generator_graph(model: PaperModel) -> Graph:
    """Codes to frames."""
    generator = torch.Generator().manual_seed(5)
    vector, start = _Appearance(model.appearance)(example_picture(model.size, 1))
    codes = tuple(
        Input(name, f"wanted {name} code", torch.randn(2, FACTORS[name], generator=generator), {0: "frames"})
        for name in FACTORS
    )
    return Graph(
        "generator",
        "for every frame",
        _Generator(model.generator),
        (
            Input("vector", "of the graph appearance", vector),
            Input("map", "of the graph appearance", start),
            *codes,
        ),
        (Output("frames", "RGB, 0..255", {0: "frames"}),),
    )


def generator_inputs(portrait: PaperPortrait, codes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What `generator_graph` takes, of a portrait on the CPU and codes `{factor: [T, D]}`."""
    driving = {name: np.asarray(codes[name], np.float32) for name in FACTORS}
    return driving | {"vector": portrait.vector.numpy(), "map": portrait.start.numpy()}


class _Appearance(nn.Module):
    def __init__(self, appearance: nn.Module) -> None:
        super().__init__()
        self.appearance = appearance

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        vector, start = self.appearance(to_floats(picture))
        return vector, start


class _Motion(nn.Module):
    def __init__(self, model: PaperModel) -> None:
        super().__init__()
        self.motion = model.motion
        self.gains = dict(model.gains)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        codes = self.motion(to_floats(picture))
        return tuple(self.gains[name] * codes[name] for name in FACTORS)


class _Generator(nn.Module):
    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, vector: Tensor, start: Tensor, *codes: Tensor) -> Tensor:
        """The codes stand in the order of `FACTORS`."""
        frames = codes[0].shape[0]
        style = torch.cat([vector.expand(frames, -1), *codes], 1)
        return to_bytes(self.generator(start.expand(frames, -1, -1, -1), style)).permute(0, 2, 3, 1)
