"""The verb `pdfgc prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pdfgc.arguments import Option
from pdfgc.progress import say


def _collection(text: str, metavar: str | None = None) -> Option:
    return Option(text, metavar, group="what lies in CLIPS")


def _stored(text: str, metavar: str | None = None) -> Option:
    return Option(text, metavar, group="what is kept")


def prepare(
    clips: Annotated[Path, Option("a folder of videos of people who talk, with sub-folders")],
    /,
    *,
    output: Annotated[Path, Option("the folder of prepared clips; made or continued", "SHARDS", "-o")],
    layout: Annotated[
        Literal["folder", "voxceleb2", "mead"],
        _collection("how the videos lie in CLIPS, and so who speaks with which emotion"),
    ] = "folder",
    labels: Annotated[
        Path | None,
        _collection(
            "a table (tabs; columns file and identity, then any others) that says who speaks", "FILE"
        ),
    ] = None,
    licence: Annotated[
        str | None, _collection("of clips for which neither table nor layout knows one", "TEXT")
    ] = None,
    crop: Annotated[
        Literal["head", "voxceleb"],
        _stored("head for preset small, voxceleb for preset paper"),
    ] = "head",
    size: Annotated[
        int | None, _stored("side in pixels (default: 256 for head, 224 for voxceleb)", "PIXELS")
    ] = None,
    bad_sound: Annotated[
        Literal["drop", "reject"],
        _stored("silence, music and noise: keep the clip without its sound, or leave it out"),
    ] = "drop",
    strict_sync: Annotated[
        bool, _stored("treat sound that is not surely in step with the mouth as bad, too")
    ] = False,
    workers: Annotated[
        int | None, Option("videos worked on at the same time (default: 1; with Ray, one a processor)", "N")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], Option("processes of this machine, or the Ray cluster of $RAY_ADDRESS")
    ] = "local",
    dry_run: Annotated[bool, Option("list the videos and who speaks in each, and stop")] = False,
) -> None:
    """Prepares videos for training: finds, crops and measures the faces, and cuts the sound to match.

    Who speaks is told by --labels, else by the layout. In a plain folder it is the name of the folder that a video
    lies in, else its own name without a last number: anna_003.mp4 is anna.

    Videos that a report of pdfgc evaluate made are passed over.

    Sound that is off the picture is moved where that is sure. Videos that cannot be used are left out:
    SHARDS/index.json says why. The same command again continues, and passes over what is done.

    Raises:
        InputError: no videos, a table that is none, or SHARDS that were prepared otherwise.
    """
    from pdfgc.data.layouts import list_jobs
    from pdfgc.data.settings import SIZES, PrepareSettings

    settings = PrepareSettings(
        size=SIZES[crop] if size is None else size,
        framing=crop,
        bad_sound=bad_sound,
        strict_sync=strict_sync,
    )
    if dry_run:
        for job in list_jobs(clips, layout, labels, licence):
            say(f"{job.name}: {job.identity}")
        return
    from pdfgc.data import prepare as preparation

    summary = preparation.prepare(
        clips,
        output,
        layout=layout,
        labels=labels,
        licence=licence,
        settings=settings,
        workers=workers,
        engine=engine,
    )
    say(f"{output}: {summary}")
