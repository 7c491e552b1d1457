"""Arrays on disk, named by the content that they were worked out from, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.evaluation.cache import file_digest, source_files, sources_digest
from pdfgc.files import atomic_path

Arrays = dict[str, np.ndarray]


MEASURING = (
    "evaluation/metrics",
    "evaluation/evidence.py",
    "evaluation/features.py",
    "evaluation/identity.py",
    "evaluation/inception.py",
    "evaluation/measurement.py",
    "evaluation/mfcc.py",
    "evaluation/pixels.py",
    "evaluation/reconstruction.py",
    "evaluation/signals.py",
    "evaluation/sync_judge.py",
    "evaluation/sync_mouths.py",
    "evaluation/sync_small.py",
    "evaluation/sync_track.py",
    "evaluation/syncnet.py",
    "data/speech_features.py",
    "face",
    "media",
    "networks/hearing.py",
    "networks/mel.py",
    "networks/speech.py",
    "networks/paper/appearance.py",
    "priors/emoca.py",
    "priors/face_crop.py",
    "priors/face_features.py",
    "priors/identity.py",
    "priors/perceptual.py",
    "priors/state_dicts.py",
    "priors/tflite_graph.py",
)
"""Modules and folders that decide what is measured on a video."""


@lru_cache
def measuring_digest() -> str:
    """SHA-256 of the sources that decide what is measured on a video: a change makes old arrays void."""
    return sources_digest(source_files(*MEASURING))


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

    def get(self, make: Callable[[], Arrays], **parts: Any) -> Arrays:
        """The arrays that `parts` describe (JSON-able: digests of the inputs, every setting), made if missing.

        The code that measures is a part too (`measuring_digest`).
        """
        described = json.dumps(parts | {"code": measuring_digest()}, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(described.encode()).hexdigest()[:32]}.safetensors"
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
