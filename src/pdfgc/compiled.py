"""C files of this package, compiled on the machine that runs them.

What torch does in many small steps a compiler makes one loop of. It is found, not required: whoever asks for a library
has another way to do the same. A library is compiled once for each machine and kept beside other cached files.

`CC` names the compiler; `PDFGC_COMPILE=0` forbids compiling.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from pdfgc.weights import cache_folder

log = logging.getLogger(__name__)

_TIMEOUT = 120
"""Seconds after which a compiler is given up."""

_FLAGS = [
    *("-std=c99", "-O3", "-fPIC", "-shared"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"),
]
"""Products and sums in one instruction; no errors of single numbers asked for; loops as their comments allow."""


def load(source: Path) -> ctypes.CDLL | None:
    """A C file's functions, compiled if they are not yet.

    Args:
        source: one file of C99 that needs the standard library alone.

    Returns:
        The library; None where there is none to be had: no compiler, one that fails, no folder of our own to keep the
        library in, another system than a POSIX one, or `PDFGC_COMPILE=0`. The log says which.
    """
    try:
        return ctypes.CDLL(str(_library(source)))
    except (OSError, ValueError, RuntimeError, subprocess.SubprocessError) as error:
        log.info("%s is not compiled: %s", source.name, error)
        return None


def _library(source: Path) -> Path:
    """The compiled file, made where it is missing.

    Raises:
        OSError, ValueError, RuntimeError, SubprocessError: there is none to be had.
    """
    if os.environ.get("PDFGC_COMPILE") == "0":
        raise RuntimeError("PDFGC_COMPILE forbids it")
    if os.name != "posix":
        raise RuntimeError("this is no POSIX system")
    command = [*_compiler(), *_FLAGS, _for_this_machine()]
    folder = _own_folder()
    library = folder / f"{source.stem}-{_fingerprint(command, source)}.so"
    if not library.exists():
        _compile(command, source, library)
    _check_ours(library)
    return library


def _compiler() -> list[str]:
    """The command of the compiler.

    Raises:
        RuntimeError: there is none.
    """
    named = shlex.split(os.environ.get("CC", ""))
    if named:
        return named
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise RuntimeError("no C compiler was found")


def _for_this_machine() -> str:
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
    return "-march=native" if x86 else "-mcpu=native"


def _fingerprint(command: list[str], source: Path) -> str:
    """Names what decides on the machine code: source, flags, and the macros of the compiler.

    The macros tell its version and every set of instructions of this machine that it would use, so that a home shared
    by different machines holds a library for each.
    """
    macros = _run([*command, "-dM", "-E", "-x", "c", "-"])
    return hashlib.sha256(
        b"\0".join([shlex.join(command).encode(), macros, source.read_bytes()])
    ).hexdigest()[:32]


def _own_folder() -> Path:
    """Where libraries are kept; others may not write there, for what lies there is run.

    Raises:
        OSError, RuntimeError: it cannot be made, or it is not ours alone.
    """
    folder = cache_folder() / "compiled"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_ours(folder)
    return folder


def _check_ours(path: Path) -> None:
    status = path.lstat()
    linked = stat.S_ISLNK(status.st_mode)
    if linked or status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RuntimeError(f"{path} is not ours alone to write")


def _compile(command: list[str], source: Path, library: Path) -> None:
    """Makes the file at once or not at all, so that processes that do it at the same time do not disturb each other."""
    with tempfile.TemporaryDirectory(dir=library.parent) as name:
        made = Path(name) / library.name
        _run([*command, "-o", str(made), str(source)])
        made.chmod(0o700)  # whatever files are made with usually
        os.replace(made, library)


def _run(command: list[str]) -> bytes:
    """What a command writes.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return done.stdout
