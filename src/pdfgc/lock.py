"""One process at a time works on a folder."""

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
def locked(folder: Path, doing: str, instead: str) -> Iterator[bool]:
    """Within the block, no other process gets the folder's lock.

    The system gives the lock back however its process ends, so a killed one blocks nobody. The file `.lock` stays.

    Args:
        folder: has to exist.
        doing: what is done with the folder, to tell others: `training into`.
        instead: what others may use in its place: `another --run`.

    Yields:
        Whether there is a lock: some systems have none, and then a warning says so.

    Raises:
        InputError: when another process has the lock.
    """
    with open(folder / ".lock", "a+") as file:
        yield _take(file, f"{doing} {folder}", instead)


def _take(file: IO[str], doing: str, instead: str) -> bool:
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        log.warning("nothing keeps a second process from %s on this system", doing)
        return False
    try:
        # The lock of a process, not of an open file: workers do not inherit it, so it ends with the process that
        # started them even where they outlive it for some seconds.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        file.seek(0)
        other = file.read().strip() or "another process"
        raise InputError(f"{other} is {doing}; wait for it, stop it, or use {instead}") from error
    except OSError as error:  # a file system without locks
        log.warning("nothing keeps a second process from %s (%s)", doing, error)
        return False
    file.seek(0)
    file.truncate()
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return True
