"""One process at a time works on a folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdfgc.errors import InputError
from pdfgc.lock import locked

TRAINING = ("training into", "another --run")

HOLDER = """
import sys, time, os
from pathlib import Path
from pdfgc.lock import locked
with locked(Path(sys.argv[1]), "training into", "another --run"):
    if os.fork() == 0:  # like a worker that makes batches, it outlives its parent
        time.sleep(3)
        os._exit(0)
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(InputError, match=rf"process {holder.pid} on \S+ is training into"),
            locked(tmp_path, *TRAINING),
        ):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    before = time.monotonic()
    with locked(tmp_path, *TRAINING):
        assert f"process {os.getpid()} on" in (tmp_path / ".lock").read_text()
    assert time.monotonic() - before < 2


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path, *TRAINING):
            pass


def test_the_command_line_says_who_trains(tmp_path: Path) -> None:
    from synthetic import write_clip_set

    write_clip_set(tmp_path / "shards")
    run = tmp_path / "run"
    run.mkdir()
    with locked(run, *TRAINING):
        words = ["train", "stage1", "--data", str(tmp_path / "shards"), "--run", str(run), "--preset", "tiny"]
        second = subprocess.run(
            [sys.executable, "-m", "pdfgc.cli", *words], capture_output=True, text=True, check=False
        )
    assert second.returncode == 2
    assert f"process {os.getpid()}" in second.stderr and "use another --run" in second.stderr
    assert not (run / "stage1").exists()


def test_the_command_line_says_who_prepares(tmp_path: Path) -> None:
    from synthetic import write_face_video

    clips, shards = tmp_path / "clips", tmp_path / "shards"
    clips.mkdir()
    write_face_video(clips / "wall_1.mp4", frames=2, face=False)
    unfinished = shards / "clips" / ".anna_1.mp4.safetensors.123.part.safetensors"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half")
    command = [sys.executable, "-m", "pdfgc.cli", "prepare", str(clips), "-o", str(shards)]
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(shards)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert second.stderr == (
            f"pdfgc: process {holder.pid} on {socket.gethostname()} is preparing into {shards}; wait for it, "
            "stop it, or use another output folder\n"
        )
        assert unfinished.exists()  # what the other one is writing
    finally:
        holder.kill()
        holder.wait()
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (third.returncode, unfinished.exists()) == (0, False)


def test_it_says_whether_there_is_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path, "working on", "another") as alone:
        assert alone
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with locked(tmp_path, "working on", "another") as alone:
        assert not alone
