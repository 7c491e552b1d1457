"""One training process at a time in a run folder."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pdfgc.errors import InputError

log = logging.getLogger(__name__)


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Within the block, no other process may train into the run folder.

    The system gives the lock back however its process ends, so a killed one blocks nobody. The file `.lock` stays.

    Raises:
        InputError: when another process trains into the folder.
    """
    with open(run / ".lock", "a+") as file:
        _take(file, run)
        yield


def _take(file: IO[str], run: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        log.warning("nothing keeps a second process from training into %s on this system", run)
        return
    try:
        # The lock of a process, not of an open file: the workers that make batches do not inherit it, so it ends with
        # the training process even where they outlive it for some seconds.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        file.seek(0)
        other = file.read().strip() or "another process"
        raise InputError(
            f"{other} is training into {run}; wait for it, stop it, or use another --run"
        ) from error
    except OSError as error:  # a file system without locks
        log.warning("nothing keeps a second process from training into %s (%s)", run, error)
        return
    file.seek(0)
    file.truncate()
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
