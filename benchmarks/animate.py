"""Frames a second from precomputed motion tracks to the mp4, by step.

    python benchmarks/animate.py demo/astronaut.jpg --frames 250 --threads 2

    PYTHONPATH=src python benchmarks/animate.py --device cuda --batch 1 8 32    # without a portrait: render.py

With several engines their runs take turns, so that other work slows all alike.

Timed: `motion` (loading the track, resampling it to the output's clock), `render` (the generator), `view`
(resizing, or pasting back into the photograph), `encode` (H.264, and sound where there is some). Not timed:
loading the model, finding and encoding the portrait, and a warm-up of `--warmup` frames. Other work on the
machine slows all of it: the load average is part of the result.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pdfgc
import render
from pdfgc.allocator import keep_freed_memory
from pdfgc.avatar import Avatar
from pdfgc.model_digest import weights_digest
from pdfgc.motion import MotionTrack

STEPS = ("motion", "render", "view", "encode")


class TimedModel:
    """A model whose `render` is timed; all else passes through."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def render(self, portrait: Any, codes: dict[str, np.ndarray]) -> np.ndarray:
        """As the model's own."""
        start = time.perf_counter()
        frames = self.model.render(portrait, codes)
        self.seconds += time.perf_counter() - start
        return frames


def run(
    avatar: Avatar, options: argparse.Namespace, track: Path, frames: int, folder: Path
) -> dict[str, float]:
    """Seconds of each step for `frames` frames."""
    from pdfgc.media.audio import AudioSource
    from pdfgc.media.video import VideoWriter

    timed = TimedModel(avatar.model)
    avatar.model = timed
    start = time.perf_counter()
    performance = avatar.animate(
        track=MotionTrack.load(track),
        audio=options.audio,
        lips=None if options.audio is None else "hold",
        fps=options.fps,
        duration=frames / options.fps,
        size=options.size,
        paste_back=options.paste_back,
    )
    motion = time.perf_counter() - start
    encode = 0.0
    writer = VideoWriter(
        folder / "out.mp4",
        width=performance.width,
        height=performance.height,
        fps=performance.fps,
        audio=None if options.audio is None else AudioSource(options.audio),
    )
    with writer:
        for frame in performance:
            before = time.perf_counter()
            writer.write(frame)
            encode += time.perf_counter() - before
        before = time.perf_counter()
    end = time.perf_counter()
    encode += end - before
    avatar.model = timed.model
    view = end - start - motion - encode - timed.seconds
    return {"motion": motion, "render": timed.seconds, "view": view, "encode": encode, "total": end - start}


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    positive: Callable[[str], int] = _positive
    parser.add_argument("portrait", type=Path, nargs="?", help="without one, the render loop alone is timed")
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; onnx runs on the CPU")
    parser.add_argument("--engine", nargs="+", choices=("torch", "onnx"), default=["torch"])
    parser.add_argument("--batch", nargs="+", type=positive, default=[1, 8, 32], help="without a portrait")
    parser.add_argument("--track", type=Path, help="a saved track; default: every code swings gently")
    parser.add_argument("--audio", type=Path, help="sound to mux in; it does not drive the lips here")
    parser.add_argument("--frames", type=positive, default=250)
    parser.add_argument("--warmup", type=positive, default=16)
    parser.add_argument("--repeats", type=positive, default=3, help="the median run is reported")
    parser.add_argument("--fps", type=Fraction, default=Fraction(25))
    parser.add_argument("--size", type=positive, default=None)
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--paste-back", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the result here")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def main(words: list[str] | None = None) -> None:
    """Runs the benchmark and writes a table to standard output."""
    options = parse(words)
    if options.portrait is None:
        render.main(render_words(options))
        return
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as the command line does
    load_before = os.getloadavg()[0]
    runs = time_engines(options)
    result = {
        "model": weights_digest(pdfgc.load(options.model, device="cpu")),
        "frames": options.frames,
        "threads": options.threads,
        "paste_back": options.paste_back,
        "load_average_before": load_before,
        "engines": {engine: summarise(timed, options.frames) for engine, timed in runs.items()},
    }
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for engine, numbers in result["engines"].items():
        lines = [f"{step:8} {ms:8.2f} ms/frame" for step, ms in numbers["milliseconds_a_frame"].items()]
        rate = f"{numbers['frames_per_second']:.1f} frames a second"
        sys.stdout.write("\n".join([*lines, f"{engine}: {rate}, load average before {load_before:.1f}\n"]))


def render_words(options: argparse.Namespace) -> list[str]:
    """The command line of `render.py` for the same comparison."""
    words = ["--model", options.model, "--device", options.device, "--engine", *options.engine]
    words += ["--batch", *map(str, options.batch), "--frames", str(options.frames)]
    words += ["--repeats", str(options.repeats), "--threads", str(options.threads)]
    return words if options.json is None else [*words, "--json", str(options.json)]


def time_engines(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Seconds of each step, for each engine and repeat; the engines take turns."""
    avatars = {
        engine: Avatar(
            pdfgc.load(options.model, device="cpu" if engine == "onnx" else options.device, engine=engine),
            options.portrait,
        )
        for engine in options.engine
    }
    runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in avatars}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        track = options.track
        if track is None:
            track = folder / "gentle.motion.safetensors"
            codes = next(iter(avatars.values())).codes
            render.moving_track(codes, options.frames, options.fps).save(track)
        for avatar in avatars.values():
            run(avatar, options, track, options.warmup, folder)
        for _ in range(options.repeats):
            for engine, avatar in avatars.items():
                runs[engine].append(run(avatar, options, track, options.frames, folder))
    return runs


def summarise(runs: list[dict[str, float]], frames: int) -> dict[str, Any]:
    """The median run of an engine, by step, and the rate of every run."""
    seconds = sorted(runs, key=lambda r: r["total"])[len(runs) // 2]
    return {
        "frames_per_second": frames / seconds["total"],
        "all_runs_frames_per_second": [frames / r["total"] for r in runs],
        "milliseconds_a_frame": {step: 1000 * seconds[step] / frames for step in (*STEPS, "total")},
    }


if __name__ == "__main__":
    main()
