"""Where networks compute, in what precision, and how their weights lie in memory."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import torch
from torch import nn

from pdfgc.errors import InputError


def choose_device(name: str) -> torch.device:
    """The torch device of that name; `auto` is a GPU where there is one.

    Raises:
        InputError: when there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"expected a device such as cpu or cuda, but got {name!r}") from error
    if device.type not in ("cpu", "cuda"):  # some sums are in float64, which Apple's GPUs do not know
        raise InputError(f"expected the device cpu or cuda, but got {name!r}, which is not supported")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"the device {name} was asked for, but torch finds no GPU here")
    return device


@cache
def half_precision(kind: str) -> torch.dtype | None:
    """The 16-bit type that devices of a kind (`cpu`, `cuda`) compute in faster than in float32, if there is one.

    bfloat16 where the hardware has it; float16 on older GPUs; none on processors that would only imitate it.
    """
    if kind == "cuda":
        own = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if own else torch.float16
    if kind == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return None


def fast_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision where it is faster on a device; nothing elsewhere."""
    dtype = half_precision(device.type)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def lay_channels_last(network: nn.Module) -> None:
    """Lays out convolutions' weights in the order in which CPUs and GPUs read them fastest; their values stay.

    StyleGAN's weights `[1, O, I, k, k]` too.
    """
    for weight in network.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        elif weight.dim() == 5 and weight.shape[0] == 1:
            weight.data = weight.data[0].contiguous(memory_format=torch.channels_last)[None]
