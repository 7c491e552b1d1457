"""C files are compiled where that is possible and safe, and nothing fails where it is not."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pdfgc import compiled

SOURCE = "int twice(int number) { return 2 * number; }\n"

needs_compiler = pytest.mark.skipif(
    os.name != "posix" or not any(map(shutil.which, ("cc", "gcc", "clang"))),
    reason="this machine has no C compiler",
)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A C file, and a cache of its own."""
    monkeypatch.setenv("PDFGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PDFGC_COMPILE", raising=False)
    monkeypatch.delenv("CC", raising=False)
    path = tmp_path / "twice.c"
    path.write_text(SOURCE)
    return path


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "compiled").iterdir())


@needs_compiler
def test_a_file_is_compiled_once(source: Path, tmp_path: Path) -> None:
    library = compiled.load(source)
    assert library is not None
    assert library.twice(21) == 42
    (file,) = kept(tmp_path)
    made = file.stat().st_mtime_ns
    assert compiled.load(source) is not None
    assert [f.stat().st_mtime_ns for f in kept(tmp_path)] == [made]
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o077 == 0


@needs_compiler
def test_another_source_is_another_library(source: Path, tmp_path: Path) -> None:
    compiled.load(source)
    source.write_text(SOURCE.replace("2 *", "3 *"))
    library = compiled.load(source)
    assert library is not None
    assert library.twice(21) == 63
    assert len(kept(tmp_path)) == 2


@needs_compiler
def test_two_processes_compile_at_once(source: Path, tmp_path: Path) -> None:
    code = f"import sys; from pathlib import Path; from pdfgc import compiled\n\
assert compiled.load(Path({str(source)!r})).twice(4) == 8"
    path = os.pathsep.join(part for part in sys.path if part)
    both = [
        subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert len(kept(tmp_path)) == 1


@needs_compiler
@pytest.mark.parametrize(
    "variable", [("PDFGC_COMPILE", "0"), ("CC", "no-such-compiler"), ("CC", "false"), ("CC", "'")]
)
def test_without_a_compiler_there_is_none(
    variable: tuple[str, str], source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(*variable)
    with caplog.at_level(logging.INFO):
        assert compiled.load(source) is None
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.INFO


def test_a_machine_without_compilers(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert compiled.load(source) is None


@needs_compiler
def test_a_broken_source_is_none_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    source.write_text("no C\n")
    assert compiled.load(source) is None
    assert kept(tmp_path) == []


@needs_compiler
def test_without_a_folder_there_is_none(source: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    assert compiled.load(source) is None


@needs_compiler
@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_others_may_write_is_not_loaded(which: str, source: Path, tmp_path: Path) -> None:
    assert compiled.load(source) is not None
    (file,) = kept(tmp_path)
    (file if which == "file" else file.parent).chmod(0o777)
    assert compiled.load(source) is None


@needs_compiler
@pytest.mark.parametrize("which", ["file", "folder"])
def test_what_others_own_is_not_loaded(
    which: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled.load(source) is not None
    (file,) = kept(tmp_path)
    others = file if which == "file" else file.parent
    plain = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        status = list(plain(path))
        status[4] += path == others
        return os.stat_result(status)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert compiled.load(source) is None


@needs_compiler
def test_a_link_is_not_loaded(source: Path, tmp_path: Path) -> None:
    assert compiled.load(source) is not None
    (file,) = kept(tmp_path)
    file.rename(tmp_path / "elsewhere.so")
    file.symlink_to(tmp_path / "elsewhere.so")
    assert compiled.load(source) is None


@needs_compiler
def test_a_damaged_library_is_none(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "compiled"
    folder.mkdir(mode=0o700, parents=True)
    compiler = compiled._compiler() + compiled._FLAGS + [compiled._for_this_machine()]
    (folder / f"twice-{compiled._fingerprint(compiler, source)}.so").write_bytes(b"no library")
    assert compiled.load(source) is None
