"""What the four files of the authors' release hold, beside what the networks here are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pdfgc.networks.paper.generator import blur_kernel


@dataclass(frozen=True)
class OfficialFile:
    """One file of the release: a state dict.

    Attributes:
        module: the network here that it belongs to (`networks.paper.build.MODULES`).
        names: what the file is called, the release's own name first.
    """

    module: str
    names: tuple[str, ...]


FILES = (
    OfficialFile("appearance", ("appearance_model.pth",)),
    OfficialFile("motion", ("motion_model.pth", "motion_mode.pth")),  # the second is the read-me's
    OfficialFile("speech", ("audio_model.pth",)),
    OfficialFile("generator", ("generator_model.pth",)),
)

_MAPPING_LAYERS = 8


def unread_tensors(generator: nn.Module) -> dict[str, Tensor]:
    """What the authors' generator has beyond ours; their loader wants every one of these.

    The blur kernels are constants of the architecture. The mapping network and the constant input are never used; they
    are zeros that take no room in a file.

    Args:
        generator: a `Generator`; its sizes are taken over.
    """
    state = generator.state_dict()
    style = state["conv1.conv.modulation.weight"].shape[1]
    start = state["noises.noise_0"].shape[-1]
    zero = torch.zeros(1)
    extra = {"input.input": zero.expand(1, state["conv1.conv.weight"].shape[2], start, start)}
    for layer in range(1, _MAPPING_LAYERS + 1):
        extra[f"style.{layer}.weight"] = zero.expand(style, style)
        extra[f"style.{layer}.bias"] = zero.expand(style)
    for name in state:
        if name.startswith("to_rgbs.") and name.endswith(".conv.weight"):
            scale = int(name.split(".")[1])
            extra[f"convs.{2 * scale}.conv.blur.kernel"] = blur_kernel(zero)
            extra[f"to_rgbs.{scale}.upsample.kernel"] = blur_kernel(zero)
    return extra
