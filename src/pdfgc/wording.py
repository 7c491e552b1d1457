"""Numbers and names as sentences want them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 clip`, `2 clips`.

    Args:
        number: how many.
        noun: of one.
        plural: of any other number (default: `noun` with an s).
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a misspelt one was most likely meant to be, if any is like it."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)
