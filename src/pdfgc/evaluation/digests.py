"""Names for files and for this package's code by their content: what an old measurement rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from pdfgc.errors import InputError
from pdfgc.files import sha256_of

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
    """The sources that decide the frames of a result."""
    own = ("evaluation/bench.py", "evaluation/studio.py")
    top = {path for path in PACKAGE.glob("*.py") if path.stem not in ("arguments", "cli", "progress")}
    return top | source_files(*own, "face", "media", "networks", "priors")


@lru_cache
def rendering_digest() -> str:
    """SHA-256 of `rendering_sources`: a change makes old results void."""
    return sources_digest(rendering_sources())


MEASURING = (
    "evaluation/metrics",
    "evaluation/evidence.py",
    "evaluation/features.py",
    "evaluation/identity.py",
    "evaluation/inception.py",
    "evaluation/judges.py",
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
    "state_dicts.py",
    "priors/tflite_graph.py",
)
"""Modules and folders that decide what is measured on a video."""


@lru_cache
def measuring_digest() -> str:
    """SHA-256 of the sources that decide what is measured on a video: a change makes old arrays void."""
    return sources_digest(source_files(*MEASURING))
