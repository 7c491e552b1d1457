"""What is to be prepared: one video, or a stretch of one, of one person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pdfgc.report_folders import outside_reports

SOUND_SUFFIXES = frozenset({".m4a", ".aac", ".wav", ".flac", ".mp3", ".ogg", ".opus"})


@dataclass(frozen=True)
class Job:
    """One video to prepare."""

    video: Path
    name: str
    """What the clip is called in the prepared folder: unique, relative, with `/`."""
    identity: str
    labels: dict[str, str] = field(default_factory=dict)
    """Whatever else is known: `licence`, `dataset`, `emotion`, `level`, `view`."""
    sound: Path | None = None
    """A sound file that goes with the video; taken where the video itself has no sound."""
    annotation: Path | None = None
    """VoxCeleb's text about the clip (`pdfgc.data.face_boxes`), which adds labels."""
    cut: bool = False
    """Whether the video is the whole film that the annotation cuts the clip out of, with the boxes of its face."""


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files of these suffixes (lower case, with dot) in a folder and its sub-folders, sorted.

    Those whose names begin with a dot are passed over: unfinished ones, such as `files.atomic_path` makes. So are those
    that reports made (`report_folders.outside_reports`), for a model must not learn from its own results.
    """
    wanted = frozenset(suffixes)
    found = sorted(path for path in folder.rglob("[!.]*") if path.suffix.lower() in wanted and path.is_file())
    return outside_reports(found, folder)
