"""Output files that are either complete or absent, and what names a file's content."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pdfgc.errors import InputError

BLOCK = 1 << 20
"""Bytes read at once."""


_UNFINISHED = re.compile(r"\..+\.\d+\.part(\.[^.]+)?")
"""Temporary names that `atomic_path` gives."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A disk without room, a quota used up, a file larger than is allowed."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in blocks.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_output(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is to be written, checked before any long work starts.

    Raises:
        InputError: when the path is a folder, or its folder is missing or cannot be written to.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} is a folder, but the output must be a file")
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} for the output {target.name} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {target.parent} for the output {target.name} cannot be written to")
    return target


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder at `path`, made with those above it when it is missing.

    Raises:
        InputError: when a file is in its place.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"expected a folder at {folder}, but a file is in its place") from error
    return folder


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    The temporary name is hidden, holds `.part`, and keeps the suffix, because writers of pictures and videos
    choose their format by it. An older file at `path` stays untouched until the new one is complete; anything
    that leaves the block early, Ctrl-C included, leaves nothing behind.

    Raises:
        InputError: as `check_output`.
        OSError: as `naming_in_errors`, among others.
    """
    target = check_output(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part{target.suffix}")
    try:
        with naming_in_errors(target, temporary):
            yield temporary
            temporary.chmod(_usual_mode())  # some writers make files that only their owner may read
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text in UTF-8, complete or not at all.

    Raises:
        InputError, OSError: as `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def naming_in_errors(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Has errors of a full disk name the file that the block writes: those of `write` and of safetensors name none.

    Args:
        path: the file.
        temporary: where it is written until it is complete, a name that nobody knows.

    Raises:
        OSError: the disk is full, a quota is used up, or safetensors cannot write.
    """
    try:
        yield
    except SafetensorError as error:
        raise OSError(errno.EIO, f"cannot be written ({error})", os.fspath(path)) from error
    except OSError as error:
        ours = temporary is not None and temporary.name in str(error.filename)
        if error.errno not in _FULL or (error.filename is not None and not ours):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def remove_unfinished(folder: Path) -> None:
    """Deletes what killed processes left of `atomic_path` in a folder and its sub-folders.

    Only for a folder of pdfgc's own whose lock is held (`lock.locked` says so): nothing tells them from files that
    others are writing now.
    """
    for path in folder.rglob(".*.part*"):
        if _UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _usual_mode() -> int:
    """The permissions of a new file; the system tells its mask only in exchange for another."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
