"""How collections of videos lie on the disk: each layout turns a folder into jobs with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from pdfgc.data.jobs import Job
from pdfgc.data.layouts import folder, mead, voxceleb2
from pdfgc.errors import InputError

Layout = Literal["folder", "voxceleb2", "mead"]

LAYOUTS: Mapping[str, Callable[[Path], list[Job]]] = {
    "folder": folder.list_jobs,
    "voxceleb2": voxceleb2.list_jobs,
    "mead": mead.list_jobs,
}
"""Each lists the videos below a folder, sorted by name; raises InputError where there are none."""


def list_jobs(
    clips: Path, layout: Layout = "folder", labels: Path | None = None, licence: str | None = None
) -> list[Job]:
    """The videos of a collection, with who speaks in each and what else is known.

    Args:
        clips: the collection's folder.
        layout: how it lies there.
        labels: a table (`folder.read_labels`) whose columns come before what the layout knows.
        licence: of every clip for which neither table nor layout knows one.

    Raises:
        InputError: an unknown layout, no videos, or a table that is none.
    """
    if layout not in LAYOUTS:
        raise InputError(f"expected a layout ({', '.join(LAYOUTS)}), but got {layout!r}")
    if not clips.is_dir():
        raise InputError(f"expected a folder of videos, but {clips} is none")
    jobs = LAYOUTS[layout](clips)
    if labels is not None:
        jobs = folder.apply_labels(jobs, folder.read_labels(labels))
    if licence is not None:
        jobs = [folder.with_labels(job, {"licence": licence, **job.labels}) for job in jobs]
    return jobs
