"""One training process at a time in a run folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdfgc.errors import InputError
from pdfgc.training.lock import locked

HOLDER = """
import sys, time, os
from pathlib import Path
from pdfgc.training.lock import locked
with locked(Path(sys.argv[1])):
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
            locked(tmp_path),
        ):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    before = time.monotonic()
    with locked(tmp_path):
        assert f"process {os.getpid()} on" in (tmp_path / ".lock").read_text()
    assert time.monotonic() - before < 2


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            pass


def test_the_command_line_says_who_trains(tmp_path: Path) -> None:
    from synthetic import write_clip_set

    write_clip_set(tmp_path / "shards")
    run = tmp_path / "run"
    run.mkdir()
    with locked(run):
        words = ["train", "stage1", "--data", str(tmp_path / "shards"), "--run", str(run), "--preset", "tiny"]
        second = subprocess.run(
            [sys.executable, "-m", "pdfgc.cli", *words], capture_output=True, text=True, check=False
        )
    assert second.returncode == 2
    assert f"process {os.getpid()}" in second.stderr and "use another --run" in second.stderr
    assert not (run / "stage1").exists()
