"""Any folder of videos, and the table that says what is in them.

Who speaks is taken from the table, else from the name of the folder that a video lies in, else, for videos that lie
directly in the collection, from their own name without a last `_` and number (`anna_003.mp4` is anna).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pdfgc.data.jobs import SOUND_SUFFIXES, Job, files_below
from pdfgc.errors import InputError
from pdfgc.media.suffixes import VIDEO_SUFFIXES


def list_jobs(clips: Path) -> list[Job]:
    """The videos below a folder; a sound file beside a video, of the same name, goes with it.

    Raises:
        InputError: when there are none.
    """
    videos = files_below(clips, VIDEO_SUFFIXES)
    if not videos:
        raise InputError(f"expected videos below {clips}, but there are none")
    sounds = {path.with_suffix(""): path for path in files_below(clips, SOUND_SUFFIXES)}
    jobs = []
    for video in videos:
        name = video.relative_to(clips).as_posix()
        jobs.append(Job(video, name, guess_identity(name), sound=sounds.get(video.with_suffix(""))))
    return jobs


def guess_identity(name: str) -> str:
    """Who speaks in the video of that relative path, by the rule above."""
    path = Path(name)
    if path.parent.name:
        return path.parent.name
    return re.sub(r"_\d+$", "", path.stem)


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """A table in UTF-8 with tabs and a header, a row a video, by its column `file` (a job's name).

    Raises:
        InputError: when there is none, it is no such table, it has no columns `file` and `identity`, or a row has more
            entries than there are columns.
    """
    if not path.is_file():
        raise InputError(f"expected a table of labels at {path}, but there is none")
    try:
        with open(
            path, encoding="utf-8-sig", newline=""
        ) as file:  # as spreadsheets write it, or without the mark
            return _read_rows(csv.DictReader(file, delimiter="\t"), path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"expected a table in UTF-8, parted by tabs, but {path} is none ({error})"
        ) from error


def _read_rows(table: csv.DictReader[str], path: Path) -> dict[str, dict[str, str]]:
    columns = table.fieldnames or ()
    if not {"file", "identity"} <= set(columns):
        raise InputError(f"expected the columns file and identity, parted by tabs, in {path}")
    rows: dict[str, dict[str, str]] = {}
    for row in table:
        if table.restkey in row:
            raise InputError(
                f"expected at most {len(columns)} entries in a row of {path}, as it has columns, but line "
                f"{table.line_num} has more"
            )
        rows[row["file"]] = row
    return rows


def apply_labels(jobs: list[Job], rows: Mapping[str, Mapping[str, str]]) -> list[Job]:
    """The jobs with the table's identity and other columns; one without a row stays as it is."""
    labelled = []
    for job in jobs:
        row = {name: value for name, value in rows.get(job.name, {}).items() if name != "file" and value}
        identity = row.pop("identity", job.identity)
        labelled.append(replace(with_labels(job, {**job.labels, **row}), identity=identity))
    return labelled


def with_labels(job: Job, labels: Mapping[str, str]) -> Job:
    """The job with other labels."""
    return replace(job, labels=dict(labels))
