"""Videos to prepared clips: what `pdfgc prepare CLIPS -o SHARDS` does.

    SHARDS/clips/<name>.safetensors     see `pdfgc.data.clips`; a video of several shots also gives `<name>-001` ...
    SHARDS/records/<name>.json          what became of each video: its clips, and why others were rejected
    SHARDS/settings.json                what the clips were prepared with
    SHARDS/index.json                   all records together, with counts and licences
    SHARDS/.lock                        which process worked here last

Work is resumable by clip: a record is written after each, and a video whose record is complete is passed over, unless
its size in bytes changed. So a killed run loses what it had in hand, one clip a worker. The same videos give the same
bytes, whatever the number of workers and interruptions. One run at a time works on a folder;
a second one is refused.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdfgc.data.engines import Engine, run
from pdfgc.data.face_boxes import read_annotation
from pdfgc.data.jobs import Job
from pdfgc.data.layouts import Layout, list_jobs
from pdfgc.data.rejection import Rejection
from pdfgc.data.settings import PrepareSettings
from pdfgc.errors import InputError
from pdfgc.files import make_folder, remove_unfinished, write_text
from pdfgc.lock import locked
from pdfgc.progress import track
from pdfgc.wording import counted

if TYPE_CHECKING:
    from pdfgc.data.parts import PreparedClip

log = logging.getLogger(__name__)

NO_LICENCE = "not stated"


@dataclass(frozen=True)
class Summary:
    """What a prepared folder holds."""

    clips: int
    identities: int
    minutes: float
    rejected: dict[str, int]
    """How many parts of videos were rejected, by reason."""
    without_sound: dict[str, int]
    """Clips that were kept without their sound, by what was wrong with it."""
    sync: dict[str, int]
    """Clips with sound by what was found about its offset; `not checked` where nobody listened."""
    licences: dict[str, int]
    """Clips by licence."""

    def __str__(self) -> str:
        reasons = _listed(self.rejected) or "none"
        dropped = f"; kept without sound: {_listed(self.without_sound)}" if self.without_sound else ""
        sync = f"; sound: {_listed(self.sync)}" if self.sync else ""
        return (
            f"{counted(self.clips, 'clip')}, {self.minutes:.1f} minutes, "
            f"{counted(self.identities, 'person', 'people')}; "
            f"rejected: {reasons}{dropped}{sync}"
        )


@dataclass
class Record:
    """What became of one video so far."""

    source: str
    bytes: int
    complete: bool = False
    end: int = 0
    """Number of the first frame that no part has yet."""
    clips: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, job: Job, target: Path) -> Record:
        """The record of a job: what an earlier run left, or an empty one."""
        size = job.video.stat().st_size
        path = _record_path(target, job)
        if path.is_file():
            record = cls(**json.loads(path.read_text()))
            if record.bytes == size:
                return record
        return cls(job.name, size)

    def write(self, target: Path, job: Job) -> None:
        """Writes it, complete or not at all."""
        path = _record_path(target, job)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_json(path, asdict(self))


def prepare(
    clips: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    layout: Layout = "folder",
    labels: str | os.PathLike[str] | None = None,
    licence: str | None = None,
    settings: PrepareSettings | None = None,
    workers: int | None = None,
    engine: Engine = "local",
) -> Summary:
    """Prepares every video below a folder for training.

    Args:
        clips: a folder of videos, with sub-folders.
        output: the folder of prepared clips; made when missing, continued when there.
        layout: how the videos lie in `clips`.
        labels: a table with tabs and a header, a row a video: `file` (relative to `clips`, or as the layout names it),
            `identity`, and any other columns, which are kept with the clip.
        licence: of clips for which neither table nor layout knows one.
        settings: sizes and limits.
        workers: how many videos are worked on at the same time; one, or all of the cluster.
        engine: processes here, or Ray.

    Raises:
        InputError: when there are no videos, the table is not such a table, `output` was prepared with other
            settings, another process prepares into it, or it is a file.
    """
    settings = settings or PrepareSettings()
    jobs = list_jobs(Path(clips).resolve(), layout, None if labels is None else Path(labels), licence)
    target = make_folder(Path(output).resolve())
    with locked(target, "preparing into", "another output folder") as alone:
        _check_settings(target / "settings.json", settings)
        if alone:
            remove_unfinished(target)
        _prepare_missing(jobs, target, settings, workers, engine)
        return write_index(target)


def _prepare_missing(
    jobs: list[Job], target: Path, settings: PrepareSettings, workers: int | None, engine: Engine
) -> None:
    """Prepares the videos that have no complete record yet, large files first: a long one that is begun last keeps one
    worker busy while the others have nothing left."""
    todo = [job for job in jobs if not Record.of(job, target).complete]
    todo.sort(key=lambda job: job.video.stat().st_size, reverse=True)
    if len(todo) < len(jobs):
        log.info("%d of %d videos are prepared already", len(jobs) - len(todo), len(jobs))
    work = partial(prepare_job, target=target, settings=settings)
    outcomes = run(work, todo, workers=workers, engine=engine)
    for job, rejections in track(outcomes, len(todo), "prepare"):
        for rejection in rejections:
            log.info("%s: rejected: %s (%s)", job.name, rejection.reason, rejection.detail)


def prepare_job(job: Job, target: Path, settings: PrepareSettings) -> list[Rejection]:
    """Prepares one video, from where an earlier run stopped, and says what of it was rejected now."""
    record = Record.of(job, target)
    rejections: list[Rejection] = []
    base = target / "clips" / job.name
    base.parent.mkdir(parents=True, exist_ok=True)
    try:
        for end, clip, rejected in _parts(job, settings, record.end):
            rejections += rejected
            record.rejected += [asdict(rejection) for rejection in rejected]
            if clip is not None:
                suffix = f"-{len(record.clips):03d}" if record.clips else ""
                path = base.with_name(f"{base.name}{suffix}.safetensors")
                clip.write(path)
                record.clips.append(_entry(path.relative_to(target), clip))
            record.end = end
            record.write(target, job)
    except InputError as error:
        rejections.append(Rejection("unreadable", str(error)))
        record.rejected.append(asdict(rejections[-1]))
    record.complete = True
    record.write(target, job)
    return rejections


def write_index(folder: Path) -> Summary:
    """Joins the records of a prepared folder into its `index.json`."""
    clips: list[dict[str, Any]] = []
    rejected: list[dict[str, str]] = []
    for path in sorted((folder / "records").rglob("*.json")):
        record = json.loads(path.read_text())
        clips += record["clips"]
        rejected += [{"source": record["source"], **rejection} for rejection in record["rejected"]]
    infos = [clip["info"] for clip in clips]
    without_sound = _counts(info["sound_fault"] for info in infos if info.get("sound_fault"))
    # a sound that was left out stands among the rejections, its clip does not
    reasons = Counter(entry["reason"] for entry in rejected) - Counter(without_sound)
    summary = Summary(
        clips=len(clips),
        identities=len({info["identity"] for info in infos}),
        minutes=sum(clip["seconds"] for clip in clips) / 60,
        rejected=dict(sorted(reasons.items())),
        without_sound=without_sound,
        sync=_counts(info["sync"] or "not checked" for info in infos if info["samples"]),
        licences=_counts(info["labels"].get("licence", NO_LICENCE) for info in infos),
    )
    index = {"counts": asdict(summary), "clips": clips, "rejected": rejected}
    _write_json(folder / "index.json", index)
    return summary


def _parts(
    job: Job, settings: PrepareSettings, first: int
) -> Iterator[tuple[int, PreparedClip | None, tuple[Rejection, ...]]]:
    """The parts of a job's video, its clips labelled."""
    # its networks are loaded by who works, not by who hands out the work
    from pdfgc.data.parts import prepare_video

    annotation = None if job.annotation is None else read_annotation(job.annotation)
    labels = {**job.labels, **(annotation.labels if annotation else {})}
    stretch = annotation if job.cut else None
    for part in prepare_video(job.video, settings, sound=job.sound, annotation=stretch, first=first):
        clip = part.clip
        if clip is not None:
            info = replace(clip.info, source=job.name, identity=job.identity, labels=labels)
            clip = replace(clip, info=info)
        yield part.end, clip, part.rejections


def _entry(file: Path, clip: PreparedClip) -> dict[str, Any]:
    return {"file": file.as_posix(), "seconds": round(clip.seconds, 3), "info": clip.info.to_json()}


def _record_path(target: Path, job: Job) -> Path:
    return target / "records" / f"{job.name}.json"


def _check_settings(path: Path, settings: PrepareSettings) -> None:
    """Notes the settings of a new folder; refuses to continue one of other settings."""
    now = asdict(settings)
    if not path.is_file():
        _write_json(path, now)
        return
    before = json.loads(path.read_text())
    if before != now:
        names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        raise InputError(
            f"{path.parent} was prepared with other settings ({', '.join(names)}); use another output folder"
        )


def _counts(values: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _write_json(path: Path, tree: Any) -> None:
    write_text(path, json.dumps(tree, indent=1, sort_keys=True) + "\n")
