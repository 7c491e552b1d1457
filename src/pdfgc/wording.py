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


def nearest(word: str, known: Iterable[str], *, however_unlike: bool = False) -> str | None:
    """The known word that a misspelt one was most likely meant to be; None where none is like it.

    Args:
        word: as it was written.
        known: the words that there are.
        however_unlike: take the most similar one in any case.
    """
    cutoff = 0.0 if however_unlike else 0.6
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)
