"""The paper's networks, at their real sizes, against the authors' own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from golden_rule import fill
from pdfgc.motion import FACTORS
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.networks.paper.generator import Generator
from pdfgc.networks.paper.motion import MotionEncoder, MotionTrunk
from pdfgc.networks.paper.painter import Painter
from pdfgc.networks.paper.quick_motion import QuickTrunk

FOLDER = Path(__file__).parents[2] / "golden"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(FOLDER / "paper.safetensors")


@pytest.fixture(scope="module")
def appearance() -> tuple[Tensor, Tensor]:
    network = AppearanceEncoder().eval()
    fill(network, network="appearance_model")
    with torch.inference_mode():
        vector, start = network(pictures()[:1])
    return vector, start


def pictures() -> Tensor:
    """`[2, 3, 224, 224]`, the portrait and the driver that the authors' networks were shown."""
    pixels = np.random.RandomState(1001).uniform(-1, 1, (2, 3, 224, 224))
    return torch.from_numpy(pixels.astype(np.float32))


def near(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def test_appearance_is_the_authors(golden: dict[str, Tensor], appearance: tuple[Tensor, Tensor]) -> None:
    vector, start = appearance
    assert near(vector[0], golden["vector"])
    assert near(start[0, ::4], golden["map"])
    assert near(start[0].mean((1, 2)), golden["map_means"])


def test_motion_is_the_authors(golden: dict[str, Tensor]) -> None:
    network = MotionEncoder(MotionTrunk(), FACTORS).eval()
    fill(network, network="motion_model")
    with torch.inference_mode():
        codes = network(pictures()[1:])
        feature = network.head("lips", network.model(pictures()[1:]))
        assert torch.equal(network.embed("lips", feature), codes["lips"])
    assert codes["lips"].shape == (1, 500)
    for factor in ("expression", "eyes", "pose"):
        assert near(codes[factor][0], golden[factor])
    assert near(feature[0], golden["lip_feature"])
    with torch.inference_mode():
        quick = network.codes(QuickTrunk(network.model)(pictures()[1:]))
    for factor, code in codes.items():
        assert near(quick[factor], code)


def test_frame_is_the_authors(golden: dict[str, Tensor], appearance: tuple[Tensor, Tensor]) -> None:
    lips = load_file(FOLDER / "audio.safetensors")["lips"]
    vector, start = appearance
    codes = [lips, golden["expression"], golden["eyes"], golden["pose"]]
    style = torch.cat([vector[0], *codes])[None]
    network = Generator().eval()
    fill(network, network="generator_model")
    with torch.inference_mode():
        frame = network(start, style)[0]
    assert frame.shape == (3, 224, 224)
    assert near(frame[:, 2::4, 1::4], golden["frame"])
    assert near(frame.mean((1, 2)), golden["frame_means"])
    assert near(frame.square().mean((1, 2)), golden["frame_squares"])
    quick = Painter(network)(start, style)[0]
    assert near(quick, frame)
    assert near(quick[:, 2::4, 1::4], golden["frame"])
