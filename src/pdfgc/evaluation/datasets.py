"""The clips that a protocol runs on: a folder, a list, or the test list of VoxCeleb2 or MEAD."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdfgc.errors import InputError
from pdfgc.evaluation.cases import list_clips, names_of
from pdfgc.report_folders import outside_reports

if TYPE_CHECKING:
    from pdfgc.data.jobs import Job


@dataclass(frozen=True)
class SourceClip:
    """One clip of a test set.

    Attributes:
        name: unique, usable as a file's name.
        video: the pictures.
        sound: the file whose sound goes with them: the video itself, one beside it, or None.
        identity: who speaks.
    """

    name: str
    video: Path
    sound: Path | None
    identity: str


def list_test_clips(
    data: Path,
    layout: str,
    test_list: Path | None,
    limit: int | None,
    seed: int,
    report: Path | None = None,
) -> list[SourceClip]:
    """The clips of a test set.

    Args:
        data: a folder, a video, or a list (`cases.list_clips`); for VoxCeleb2 and MEAD the dataset's folder.
        layout: `folder`, `voxceleb2` or `mead` (`pdfgc.data.layouts`).
        test_list: a text file that names the clips to take, one a line: a path in the dataset with or without
            its suffix (`id00017/01dfn2spqyE/00001`, `M003/front/angry/level_1/001` or with `_` for `/`), or an
            identity for all its clips. Further words of a line are passed over, `#` begins a comment.
        limit: at most so many, spread over the identities.
        seed: draws which.
        report: a report whose videos do not count, see `cases.list_clips`.

    Raises:
        InputError: nothing there, or a listed clip that is not in the dataset.
    """
    if layout == "folder" and not data.is_dir():
        jobs = [_plain(path) for path in list_clips(data)]
    else:
        from pdfgc.data.layouts import list_jobs

        every = [job for job in list_jobs(data, layout) if not job.cut]  # type: ignore[arg-type]
        kept = set(outside_reports([job.video for job in every], data, report))
        jobs = [job for job in every if job.video in kept]
        if not jobs:
            raise InputError(f"expected videos below {data}, but there are none outside reports")
    chosen = jobs if test_list is None else _listed(jobs, test_list)
    clips = _of_jobs(chosen)
    return clips if limit is None else spread(clips, limit, seed)


def selection(
    clips: Sequence[SourceClip], data: Path, layout: str, test_list: Path | None, limit: int | None, seed: int
) -> dict[str, Any]:
    """What a report records of how its clips were chosen: the arguments of `list_test_clips`, and what came of them."""
    return {
        "data": str(data),
        "layout": layout,
        "test_list": None if test_list is None else str(test_list),
        "clips": len(clips),
        "people": len({clip.identity for clip in clips}),
        "limit": limit,
        "seed": seed,
    }


def place(path: str | Path, data: Path) -> str:
    """A file as reports record it: its path below `data` (the folder, or that of the list), or else as it was named.

    A name alone would not do: in VoxCeleb2 every person has a `00001.mp4`.
    """
    root = data if data.is_dir() else data.parent
    path = Path(path)
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def spread(clips: Sequence[SourceClip], limit: int, seed: int) -> list[SourceClip]:
    """At most `limit` clips, as many identities as can be: one clip of each in turn, drawn by `seed`."""
    draw = random.Random(seed)
    people: dict[str, list[SourceClip]] = defaultdict(list)
    for clip in clips:
        people[clip.identity].append(clip)
    for own in people.values():
        draw.shuffle(own)
    order = list(people)
    draw.shuffle(order)
    turns = max(map(len, people.values()), default=0)
    taken = [people[who][turn] for turn in range(turns) for who in order if turn < len(people[who])][:limit]
    return [clip for clip in clips if clip in taken]


def partners(clips: Sequence[SourceClip], index: int, seed: int) -> list[SourceClip]:
    """The clips that clip number `index` may be crossed with, in the order in which they are to be tried.

    They are drawn by `seed`, whatever the other clips are tried with: all clips of other people, or, where there
    are none, the person's own others.
    """
    clip = clips[index]
    others = [other for other in clips if other.identity != clip.identity]
    others = others or [other for other in clips if other is not clip]
    return random.Random(f"{seed} {clip.name}").sample(others, len(others))


def _plain(path: Path) -> Job:
    from pdfgc.data.jobs import Job
    from pdfgc.data.layouts.folder import guess_identity

    return Job(path, path.name, guess_identity(path.name))


def _of_jobs(jobs: Sequence[Job]) -> list[SourceClip]:
    """The clips of jobs; where two share a name, more of their paths tells them apart, or else the suffix."""
    names = [_stem(job) for job in jobs]
    if len(set(names)) < len(names):
        names = names_of([job.video.with_suffix("") for job in jobs])
    if len(set(names)) < len(names):
        names = names_of([job.video for job in jobs])
    clips: dict[str, SourceClip] = {}
    for name, job in zip((name.replace("/", "_") for name in names), jobs, strict=True):
        if name in clips:
            raise InputError(
                f"expected clips of different names, but {clips[name].video} and {job.video} share one"
            )
        clips[name] = SourceClip(name, job.video, job.sound or job.video, job.identity)
    return list(clips.values())


def _stem(job: Job) -> str:
    """A job's name without the suffix of its video."""
    return str(Path(job.name).with_suffix("")) if Path(job.name).suffix == job.video.suffix else job.name


def _listed(jobs: Sequence[Job], test_list: Path) -> list[Job]:
    try:
        lines = test_list.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the test list {test_list}: {error}") from error
    names = [line.split("#")[0].split()[0] for line in lines if line.split("#")[0].strip()]
    by_name: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        stem = _stem(job)
        for key in {stem, stem.replace("/", "_"), job.identity}:
            by_name[key].append(job)
    chosen: dict[str, Job] = {}
    for name in names:
        found = by_name.get(_key(name)) or by_name.get(_key(name).replace("_", "/"))
        if not found:
            raise InputError(f"{test_list} names {name}, which is not in the dataset")
        chosen |= {job.name: job for job in found}
    return list(chosen.values())


def _key(name: str) -> str:
    """A listed name without a suffix and without folders above the identity."""
    stem = name.removesuffix(".mp4").removesuffix(".m4a").removesuffix(".wav").strip("/")
    parts = stem.split("/")
    known = ("mp4", "aac", "txt", "dev", "test", "vox2_test_mp4")
    while len(parts) > 1 and parts[0] in known:
        parts = parts[1:]
    return "/".join(part for part in parts if part not in ("video", "audio"))
