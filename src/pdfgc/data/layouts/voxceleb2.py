"""VoxCeleb2: one file an utterance, by identity and video.

    mp4/id00012/21Uxsk56VDQ/00001.mp4       the utterance, cut and cropped, as the dataset's authors gave it out
    aac/id00012/21Uxsk56VDQ/00001.m4a       its sound, where that came apart
    txt/id00012/21Uxsk56VDQ/00001.txt       its annotation: confidences, and boxes in the whole film
    videos/21Uxsk56VDQ.mp4                  or the whole film, from which annotations cut utterances

The four may lie in folders of any name, together or apart, with `dev` and `test` above or below; only the last
three parts of a path count. An utterance that is there as a file of its own is not cut out of the film again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pdfgc.data.jobs import SOUND_SUFFIXES, Job, files_below
from pdfgc.errors import InputError
from pdfgc.media.suffixes import VIDEO_SUFFIXES

LICENCE = "VoxCeleb2: CC BY 4.0; the copyright of the videos stays with their owners"

Key = tuple[str, str, str]
"""Identity, video and utterance."""

_IDENTITY = re.compile(r"id\d{5}")


def list_jobs(clips: Path) -> list[Job]:
    """The utterances below a folder, named `identity/video/utterance`.

    Raises:
        InputError: when there are none, or an utterance is there twice.
    """
    videos = files_below(clips, VIDEO_SUFFIXES)
    utterances = _by_key(videos)
    sounds = _by_key(files_below(clips, SOUND_SUFFIXES))
    texts = _by_key(files_below(clips, {".txt"}))
    films = {path.stem: path for path in videos if _key(path) is None}
    jobs = [_job(key, path, sounds.get(key), texts.get(key), clips) for key, path in utterances.items()]
    for key, text in texts.items():
        if key not in utterances and key[1] in films:
            jobs.append(_job(key, films[key[1]], sounds.get(key), text, clips, cut=True))
    if not jobs:
        raise InputError(
            f"expected VoxCeleb2 below {clips} (id00012/<video>/00001.mp4, or .txt with whole films), but "
            "there is none of it"
        )
    return sorted(jobs, key=lambda job: job.name)


def _job(
    key: Key, video: Path, sound: Path | None, text: Path | None, clips: Path, *, cut: bool = False
) -> Job:
    identity, reference, _ = key
    labels = {"dataset": "VoxCeleb2", "licence": LICENCE, "video": reference}
    for path in filter(None, (text, video)):
        split = {"dev", "test"} & set(path.relative_to(clips).parts)
        if split:
            labels["split"] = split.pop()
            break
    # The sound of an utterance does not belong to the whole film's time line; a film brings its own.
    return Job(video, "/".join(key), identity, labels, None if cut else sound, text, cut)


def _by_key(paths: Iterable[Path]) -> dict[Key, Path]:
    found: dict[Key, Path] = {}
    for path in paths:
        key = _key(path)
        if key is None:
            continue
        if key in found:
            raise InputError(f"expected each utterance once, but {'/'.join(key)} is {found[key]} and {path}")
        found[key] = path
    return found


def _key(path: Path) -> Key | None:
    """Identity, video and utterance of a file, or None for one that is no utterance's."""
    if len(path.parts) < 3 or not _IDENTITY.fullmatch(path.parts[-3]):
        return None
    return path.parts[-3], path.parts[-2], path.stem
