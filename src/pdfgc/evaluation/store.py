"""Arrays on disk, named by the content that they were worked out from, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.evaluation.digests import file_digest, measuring_digest
from pdfgc.files import atomic_path

Arrays = dict[str, np.ndarray]


class ArrayStore:
    """Groups of arrays by key in one folder, each a safetensors file written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder if it is missing."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._digests: dict[tuple[Path, float], str] = {}

    def digest(self, path: Path) -> str:
        """`file_digest`, worked out once for each state of a file."""
        state = (path, path.stat().st_mtime if path.exists() else 0.0)
        if state not in self._digests:
            self._digests[state] = file_digest(path)
        return self._digests[state]

    def digests(self, drivers: Mapping[str, str]) -> dict[str, str]:
        """Drivers by what they hold: the digest of a file's content, or the word itself."""
        return {n: self.digest(Path(v)) if Path(v).exists() else v for n, v in drivers.items()}

    def key(self, **parts: Any) -> str:
        """A name for what is described by JSON-able `parts`: the digests of the inputs, and every setting.

        The code that measures is a part too (`measuring_digest`).
        """
        described = json.dumps(parts | {"code": measuring_digest()}, sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:32]

    def get(self, make: Callable[[], Arrays], **parts: Any) -> Arrays:
        """The arrays that `parts` describe (see `key`), made if missing."""
        return self.get_by_key(self.key(**parts), make)

    def get_by_key(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a name, made if they are missing or cannot be read."""
        path = self.folder / f"{key}.safetensors"
        known = _load(path)
        if known is None:
            from safetensors.numpy import save_file

            known = make()
            with atomic_path(path) as temporary:
                save_file({name: np.ascontiguousarray(array) for name, array in known.items()}, temporary)
        return known


def _load(path: Path) -> Arrays | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        return None
    try:
        return load_file(path)
    except (SafetensorError, OSError):
        return None
