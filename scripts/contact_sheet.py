"""Lays frames of a video out as one picture, in reading order, each with its time in seconds.

python scripts/contact_sheet.py demo.mp4 -o demo_sheet.png [--columns 6] [--rows 4] [--side 192]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from pdfgc.errors import InputError
from pdfgc.files import atomic_path
from pdfgc.media.video import Frame, probe, read_frames


def pick(video: Path, count: int) -> Iterator[Frame]:
    """At most `count` frames, evenly spread over the whole video, read one at a time."""
    info = probe(video)
    duration = info.duration or Fraction(0)
    due = [duration * n / count for n in range(count)]
    for frame in read_frames(video):
        if due and frame.time >= due[0]:
            due = [time for time in due if time > frame.time]
            yield frame


def sheet(video: Path, columns: int, rows: int, side: int) -> Image.Image:
    """The contact sheet as an RGB picture; frames are fitted into squares of `side` pixels."""
    picture = Image.new("RGB", (columns * side, rows * side), "white")
    draw = ImageDraw.Draw(picture)
    for n, frame in enumerate(pick(video, columns * rows)):
        thumbnail = ImageOps.contain(Image.fromarray(frame.image), (side, side), Image.Resampling.LANCZOS)
        left, top = n % columns * side, n // columns * side
        picture.paste(thumbnail, (left, top))
        label = f"{float(frame.time):.2f}"
        draw.text((left + 4, top + 2), label, fill="white", stroke_width=1, stroke_fill="black")
    return picture


def main() -> int:
    """Reads the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Lays frames of a video out as one picture.")
    parser.add_argument("video", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the picture to write, .png or .jpg")
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--side", type=int, default=192, help="pixels of a frame's square (default: 192)")
    options = parser.parse_args()
    try:
        with atomic_path(options.output) as temporary:
            sheet(options.video, options.columns, options.rows, options.side).save(temporary)
    except InputError as error:
        sys.stderr.write(f"contact_sheet: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
