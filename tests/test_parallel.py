"""Threads that work side by side."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pdfgc.parallel import Threads


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_pieces_come_back_in_order_from_threads_of_one_core_each() -> None:
    both_work = threading.Barrier(2, timeout=20)

    def piece(number: int) -> tuple[int, int]:
        if number < 2:
            both_work.wait()  # needs the other one at the same time
        return number, torch.get_num_threads()

    assert Threads().map(piece, range(4)) == [(number, 1) for number in range(4)]
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert [torch.get_num_threads(), *found] == [2, 2]


def test_an_error_in_a_piece_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Threads().map(lambda number: 1 // number, [1, 0])


def test_rows_come_back_in_order_and_one_alone_is_divided() -> None:
    threads = Threads()
    seen: list[tuple[int, str]] = []

    def work(rows: torch.Tensor) -> np.ndarray:
        seen.append((len(rows), threading.current_thread().name))
        return rows.numpy() * 2

    assert threads.over_rows(work, torch.arange(5)).tolist() == [0, 2, 4, 6, 8]
    assert sorted(count for count, _ in seen) == [2, 3]
    assert all(name.startswith("pdfgc") for _, name in seen)
    seen.clear()
    threads.over_rows(work, torch.arange(1))
    assert seen == [(1, threading.current_thread().name)]


def test_it_follows_torchs_number_of_threads_and_can_be_copied() -> None:
    threads = Threads()
    names = threads.map(lambda _: threading.current_thread().name, range(2))
    assert all(name.startswith("pdfgc") for name in names)
    assert copy.deepcopy(threads).map(abs, [-1, -2]) == [1, 2]
    torch.set_num_threads(1)
    assert set(threads.map(lambda _: threading.current_thread().name, range(2))) == {
        threading.current_thread().name
    }
    torch.set_num_threads(3)
    both_work = threading.Barrier(3, timeout=20)
    assert len(threads.map(lambda _: both_work.wait(), range(3))) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    threads = Threads()
    threads.map(abs, [-1, -2])
    child = os.fork()
    if child == 0:
        os._exit(0 if threads.map(abs, [-1, -2]) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_many_callers_find_as_many_threads_each() -> None:
    counts: list[int] = []

    def call() -> None:
        Threads().map(abs, [-1, -2])
        counts.append(torch.get_num_threads())

    torch.get_num_threads()
    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    found: list[int] = []
    last = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    last.start()
    last.join()
    assert found == [2]
