"""Named arrays in one file, with words about them."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping

import numpy as np

from pdfgc.files import atomic_path

_ALIGNED = 8
"""Bytes; the format wants its arrays to begin at a multiple."""


def save_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], words: Mapping[str, str]
) -> None:
    """Writes a safetensors file, whole or not at all; the same content makes the same bytes.

    The library leaves the order of the words to chance, so its header is written anew with them in order.

    Raises:
        InputError: as `files.check_output`.
    """
    from safetensors.numpy import save

    packed = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    (length,) = struct.unpack("<Q", packed[:8])
    header = {"__metadata__": dict(sorted(words.items())), **json.loads(packed[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(memoryview(packed)[8 + length :])
