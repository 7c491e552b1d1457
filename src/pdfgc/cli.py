"""The command `pdfgc`: each verb is a typed function, and everything heavy is imported inside it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib.metadata import version
from types import FrameType
from typing import Annotated, NoReturn

from pdfgc import progress
from pdfgc.arguments import Group, Option, complain, parse
from pdfgc.errors import InputError

PROGRAM = "pdfgc"
DESCRIPTION = """\
Makes a portrait talk. Lips, head pose, eyes and expression each follow a source of their own.

  pdfgc animate face.jpg --audio speech.wav -o out.mp4
  pdfgc animate face.jpg --audio speech.wav --pose nod.mp4 --eyes look.mp4 --expression joy.mp4 -o out.mp4
"""

BAD_INPUT = 2
INTERRUPTED = 128 + signal.SIGINT
"""What shells report of a program that Ctrl-C ended."""


def weights_list() -> None:
    """Lists the pretrained files that pdfgc uses, their licences, and where each lies on this machine.

    The models themselves come with pdfgc. The files listed here are other people's: some come with pdfgc, the
    others are fetched when something first needs them, such as training or `pdfgc evaluate`.
    """
    from pdfgc.weights import REGISTRY, find

    for name, weight in REGISTRY.items():
        try:
            path = find(name)
            where = str(path) if path else "not on this machine"
        except InputError as error:
            where = str(error)
        sys.stdout.write(f"{name}  {weight.size / 1e6:.1f} MB  {weight.licence}\n")
        sys.stdout.write(f"    {weight.origin}\n    {where}\n")


def weights_fetch(
    names: Annotated[tuple[str, ...], Option("names from `pdfgc weights list`; none means all", "NAME")] = (),
    /,
) -> None:
    """Fetches pretrained files now, so that later work needs no connection.

    Each is checked by its SHA-256 and kept in the cache: $PDFGC_CACHE, or ~/.cache/pdfgc.

    Raises:
        InputError: an unknown name, or a file that could not be fetched.
    """
    from pdfgc.weights import REGISTRY, entry, locate

    for name in [entry(name).name for name in names] or list(REGISTRY):
        say(f"{name}: {locate(name)}")


VERBS = {
    "weights": Group(
        "Pretrained files of others: what is used, and getting it",
        {"list": weights_list, "fetch": weights_fetch},
    ),
}


def main(words: list[str] | None = None) -> int:
    """Runs a command line (default: this process's) and returns its exit status.

    0 for done; 2 for input that cannot be used, with one sentence on standard error; 1 for a file system that
    fails, likewise; 130 after Ctrl-C. Whatever the end, no partial output stays behind.
    """
    signal.signal(signal.SIGTERM, _stop)
    try:
        call = parse(PROGRAM, DESCRIPTION, VERBS, sys.argv[1:] if words is None else words, version(PROGRAM))
        progress.set_quiet(call.quiet)
        logging.basicConfig(
            format=f"{PROGRAM}: %(message)s", level=logging.ERROR if call.quiet else logging.WARNING
        )
        call.run()
        sys.stdout.flush()
    except InputError as error:
        complain(PROGRAM, str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        complain(PROGRAM, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(PROGRAM, f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    return 0


def say(text: str) -> None:
    """Writes a result to standard output, unless `--quiet`."""
    if not progress.is_quiet():
        sys.stdout.write(f"{text}\n")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Ends as after an error, so that partial outputs are removed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
