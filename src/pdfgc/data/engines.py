"""Where jobs are worked on: in this process, in several on this machine, or on a Ray cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

from pdfgc.errors import InputError

Engine = Literal["local", "ray"]

_THREADS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""The variables by which torch and OpenCV are told how many threads to start."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run(
    work: Callable[[Item], Outcome], items: Sequence[Item], *, workers: int | None, engine: Engine = "local"
) -> Iterator[tuple[Item, Outcome]]:
    """Works through items and gives out each with its outcome, in the order in which they are done.

    Args:
        work: what is done to an item; both must be picklable, and whatever it writes must lie where the others see it.
        items: what to work on.
        workers: how many at the same time. Without: one here, as many as the cluster has processors on Ray.
        engine: `local`; or `ray`, on the cluster that `RAY_ADDRESS` names, else on one that is started here.

    Raises:
        InputError: less than one worker, or Ray that is not installed.
    """
    if workers is not None and workers < 1:
        raise InputError(f"expected at least 1 worker, but got {workers}")
    if engine == "ray":
        return _run_ray(work, items, workers)
    return _run_here(work, items, workers or 1)


def _run_here(
    work: Callable[[Item], Outcome], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Outcome]]:
    if workers == 1 or len(items) < 2:
        for item in items:
            yield item, work(item)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Spawned, because MediaPipe's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    threads = max((os.cpu_count() or 1) // workers, 1)
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(threads,)) as pool:
        futures = {pool.submit(work, item): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin(threads: int) -> None:
    """Begins a worker: its libraries, which are loaded later, start so many threads, unless the user has said how many.

    Without, every worker would want all processors.
    """
    for name in _THREADS:
        os.environ.setdefault(name, str(threads))
    _end_with_parent()


def _end_with_parent() -> None:
    """Ends this worker when the process that started it is gone, even by kill -9; else it would wait for ever."""
    import multiprocessing
    import threading

    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run_ray(
    work: Callable[[Item], Outcome], items: Sequence[Item], workers: int | None
) -> Iterator[tuple[Item, Outcome]]:
    """Ray repeats what a lost node had in hand (its default), which is safe: the same work gives the same files."""
    ray = _start_ray(workers)
    try:
        task = ray.remote(num_cpus=1)(_call)
        width = workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        waiting = list(reversed(items))
        running: dict[Any, Item] = {}
        while waiting or running:
            while waiting and len(running) < width:
                item = waiting.pop()
                running[task.remote(work, item)] = item
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            yield running.pop(done), ray.get(done)
    finally:
        ray.shutdown()


def _call(work: Callable[[Item], Outcome], item: Item) -> Outcome:
    """What Ray is given, which takes functions only, not whatever can be called."""
    return work(item)


def _start_ray(workers: int | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("expected Ray for --engine ray; install it with: pip install '.[ray]'") from error
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if "RAY_ADDRESS" not in os.environ:
        os.environ.setdefault(
            "RAY_worker_niceness", "0"
        )  # Ray's 15 starves on a machine that does anything else
        settings |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
    ray.init(**settings)
    return ray
