"""Outputs are complete or absent."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pdfgc.errors import InputError
from pdfgc.files import BLOCK, atomic_path, check_output, make_folder, remove_unfinished, sha256_of


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".mp4"
        assert ".part" in temporary.name
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_may_be_read_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with atomic_path(tmp_path / "a") as temporary:
        temporary.touch(mode=0o600)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: No space left on device"),
    ],
)
def test_a_full_disk_is_said_of_the_file_that_is_written(tmp_path: Path, error: Exception) -> None:
    target = tmp_path / "a.mp4"
    with pytest.raises(OSError, match=r"No space|too large") as caught, atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert caught.value.filename == str(target) and not list(tmp_path.iterdir())


def test_a_full_disk_is_not_said_of_a_name_that_nobody_knows(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    with pytest.raises(OSError, match="too large") as caught, atomic_path(target) as temporary:
        raise OSError(errno.EFBIG, "File too large", f"file:{temporary}")  # as PyAV says it
    assert caught.value.filename == str(target)


def test_of_two_files_the_one_that_does_not_fit_is_named(tmp_path: Path) -> None:
    beside = tmp_path / "a.safetensors"
    with (
        pytest.raises(OSError, match="No space") as caught,
        atomic_path(tmp_path / "a.mp4"),
        atomic_path(beside),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(beside)


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "input.wav")
    with pytest.raises(PermissionError) as caught, atomic_path(tmp_path / "a.mp4"):
        raise error
    assert caught.value is error


def test_a_block_that_wrote_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        pass


def test_outputs_are_checked_before_the_work(tmp_path: Path) -> None:
    assert check_output(str(tmp_path / "a.txt")) == tmp_path / "a.txt"
    with pytest.raises(InputError, match="is a folder"):
        check_output(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        check_output(tmp_path / "missing" / "a.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written to"):
        check_output(tmp_path / "a.txt")


@pytest.mark.parametrize("size", [0, 3, BLOCK, BLOCK + 1])
def test_a_file_is_named_by_all_its_bytes(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(content[:size])
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content[:size]).hexdigest()


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "new" / "folder").is_dir()
    assert make_folder(tmp_path / "new").is_dir()
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="a file is in its place"):
            make_folder(place)


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    kept = [tmp_path / name for name in ("a.part.mp4", ".hidden.part.mp4", ".a.12.party", "below/.lock")]
    with atomic_path(tmp_path / "below" / "a.mp4") as video, atomic_path(tmp_path / "bare") as bare:
        left = [Path(shutil.copy(path, f"{path}.copy")) for path in (_touched(video), _touched(bare))]
    for copy, path in zip(left, (video, bare), strict=True):
        copy.rename(path)  # as after `kill -9`
    for path in kept:
        path.touch()
    remove_unfinished(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {
        *kept,
        tmp_path / "below" / "a.mp4",
        tmp_path / "bare",
    }


def _touched(path: Path) -> Path:
    path.touch()
    return path
