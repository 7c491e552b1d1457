"""Work on the cores of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

In = TypeVar("In")
Out = TypeVar("Out")


class Threads:
    """Threads that each do a piece of work alone, torch's steps in it too.

    Pieces side by side take less time than one after the other with every step divided where steps are so short that
    the cores wait for each other at their ends, the more so beside other programs.

    Args:
        count: number of threads.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        divided = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(count, "pdfgc", initializer=_undivided)
        all_there = Barrier(count)
        list(self._pool.map(lambda _: all_there.wait(), range(count)))
        torch.set_num_threads(divided)  # theirs is the default of threads to come otherwise

    def over_rows(self, work: Callable[[Tensor], np.ndarray], rows: Tensor) -> np.ndarray:
        """`work` on rows `[T, ...]` in one piece for each thread, what it gives put together again in order."""
        return np.concatenate(self.map(work, rows.split(-(-len(rows) // self.count))))

    def map(self, work: Callable[[In], Out], pieces: Iterable[In]) -> list[Out]:
        """What the pieces give, in order; the first error that one raises is raised here.

        One piece alone is done in the calling thread, its steps divided.
        """
        todo = list(pieces)
        return list(map(work, todo)) if len(todo) == 1 else list(self._pool.map(work, todo))


def _undivided() -> None:
    """Lets torch do the steps of this thread in this thread."""
    torch.set_num_threads(1)
    torch.get_num_threads()  # the first step of a thread takes the process's number over: that is now
