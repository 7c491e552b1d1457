"""Work on the cores of one machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

In = TypeVar("In")
Out = TypeVar("Out")

_setting = Lock()
"""Held while the number of torch's threads, which is the process's, is changed for a moment."""


class Threads:
    """Threads that each do a piece of work alone, torch's steps in it too.

    Pieces side by side take less time than one after the other with every step divided where steps are so short that
    the cores wait for each other at their ends, the more so beside other programs. There are as many as torch divides
    its steps among in the thread that asks; they are made anew when that number is another, or the process (a fork).
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._made_for: tuple[int, int] | None = None

    def __reduce__(self) -> tuple[type[Threads], tuple[()]]:
        return Threads, ()  # threads are neither copied nor sent

    def over_rows(self, work: Callable[[Tensor], np.ndarray], rows: Tensor) -> np.ndarray:
        """`work` on rows `[T, ...]` in one piece for each thread, what it gives put together again in order."""
        pieces = rows.split(max(1, -(-len(rows) // torch.get_num_threads())))
        return np.concatenate(self.map(work, pieces))

    def map(self, work: Callable[[In], Out], pieces: Iterable[In]) -> list[Out]:
        """What the pieces give, in order; the first error that one raises is raised here.

        One piece alone is done in the calling thread, its steps divided.
        """
        todo, count = list(pieces), torch.get_num_threads()
        if len(todo) < 2 or count < 2:
            return list(map(work, todo))
        return list(self._of(count).map(work, todo))

    def _of(self, count: int) -> ThreadPoolExecutor:
        with _setting:
            wanted = os.getpid(), count
            if self._pool is None or self._made_for != wanted:
                self._pool, self._made_for = _undivided_threads(count), wanted
            return self._pool


def _undivided_threads(count: int) -> ThreadPoolExecutor:
    """Threads in which torch does its steps undivided."""
    pool = ThreadPoolExecutor(count, "pdfgc", initializer=_do_not_divide)
    all_there = Barrier(count)
    list(pool.map(lambda _: all_there.wait(), range(count)))
    torch.set_num_threads(count)  # theirs is the default of threads to come otherwise
    return pool


def _do_not_divide() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # the first step of a thread takes the process's number over: that is now
