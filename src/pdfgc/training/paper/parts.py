"""The networks of preset `paper`, divided into the parts that stages train and hand on.

A part is named by its place in the model, so that the results of all stages, side by side, are the model's weights:

| part | trained in | what |
|---|---|---|
| `appearance` | 1, 3 | E_app |
| `motion.model` | 1 | E_mot to the unified motion feature |
| `motion.to_mouth`, `speech.model` | 2 | E_lip and E_aud to the contrastive feature |
| `motion.mouth_embed`, `speech.mouth_embed` | 3 | from there to the lip code, which only the generator can teach |
| `motion.to_eye`, `motion.eye_embed` | 2 | E_eye |
| `motion.to_headpose`, `motion.headpose_embed` | 2 | E_pose |
| `motion.to_emo`, `motion.emo_embed` | 3 | E_exp |
| `generator` | 3 | G |
| `first_generator` | 1 | G0, which G begins with (`first_generator.py`); it is not in the model |
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from pdfgc.config import Config
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.networks.paper.discriminator import Discriminator
from pdfgc.networks.paper.generator import Generator
from pdfgc.networks.paper.motion import HEADS, MotionEncoder, MotionTrunk
from pdfgc.training.results import Results

TRUNK = "motion.model"
FIRST_GENERATOR = "first_generator"

_LIVELIER = 4.0
"""By how much the last layer of E_mot begins with larger weights than torch's."""

_OPEN = 1.5
"""What is added to the one map that E_mot's heat-maps end in: some four of its deviations."""

DEVIATION = {"lips": 0.1, "expression": 0.1, "eyes": 0.15, "pose": 0.4}
"""About how far an entry of each code moves: lips and expression as their untrained layers give them, eyes and pose in
the units that stage 2 has taught."""

_INFLUENCE = 0.1
"""How far each code moves G's scales (which begin about 1) before G is trained."""


def head_name(factor: str) -> str:
    """The part that makes a factor's own feature of the unified one."""
    return f"motion.to_{HEADS[factor]}"


def code_name(factor: str) -> str:
    """The part that makes a factor's code of its feature."""
    return f"motion.{HEADS[factor]}_embed"


def motion_parts(motion: MotionEncoder, *factors: str) -> dict[str, nn.Module]:
    """The trunk, and head and code of the factors, by name; they are the encoder's own modules."""
    names = [TRUNK] + [name(factor) for factor in factors for name in (head_name, code_name)]
    return {name: motion.get_submodule(name.removeprefix("motion.")) for name in names}


def make_discriminator(config: Config, people: int) -> Discriminator:
    """D, which knows so many people."""
    sizes = config.paper.networks
    return Discriminator(
        size=config.size,
        people=people,
        channels=sizes.discriminator_channels,
        most_channels=sizes.discriminator_most,
        blocks=sizes.discriminator_blocks,
    )


def calm_residuals(appearance: AppearanceEncoder) -> None:
    """Lets every residual block of E_app begin as the identity (Goyal et al. 2017, section 5.1).

    Untrained blocks otherwise multiply the gradient: that of the first convolution was 380 times the generator's.
    """
    for name, module in appearance.named_modules():
        if name.endswith(".bn3"):
            nn.init.zeros_(module.get_parameter("weight"))


def enliven_motion(trunk: MotionTrunk) -> None:
    """Lets E_mot begin with an open rectifier, and with as much influence on the picture as the portrait has.

    All that E_mot knows passes one rectified map. As torch initialises it, it is half shut; what it says is noise to G
    at first, which shutting it altogether stills. After 120 steps of a trial nothing of it was open, so no gradient
    came through any more, for good. Open from the start, it gains nothing by shutting.

    G's scales are its style times small weights that change by a fixed amount a step, so it learns from a part of its
    style the slower, the less that part moves. As torch initialises E_mot, its feature moved them a ninth as far as the
    portrait's vector did.
    """
    with torch.no_grad():
        bias = trunk.conv6.bias
        assert bias is not None
        bias.add_(_OPEN)
        trunk.fc.weight.mul_(_LIVELIER)


def heed_codes(generator: Generator, codes: Mapping[str, int]) -> None:
    """The same for G's own codes: each begins with the same influence, however few and small its entries are.

    Args:
        generator: whose style ends with the codes.
        codes: their sizes in order.
    """
    with torch.no_grad():
        for name, weight in generator.named_parameters():
            if name.endswith("modulation.weight"):
                parts = weight[:, -sum(codes.values()) :].split(list(codes.values()), 1)
                for (factor, size), part in zip(codes.items(), parts, strict=True):
                    part.mul_(_INFLUENCE / (DEVIATION[factor] * (size / weight.shape[1]) ** 0.5))


def load_parts(earlier: Results, parts: Mapping[str, nn.Module]) -> None:
    """Loads each part from the latest stage that exports it.

    Raises:
        InputError: a part has not been trained in this run.
    """
    for name, part in parts.items():
        earlier.load(name, part)
