"""Clips a second of `pdfgc prepare`, and how they grow with the workers.

    python benchmarks/prepare.py CLIPS --workers 1 2 --rounds 3

Every round prepares the same videos into a new folder with each number of workers in turn, so that other work on the
machine slows all alike. Seconds are of the whole command, start of the workers included; processor seconds are of all
its processes together. The load average before each run is part of the result.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any


def measure(clips: Path, workers: int, engine: str) -> dict[str, Any]:
    """One run of the command."""
    load = os.getloadavg()[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "shards"
        program = Path(sys.executable).with_name("pdfgc")
        command = [str(program), "prepare", str(clips), "-o", str(target), "--quiet"]
        start = time.perf_counter()
        subprocess.run([*command, "--workers", str(workers), "--engine", engine], check=True)
        seconds = time.perf_counter() - start
        index = json.loads((target / "index.json").read_text())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    made, minutes = index["counts"]["clips"], index["counts"]["minutes"]
    return {
        "workers": workers,
        "clips": made,
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 2),
        "clips_a_second": round(made / seconds, 3),
        "seconds_of_film_a_second": round(60 * minutes / seconds, 3),
        "load_before": round(load, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    options = parser.parse_args()
    runs = []
    for _ in range(options.rounds):
        for workers in options.workers:
            runs.append(measure(options.clips, workers, options.engine))
            sys.stderr.write(f"{runs[-1]}\n")
    speeds = {
        workers: median(run["clips_a_second"] for run in runs if run["workers"] == workers)
        for workers in options.workers
    }
    first = speeds[options.workers[0]]
    growth = {workers: round(speed / first, 3) for workers, speed in speeds.items()}
    result = {"cores": os.cpu_count(), "clips_a_second": speeds, "growth": growth, "runs": runs}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
