"""Freed memory is kept, where the system's allocator can be told."""

from __future__ import annotations

import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import numpy as np
from pdfgc.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    raise SystemExit(3)
def work():
    for _ in range(20):
        maps = [np.ones(6_000_000, np.float32) for _ in range(4)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("no glibc here")
    return int(done.stdout)


def test_maps_are_not_fetched_from_the_system_again_and_again() -> None:
    assert _faults("keep") * 2 < _faults("usual")
