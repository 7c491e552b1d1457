"""Results on standard output and progress bars on standard error, both silent under `--quiet`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Switches the results' lines and progress bars of this process off (`--quiet`) or on again."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether `--quiet` was given."""
    return _quiet


def say(text: str) -> None:
    """Writes lines of results to standard output, unless `--quiet` was given."""
    if not _quiet:
        sys.stdout.write(f"{text}\n")


def is_shown() -> bool:
    """Whether bars are drawn: not under `--quiet`, and only where standard error is a terminal."""
    return not _quiet and sys.stderr.isatty()


def track(iterable: Iterable[T], total: int | None = None, description: str = "") -> Iterator[T]:
    """Passes `iterable` on, item by item, and draws a progress bar while a person is watching.

    Args:
        iterable: what is worked through; it is read lazily.
        total: the number of items, where it is known and `len(iterable)` does not say it.
        description: a word or two in front of the bar.
    """
    if not is_shown():
        yield from iterable
        return
    from tqdm import tqdm

    with tqdm(iterable, total=total, desc=description or None, leave=False, dynamic_ncols=True) as bar:
        yield from bar
