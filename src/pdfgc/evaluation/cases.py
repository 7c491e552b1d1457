"""What is to be evaluated: lists of clips and portraits, and files of cases."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdfgc.data.jobs import files_below
from pdfgc.errors import InputError
from pdfgc.media.suffixes import VIDEO_SUFFIXES
from pdfgc.report_folders import outside_reports

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

DRIVERS = ("audio", "lips", "pose", "eyes", "gaze", "blink", "expression")
"""Arguments of `Avatar.animate` that a case may name."""

WORDS = ("hold", "zero", "idle", "audio")
"""Values of a driver that are not files."""


@dataclass(frozen=True)
class Case:
    """A portrait and its drivers.

    Attributes:
        name: how the report calls it.
        portrait: a picture, or a video of which the first frame with a face is taken.
        drivers: argument of `Avatar.animate` -> a path or one of `WORDS`.
    """

    name: str
    portrait: Path
    drivers: dict[str, str]

    def files(self) -> dict[str, Path]:
        """The drivers that are files."""
        return {name: Path(value) for name, value in self.drivers.items() if value not in WORDS}


def list_clips(data: Path, report: Path | None = None) -> list[Path]:
    """Videos of a folder and its sub-folders (by name), of a list, or a single video.

    A list is a `.txt` with one path a line (`#` begins a comment) or a `.tsv` with a column `file`; its paths
    are relative to it.

    Args:
        data: the folder, list or video.
        report: a report whose videos do not count; those of others do not either, see `outside_reports`.

    Raises:
        InputError: nothing there, no video in it, or a listed file is missing.
    """
    return _list_files(data, VIDEO_SUFFIXES, "video", report)


def list_portraits(data: Path, report: Path | None = None) -> list[Path]:
    """Pictures and videos of a folder, of a list as for `list_clips`, or a single one."""
    return _list_files(data, PICTURE_SUFFIXES | VIDEO_SUFFIXES, "picture or video", report)


def names_of(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart: `a.mp4`, or `one/a.mp4` where there is `two/a.mp4` too."""
    depth = [1] * len(paths)
    while True:
        ends = ["/".join(path.parts[-n:]) for path, n in zip(paths, depth, strict=True)]
        count = Counter(ends)
        longer = [i for i, end in enumerate(ends) if count[end] > 1 and depth[i] < len(paths[i].parts)]
        if not longer:
            return ends
        for i in longer:
            depth[i] += 1


def _list_files(data: Path, suffixes: frozenset[str], what: str, report: Path | None) -> list[Path]:
    if data.is_dir():
        found = outside_reports(files_below(data, suffixes), data, report)
    elif not data.is_file():
        raise InputError(f"expected a folder, a list or a {what} at {data}, but nothing is there")
    elif data.suffix.lower() in suffixes:
        found = [data]
    else:
        found = list(dict.fromkeys(data.parent / name for name in _listed_names(data)))
        missing = [p for p in found if not p.exists()]
        if missing:
            raise InputError(f"{data} lists {missing[0]}, which does not exist")
    if not found:
        raise InputError(f"expected at least one {what} in {data}, but there is none")
    return found


def _listed_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"expected a list of paths in {path}, but it is not text") from error
    if path.suffix.lower() == ".tsv":
        rows = list(csv.DictReader(lines, delimiter="\t"))
        if any(not row.get("file") for row in rows):
            raise InputError(f"expected a column 'file' in every row of {path}")
        return [row["file"] for row in rows]
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def read_cases(path: Path, root: Path | None = None) -> list[Case]:
    """Cases of a YAML (or JSON) file `cases: [{name, portrait, audio, pose, eyes, ...}]`, or of a TSV.

    Args:
        path: the file; a TSV names the same fields in its first line, empty cells mean "not driven".
        root: folder that relative paths start from, the file's own by default.

    Raises:
        InputError: the file cannot be read, an unknown field, a case without a portrait, a missing file.
    """
    rows = _case_rows(path)
    root = path.parent if root is None else root
    return [_case(row, number, root, path) for number, row in enumerate(rows, 1)]


def _case_rows(path: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the cases in {path}: {error}") from error
    if path.suffix.lower() == ".tsv":
        table = csv.DictReader(text.splitlines(), delimiter="\t")
        rows: Any = [{k: v for k, v in row.items() if v} for row in table]
    else:
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"expected YAML or JSON in {path}: {error}") from error
        rows = content.get("cases") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"expected a list of cases in {path}")
    return rows


def _case(row: dict[str, Any], number: int, root: Path, source: Path) -> Case:
    unknown = set(row) - {"name", "portrait", *DRIVERS}
    if unknown:
        raise InputError(f"case {number} of {source} has an unknown field '{sorted(unknown)[0]}'")
    if not row.get("portrait"):
        raise InputError(f"case {number} of {source} names no portrait")
    drivers = {}
    for driver in DRIVERS:
        value = row.get(driver)
        if value is not None:
            known = value in WORDS
            drivers[driver] = str(value if known else _existing(root / str(value), number, source))
    portrait = _existing(root / str(row["portrait"]), number, source)
    return Case(str(row.get("name") or f"case {number}"), portrait, drivers)


def _existing(path: Path, number: int, source: Path) -> Path:
    if not path.exists():
        raise InputError(f"case {number} of {source} names {path}, which does not exist")
    return path


def is_filmed(path: Path) -> bool:
    """Whether a driver is moving pictures to compare with: a video or a folder of frames."""
    return path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES
