"""The render loop alone, codes in and frames out: devices, engines and batch sizes side by side.

    python benchmarks/render.py --engine torch torch-float32 onnx --threads 2
    PYTHONPATH=src python benchmarks/render.py --device cuda --batch 1 8 32 128

It needs neither mediapipe nor av: the portrait is noise behind the canonical face, every code swings gently. Variants
take turns in every repeat, so that other work on the machine slows all alike; a ratio is the median over the repeats of
two neighbouring runs. `torch-float32` is torch as it computes on processors without bfloat16. Not timed: loading, and
one batch of each variant beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from pdfgc.face.geometry import apply_pose, canonical_face
from pdfgc.model import load
from pdfgc.model_digest import weights_digest
from pdfgc.motion import MotionTrack
from pdfgc.networks.motion import BLENDSHAPES
from pdfgc.networks.sketch import draw_sketches

FPS = Fraction(25)


@dataclass(frozen=True)
class Variant:
    """A model and how it is run."""

    name: str
    model: Any
    portrait: Any
    codes: dict[str, np.ndarray]

    def render(self, frames: int, batch: int) -> float:
        """Seconds that so many frames take."""
        with _precision(self.name):
            start = time.perf_counter()
            for first in range(0, frames, batch):
                part = slice(first, min(first + batch, frames))
                self.model.render(self.portrait, {name: code[part] for name, code in self.codes.items()})
            return time.perf_counter() - start

    def images(self, frames: int) -> np.ndarray:
        """The first frames."""
        with _precision(self.name):
            return self.model.render(
                self.portrait, {name: code[:frames] for name, code in self.codes.items()}
            )


def _precision(variant: str) -> AbstractContextManager[object]:
    if variant != "torch-float32":
        return nullcontext()
    return patch("pdfgc.devices.half_precision", lambda kind: None)


def make_variants(names: list[str], model: str, device: str, frames: int) -> Iterator[Variant]:
    """A model for each name, all with the same portrait and the same codes."""
    for name in names:
        loaded: Any = load(model, device=device, engine="onnx" if name == "onnx" else "torch")
        image = np.random.default_rng(0).integers(0, 255, (loaded.size, loaded.size, 3), np.uint8)
        vertices = canonical_face()["vertices"]
        face = torch.cat([vertices, vertices[:1].expand(10, -1)])
        mesh = apply_pose(face, torch.tensor([0.0, 0.0, 0.0, 0.0, 0.1, 0.0])).numpy()
        portrait = loaded.portrait(image, mesh, np.full(BLENDSHAPES, 0.1, np.float32))
        yield Variant(name, loaded, portrait, moving_track(portrait.codes, frames, FPS).codes)


def moving_track(codes: dict[str, np.ndarray], frames: int, fps: Fraction) -> MotionTrack:
    """A track that moves every factor gently about the portrait's own codes `{factor: [D]}`."""
    phase = np.arange(frames)[:, None] / float(fps)
    moved = {
        name: code + 0.1 * np.sin(phase * (1 + np.arange(len(code)) % 7)) for name, code in codes.items()
    }
    return MotionTrack.from_codes({name: m.astype(np.float32) for name, m in moved.items()}, fps=fps)


def sketch_milliseconds(variant: Variant, frames: int) -> float | None:
    """What drawing the sketches takes a frame, which is done on the CPU; None where there are none."""
    if not hasattr(variant.model, "driving_mesh"):
        return None
    codes = {name: code[:frames] for name, code in variant.codes.items()}
    with torch.inference_mode():
        meshes = variant.model.driving_mesh(variant.portrait, codes).cpu().numpy()
    start = time.perf_counter()
    draw_sketches(meshes, variant.model.size)
    return 1000 * (time.perf_counter() - start) / len(meshes)


def psnr(frames: np.ndarray, reference: np.ndarray) -> float:
    """Decibels between uint8 frames; infinite where they are equal."""
    error = float(np.square(frames.astype(np.float64) - reference).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def parse(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    engines = ("torch", "torch-float32", "onnx")
    parser.add_argument("--model", default="small")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1; onnx runs on the CPU")
    parser.add_argument("--engine", nargs="+", choices=engines, default=["torch"], help="variants to compare")
    parser.add_argument("--batch", nargs="+", type=_positive, default=[1, 8, 32])
    parser.add_argument("--frames", type=_positive, default=128, help="of each run")
    parser.add_argument("--repeats", type=_positive, default=5)
    parser.add_argument("--threads", type=_positive, default=None, help="default: torch's own choice")
    parser.add_argument("--json", type=Path, help="also write the result here")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All runs, and what follows from them."""
    load_before = os.getloadavg()[0]
    variants = list(make_variants(options.engine, options.model, options.device, options.frames))
    rates: dict[int, dict[str, list[float]]] = {}
    for batch in options.batch:
        for variant in variants:
            variant.render(batch, batch)
        rates[batch] = {variant.name: [] for variant in variants}
        for _ in range(options.repeats):
            for variant in variants:
                seconds = variant.render(options.frames, batch)
                rates[batch][variant.name].append(options.frames / seconds)
    first = variants[0]
    reference = first.images(8)
    return {
        "model": weights_digest(first.model),
        "device": str(first.model.device),
        "hardware": torch.cuda.get_device_name() if first.model.device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "frames": options.frames,
        "load_average_before": load_before,
        "sketch_milliseconds": sketch_milliseconds(first, 32),
        "psnr_to_the_first": {v.name: psnr(v.images(8), reference) for v in variants[1:]},
        "batches": {
            str(batch): {
                name: {
                    "frames_per_second": median(runs),
                    "all_runs": runs,
                    "times_the_first": median(
                        a / b for a, b in zip(runs, rates[batch][first.name], strict=True)
                    ),
                }
                for name, runs in by_name.items()
            }
            for batch, by_name in rates.items()
        },
    }


def main(words: list[str] | None = None) -> None:
    """Runs the benchmark and writes a table to standard output."""
    options = parse(words)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    result = measure(options)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    out = sys.stdout
    out.write(
        f"{result['hardware']}, torch {result['torch']}, {result['threads']} threads, "
        f"load average before {result['load_average_before']:.1f}\n"
    )
    for batch, by_name in result["batches"].items():
        for name, numbers in by_name.items():
            rate, times = numbers["frames_per_second"], numbers["times_the_first"]
            out.write(f"batch {batch:>3}  {name:14} {rate:8.1f} frames a second  x {times:.2f}\n")
    for name, decibels in result["psnr_to_the_first"].items():
        out.write(f"{name}: {decibels:.1f} dB to {options.engine[0]}\n")
    if result["sketch_milliseconds"] is not None:
        out.write(f"of that, drawing sketches on the CPU: {result['sketch_milliseconds']:.2f} ms a frame\n")


if __name__ == "__main__":
    main()
