"""Folders that reports keep videos and pictures in, which are never read as clips, however the run ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pdfgc.errors import InputError

OWN = ("generated", "portraits", "truth")
"""Folders that only the report itself writes to."""

PARTS = ("cache", *OWN)
"""Folders of a report that hold videos and pictures; other reports may share the cache."""

MARK = ".made-by-pdfgc"
"""File that marks such a folder."""

_ABOUT = "Files in this folder were made by pdfgc evaluate; pdfgc never reads them as clips of a data set.\n"


def check_report(report: Path) -> None:
    """Raises InputError where no folder can be made at `report`."""
    for path in (report, *report.parents):
        if path.exists():
            if not path.is_dir():
                raise InputError(f"expected a folder for the report at {report}, but {path} is a file")
            return


def make_marked(folder: Path) -> None:
    """Makes a folder, marked before anything else is in it, so that a killed run leaves the mark too.

    One that has files already, a cache among somebody's clips, stays without: they would not be read as clips any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        (folder / MARK).write_text(_ABOUT, encoding="utf-8")


def is_made(folder: Path) -> bool:
    """Whether a folder holds what a report made: it is marked, or it is part of a finished report without marks."""
    return (folder / MARK).exists() or (folder.name in PARTS and (folder.parent / "results.json").exists())


def outside_reports(files: Sequence[Path], data: Path, report: Path | None = None) -> list[Path]:
    """The files of a folder that no report made.

    Args:
        files: below `data`.
        data: the folder that was named: what lies in it counts even if a report made it.
        report: one more report, whose folders may not be marked.
    """
    own = set() if report is None else {report.resolve() / name for name in PARTS}

    @cache
    def made(folder: Path) -> bool:
        return folder != data and (is_made(folder) or folder.resolve() in own or made(folder.parent))

    return [path for path in files if not made(path.parent)]
