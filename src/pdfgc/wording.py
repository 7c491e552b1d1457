"""Numbers and names as sentences want them."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 clip`, `2 clips`.

    Args:
        number: how many.
        noun: of one.
        plural: of any other number (default: `noun` with an s).
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
