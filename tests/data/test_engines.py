"""Work on several processes, and on a real Ray."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdfgc.data.engines import run
from pdfgc.errors import InputError


def square(number: int) -> tuple[int, int]:
    if number < 0:
        raise InputError(f"expected a positive number, but got {number}")
    return number * number, os.getpid()


def test_here_it_is_this_process() -> None:
    outcomes = list(run(square, [1, 2, 3], workers=None))
    assert outcomes == [(n, (n * n, os.getpid())) for n in (1, 2, 3)]
    with pytest.raises(InputError, match="at least 1 worker"):
        list(run(square, [1], workers=0))


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from pdfgc.data.engines import run\n"
        "def work(number):\n"
        "    if number > 1: time.sleep(60)\n"
        "    return os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    for _, worker in run(work, [0, 1, 2, 3], workers=2): print(worker, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    workers = {int(process.stdout.readline()) for _ in range(2)}
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


@pytest.mark.slow
def test_on_ray_every_item_is_done_once_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install '.[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    # functions of a test file are no module that a worker could import
    monkeypatch.setattr(square, "__module__", "__main__")
    outcomes = []
    with pytest.raises(InputError, match="but got -1"):
        for outcome in run(square, [1, 2, 3, 4, -1], workers=1, engine="ray"):
            outcomes.append(outcome)
    assert [(item, outcome[0]) for item, outcome in outcomes] == [(n, n * n) for n in (1, 2, 3, 4)]
    assert os.getpid() not in {outcome[1] for _, outcome in outcomes}


def test_ray_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="install it with"):
        list(run(square, [1], workers=1, engine="ray"))
