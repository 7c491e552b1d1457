"""How this process keeps the memory of large arrays."""

from __future__ import annotations

import ctypes

KEPT_BLOCK = 32 << 20
"""Bytes of the largest block that glibc can be told to keep for the next use."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of malloc.h
_KEPT = 1 << 30


def keep_freed_memory() -> bool:
    """Lets this process keep up to 1 GiB of freed memory instead of giving it back to the system at once.

    An array that is fetched anew costs a page fault for every 4 kB, which takes longer than a step of arithmetic on it.
    The command line does this; a program that loads a model decides for itself.

    Returns:
        Whether it was done; only glibc is told.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(tell(_MMAP_THRESHOLD, KEPT_BLOCK) and tell(_TRIM_THRESHOLD, _KEPT))
