"""Frames a second from precomputed motion tracks to the mp4, by step.

    python benchmarks/animate.py demo/astronaut.jpg --frames 250 --threads 2

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
from pdfgc.avatar import Avatar
from pdfgc.evaluation.commands import weights_digest
from pdfgc.media.audio import AudioSource
from pdfgc.media.video import VideoWriter
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


def moving_track(codes: dict[str, np.ndarray], frames: int, fps: Fraction) -> MotionTrack:
    """A track that moves every factor gently about the portrait's own codes `{factor: [D]}`."""
    phase = np.arange(frames)[:, None] / float(fps)
    moved = {
        name: code + 0.1 * np.sin(phase * (1 + np.arange(len(code)) % 7)) for name, code in codes.items()
    }
    return MotionTrack.from_codes({name: m.astype(np.float32) for name, m in moved.items()}, fps=fps)


def run(
    avatar: Avatar, options: argparse.Namespace, track: Path, frames: int, folder: Path
) -> dict[str, float]:
    """Seconds of each step for `frames` frames."""
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
    parser.add_argument("portrait", type=Path)
    parser.add_argument("--model", default="small")
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
    torch.set_num_threads(options.threads)
    load_before = os.getloadavg()[0]
    model: Any = pdfgc.load(options.model)
    avatar = Avatar(model, options.portrait)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        track = options.track
        if track is None:
            track = folder / "gentle.motion.safetensors"
            moving_track(avatar.codes, options.frames, options.fps).save(track)
        run(avatar, options, track, options.warmup, folder)
        runs = [run(avatar, options, track, options.frames, folder) for _ in range(options.repeats)]
    seconds = sorted(runs, key=lambda r: r["total"])[len(runs) // 2]
    result = {
        "model": weights_digest(model),
        "frames": options.frames,
        "threads": options.threads,
        "paste_back": options.paste_back,
        "load_average_before": load_before,
        "frames_per_second": options.frames / seconds["total"],
        "all_runs_frames_per_second": [options.frames / r["total"] for r in runs],
        "milliseconds_a_frame": {step: 1000 * seconds[step] / options.frames for step in (*STEPS, "total")},
    }
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    lines = [f"{step:8} {ms:8.2f} ms/frame" for step, ms in result["milliseconds_a_frame"].items()]
    lines.append(f"{result['frames_per_second']:.1f} frames a second, load average before {load_before:.1f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
