"""Videos to prepared clips: what `pdfgc prepare CLIPS -o SHARDS` does.

    SHARDS/clips/<video>.safetensors       see `pdfgc.data.clips`; a long video gives `<video>-001` and so
    on too SHARDS/records/<video>.json            what became of each video: its clips, or why they were
    rejected SHARDS/settings.json                   what the clips were prepared with
    SHARDS/index.json                      all records together, with counts

Work is resumable by video: one that has a record is passed over, unless its size in bytes changed. Who
speaks is taken from the table given as `labels`, else from the name of the folder that a video lies in,
else, directly in CLIPS, from its own name without a last `_` and number (`anna_003.mp4` is anna).
"""

from __future__ import annotations

import csv
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pdfgc.data.tracking import Rejection, TrackingSettings, prepare_video
from pdfgc.errors import InputError
from pdfgc.files import atomic_path
from pdfgc.progress import track

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"})


@dataclass(frozen=True)
class Job:
    """One video to prepare."""

    video: Path
    name: str
    """Relative to CLIPS, with `/`."""
    identity: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """What a prepared folder holds."""

    clips: int
    identities: int
    minutes: float
    rejected: dict[str, int]
    """How many parts of videos were rejected, by reason."""

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.rejected.items()) or "none"
        return (
            f"{self.clips} clips, {self.minutes:.1f} minutes, {self.identities} people; rejected: {reasons}"
        )


def prepare(
    clips: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    workers: int = 1,
    labels: str | os.PathLike[str] | None = None,
    settings: TrackingSettings | None = None,
) -> Summary:
    """Prepares every video below a folder for training.

    Args:
        clips: a folder of videos, with sub-folders.
        output: the folder of prepared clips; made when missing, continued when there.
        workers: processes that work at the same time.
        labels: a table with tabs and a header, a row a video: `file` relative to `clips`, `identity`, and any
            other columns, which are kept with the clip.
        settings: sizes and limits.

    Raises:
        InputError: when there are no videos, the table is not such a table, or `output` was prepared with
            other settings.
    """
    settings = settings or TrackingSettings()
    if workers < 1:
        raise InputError(f"expected at least 1 worker, but got {workers}")
    jobs = list_jobs(Path(clips), None if labels is None else Path(labels))
    target = Path(output)
    target.mkdir(parents=True, exist_ok=True)
    _check_settings(target / "settings.json", settings)
    todo = [job for job in jobs if not _is_done(target, job)]
    if len(todo) < len(jobs):
        log.info("%d of %d videos are prepared already", len(jobs) - len(todo), len(jobs))
    for job, rejections in track(_work(todo, target, settings, workers), len(todo), "prepare"):
        for rejection in rejections:
            log.info("%s: rejected: %s (%s)", job.name, rejection.reason, rejection.detail)
    return write_index(target)


def list_jobs(clips: Path, labels: Path | None = None) -> list[Job]:
    """The videos below a folder in sorted order, with who speaks in each.

    Raises:
        InputError: as `prepare`.
    """
    if not clips.is_dir():
        raise InputError(f"expected a folder of videos, but {clips} is none")
    files = sorted(
        path for path in clips.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()
    )
    if not files:
        raise InputError(f"expected videos below {clips}, but there are none")
    rows = {} if labels is None else _read_labels(labels)
    jobs = []
    for path in files:
        name = path.relative_to(clips).as_posix()
        row = dict(rows.get(name, {}))
        row.pop("file", None)
        identity = row.pop("identity", "") or guess_identity(name)
        jobs.append(Job(path, name, identity, row))
    return jobs


def guess_identity(name: str) -> str:
    """Who speaks in the video of that relative path, by the rule above."""
    path = Path(name)
    if path.parent.name:
        return path.parent.name
    return re.sub(r"_\d+$", "", path.stem)


def write_index(folder: Path) -> Summary:
    """Joins the records of a prepared folder into its `index.json`."""
    clips: list[dict[str, Any]] = []
    rejected: list[dict[str, str]] = []
    for path in sorted((folder / "records").rglob("*.json")):
        record = json.loads(path.read_text())
        clips += record["clips"]
        rejected += [{"source": record["source"], **rejection} for rejection in record["rejected"]]
    summary = Summary(
        clips=len(clips),
        identities=len({clip["info"]["identity"] for clip in clips}),
        minutes=sum(clip["seconds"] for clip in clips) / 60,
        rejected=dict(sorted(Counter(entry["reason"] for entry in rejected).items())),
    )
    index = {"counts": asdict(summary), "clips": clips, "rejected": rejected}
    _write_json(folder / "index.json", index)
    return summary


def _work(
    jobs: Sequence[Job], target: Path, settings: TrackingSettings, workers: int
) -> Iterator[tuple[Job, list[Rejection]]]:
    """Prepares the jobs, here or in processes, and yields each when it is done."""
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, _prepare_job(job, target, settings)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Spawned, because MediaPipe's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context) as pool:
        futures = {pool.submit(_prepare_job, job, target, settings): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _prepare_job(job: Job, target: Path, settings: TrackingSettings) -> list[Rejection]:
    """Prepares one video; its record comes last, so a video with a record is whole."""
    clips: list[dict[str, Any]] = []
    rejections: list[Rejection] = []
    base = target / "clips" / job.name
    base.parent.mkdir(parents=True, exist_ok=True)
    try:
        for number, part in enumerate(prepare_video(job.video, settings)):
            if isinstance(part, Rejection):
                rejections.append(part)
                continue
            suffix = f"-{number:03d}" if number else ""
            path = base.with_name(f"{base.name}{suffix}.safetensors")
            part = replace(
                part, info=replace(part.info, source=job.name, identity=job.identity, labels=job.labels)
            )
            part.write(path)
            clips.append(
                {
                    "file": path.relative_to(target).as_posix(),
                    "seconds": round(part.seconds, 3),
                    "info": part.info.to_json(),
                }
            )
    except InputError as error:
        rejections.append(Rejection("unreadable", str(error)))
    record = {
        "source": job.name,
        "bytes": job.video.stat().st_size,
        "clips": clips,
        "rejected": [asdict(rejection) for rejection in rejections],
    }
    path = _record_path(target, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_json(path, record)
    return rejections


def _is_done(target: Path, job: Job) -> bool:
    path = _record_path(target, job)
    return path.is_file() and json.loads(path.read_text())["bytes"] == job.video.stat().st_size


def _record_path(target: Path, job: Job) -> Path:
    return target / "records" / f"{job.name}.json"


def _check_settings(path: Path, settings: TrackingSettings) -> None:
    """Notes the settings of a new folder; refuses to continue one of other settings."""
    if not path.is_file():
        _write_json(path, asdict(settings))
        return
    before = json.loads(path.read_text())
    if before != asdict(settings):
        raise InputError(
            f"{path.parent} was prepared with {before}, but now {asdict(settings)} is asked for; "
            "use another output folder"
        )


def _read_labels(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        raise InputError(f"expected a table of labels at {path}, but there is none")
    with open(path, newline="") as file:
        table = csv.DictReader(file, delimiter="\t")
        if not {"file", "identity"} <= set(table.fieldnames or ()):
            raise InputError(f"expected the columns file and identity, parted by tabs, in {path}")
        return {row["file"]: row for row in table}


def _write_json(path: Path, tree: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n")
