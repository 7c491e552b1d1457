"""Threads that work side by side."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from pdfgc.parallel import Threads


def test_pieces_come_back_in_order_from_threads_of_one_core_each() -> None:
    before = torch.get_num_threads()
    both_work = threading.Barrier(2, timeout=20)

    def piece(number: int) -> tuple[int, int]:
        if number < 2:
            both_work.wait()  # needs the other one at the same time
        return number, torch.get_num_threads()

    assert Threads(2).map(piece, range(4)) == [(number, 1) for number in range(4)]
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert [torch.get_num_threads(), *found] == [before, before]


def test_an_error_in_a_piece_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Threads(2).map(lambda number: 1 // number, [1, 0])


def test_rows_come_back_in_order_and_one_alone_is_divided() -> None:
    threads = Threads(2)
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
