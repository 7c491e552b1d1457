"""Measurements on disk, named by the content that they were made from, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.measurement import Measurement
from pdfgc.evaluation.signals import Signals
from pdfgc.files import atomic_path, sha256_of

PACKAGE = Path(__file__).parents[1]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's file names and bytes (its own level, by name).

    Raises:
        InputError: nothing is there.
    """
    if path.is_dir():
        parts = [f"{p.name}:{file_digest(p)}" for p in sorted(path.iterdir()) if p.is_file()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def source_files(*names: str) -> set[Path]:
    """Sources of this package.

    Args:
        names: modules such as `evaluation/bench.py`, and folders, which mean all in them and in their sub-folders.

    Raises:
        InputError: a name that is neither, so that a renamed module cannot drop out unseen.
    """
    found: set[Path] = set()
    for name in names:
        path = PACKAGE / name
        files = set(path.rglob("*.py")) if path.is_dir() else {path} if path.is_file() else set()
        if not files:
            raise InputError(f"expected sources at {path}, but there are none")
        found |= files
    return found


def sources_digest(files: Iterable[Path]) -> str:
    """SHA-256 of the paths and contents of sources of this package."""
    parts = (f"{path.relative_to(PACKAGE).as_posix()}:{file_digest(path)}" for path in sorted(files))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def rendering_sources() -> set[Path]:
    """The sources that decide frames and what is measured on them."""
    own = ("evaluation/bench.py", "evaluation/measurement.py", "evaluation/signals.py")
    top = {path for path in PACKAGE.glob("*.py") if path.stem not in ("arguments", "cli", "progress")}
    return top | source_files(*own, "face", "media", "networks", "priors")


@lru_cache
def code_digest() -> str:
    """SHA-256 of `rendering_sources`: a change makes old measurements void."""
    return sources_digest(rendering_sources())


class MeasurementCache:
    """Measurements by key in one folder, each a safetensors file written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder if it is missing."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def key(self, **parts: Any) -> str:
        """Name for what is described by JSON-able `parts`, the digests of the inputs and every setting.

        The code itself is a part too (`code_digest`).
        """
        described = json.dumps(parts | {"code": code_digest()}, sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:32]

    def load(self, key: str) -> Measurement | None:
        """The measurement stored under `key`, None if there is none (or it cannot be read)."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            values = {n.removeprefix("value."): v for n, v in tensors.items() if n.startswith("value.")}
            signals = Signals(tensors["times"], values, tensors["found"].astype(bool))
            return Measurement(signals, tensors["embeddings"], float(metadata["seconds"]))
        except (SafetensorError, KeyError, ValueError):
            return None

    def store(self, key: str, measurement: Measurement) -> None:
        """Stores a measurement under `key`."""
        from safetensors.numpy import save_file

        signals = measurement.signals
        tensors = {f"value.{name}": np.ascontiguousarray(v) for name, v in signals.values.items()}
        tensors |= {"times": np.ascontiguousarray(signals.times), "found": signals.found.astype(np.uint8)}
        tensors["embeddings"] = np.ascontiguousarray(measurement.embeddings)
        with atomic_path(self._path(key)) as temporary:
            save_file(tensors, temporary, metadata={"seconds": repr(measurement.seconds)})

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"
