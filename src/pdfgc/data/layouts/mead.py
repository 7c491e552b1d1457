"""MEAD: actors who speak sentences in eight emotions at three levels before seven cameras.

M003/video/front/angry/level_1/001.mp4
M003/audio/angry/level_1/001.m4a            its sound, one file for all cameras
"""

from __future__ import annotations

from pathlib import Path

from pdfgc.data.jobs import SOUND_SUFFIXES, Job, files_below
from pdfgc.errors import InputError
from pdfgc.media.suffixes import VIDEO_SUFFIXES

LICENCE = "MEAD: non-commercial research only"

VIDEO, AUDIO = "video", "audio"


def list_jobs(clips: Path) -> list[Job]:
    """The takes below a folder, named `actor/view/emotion/level/number`.

    Raises:
        InputError: when there are none.
    """
    sounds = {}
    for path in files_below(clips, SOUND_SUFFIXES):
        actor, inner = _split(path.relative_to(clips), AUDIO)
        if actor:
            sounds[(actor, *inner)] = path
    jobs = []
    for path in files_below(clips, VIDEO_SUFFIXES):
        actor, inner = _split(path.relative_to(clips), VIDEO)
        if len(inner) != 4:
            continue
        view, emotion, level, number = inner
        labels = {
            "dataset": "MEAD",
            "licence": LICENCE,
            "view": view,
            "emotion": emotion,
            "level": level.removeprefix("level_"),
        }
        # Some releases have the sound by camera, as the pictures are.
        sound = sounds.get((actor, emotion, level, number)) or sounds.get((actor, *inner))
        jobs.append(Job(path, "/".join((actor, *inner)), actor, labels, sound))
    if not jobs:
        raise InputError(
            f"expected MEAD below {clips} (M003/video/front/angry/level_1/001.mp4), but there is none of it"
        )
    return sorted(jobs, key=lambda job: job.name)


def _split(path: Path, kind: str) -> tuple[str, tuple[str, ...]]:
    """Actor, and the parts of the path below the actor's folder `video` or `audio`; both empty without such."""
    parts = path.with_suffix("").parts
    if kind not in parts[1:]:
        return "", ()
    place = parts.index(kind, 1)
    return parts[place - 1], parts[place + 1 :]
