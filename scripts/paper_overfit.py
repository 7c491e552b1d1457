"""Shows that preset `paper` learns, at its real size, on a few clips: for a machine with a GPU and nothing else.

    python scripts/paper_overfit.py pack SHARDS -o runs/overfit          here: a folder of about 20 MB to carry
    python scripts/paper_overfit.py run runs/overfit -o OUT              there: curves, sheets and a table of costs

`pack` takes short pieces of the clips of different people, VGG16 rounded to 8 bits a weight (for LPIPS; 15 MB
instead of 59), and the two pure Python packages that read MediaPipe's networks. `run` trains the stages one after the
other, each for some minutes, and writes `<stage>.svg` (its losses), `<stage>.jpg` (its last sample sheet) and
`costs.json`: milliseconds a step, its peak of GPU memory, and the losses at the beginning and the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from pdfgc.data.clips import AUDIO_RATE, Clip, ClipSet, write_clip
from pdfgc.errors import InputError
from pdfgc.files import atomic_path
from pdfgc.training.run import train
from pdfgc.weights import locate

log = logging.getLogger(__name__)

MINUTES = {"stage1": 3.0, "stage2-lips": 0.7, "stage2-eyes": 0.4, "stage2-pose": 0.4, "stage3": 3.0}

_PURE_PYTHON = ("tflite", "flatbuffers")
_INK = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")


def pack(shards: Path, folder: Path, people: int, frames: int) -> None:
    """Writes what `run` needs.

    Raises:
        InputError: when `shards` has no clips with pictures and sound.
    """
    clips = ClipSet.open(shards).where(pictures=True, sound=True, min_frames=frames)
    chosen = [group[0] for group in clips.by_identity.values()][:people]
    if not chosen:
        raise InputError(
            f"expected clips of {frames} frames with pictures and sound in {shards}, but none has them"
        )
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    entries = [_write_piece(clip, frames, folder / "shards") for clip in chosen]
    with atomic_path(folder / "shards" / "index.json") as temporary:
        temporary.write_text(json.dumps({"clips": entries}))
    save_file(_to_8_bits(load_file(locate("lpips_vgg"))), folder / "vgg.safetensors")
    for package in _PURE_PYTHON:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        target = folder / "site" / package
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(spec.origin).parent, target, ignore=shutil.ignore_patterns("__pycache__"))


def run(folder: Path, out: Path, stages: list[str], minutes: dict[str, float], changes: list[str]) -> None:
    """Trains the stages and writes what is to be seen and known of them."""
    sys.path.append(str(folder / "site"))
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.gettempdir()) / "paper_overfit"
    work.mkdir(exist_ok=True)
    save_file(_from_8_bits(load_file(folder / "vgg.safetensors")), work / "vgg.safetensors")
    common = [
        f"paper.teachers.perceptual_file={work / 'vgg.safetensors'}",
        "training.checkpoint_minutes=0",
        "training.sample_every=100",
        "training.validate_every=100",
        "training.warmup=50",
        "training.workers=14",
        "stages.stage2_eyes.training.sample_every=0",
        "training.ema=0.99",
        "paper.adversarial_from=500",
        "paper.teachers_from=500",
        *changes,
    ]
    costs: dict[str, Any] = {}
    for stage in stages:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        train(
            stage,
            data=folder / "shards",
            run=work / "run",
            preset="paper",
            changes=common,
            max_minutes=minutes[stage],
        )
        costs[stage] = _report(work / "run" / stage, out, stage)
        with atomic_path(out / "costs.json") as temporary:
            temporary.write_text(json.dumps(costs, indent=1) + "\n")


def _write_piece(clip: Clip, frames: int, folder: Path) -> dict[str, Any]:
    """A clip's first frames as a clip of their own; its entry in the index."""
    with clip._open() as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    end = int(tensors["picture_offsets"][frames])
    samples = int((clip.times()[frames - 1] + 0.1) * AUDIO_RATE)
    for name in ("mesh", "blendshapes", "matrices", "ticks", "frames"):
        tensors[name] = tensors[name][:frames]
    tensors["picture_offsets"] = tensors["picture_offsets"][: frames + 1]
    tensors["pictures"], tensors["audio"] = tensors["pictures"][:end], tensors["audio"][:samples]
    info = replace(clip.info, frames=frames, samples=len(tensors["audio"]))
    path = folder / clip.path.name
    write_clip(path, info, tensors)
    return {"file": path.name, "info": info.to_json()}


def _to_8_bits(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Convolutions as whole numbers with one scale for each output."""
    packed = {}
    for name, value in state.items():
        if value.ndim == 4:
            scale = np.abs(value).max((1, 2, 3), keepdims=True) / 127
            packed[f"{name}:whole"] = np.rint(value / scale).astype(np.int8)
            packed[f"{name}:scale"] = scale.astype(np.float32)
        else:
            packed[name] = value
    return packed


def _from_8_bits(packed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    state = {name: value for name, value in packed.items() if ":" not in name}
    for name, value in packed.items():
        if name.endswith(":whole"):
            base = name.removesuffix(":whole")
            state[base] = value.astype(np.float32) * packed[f"{base}:scale"]
    return state


def _report(folder: Path, out: Path, stage: str) -> dict[str, Any]:
    """Writes a stage's curves and last sheet; returns its costs and losses."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    with atomic_path(out / f"{stage}.svg") as temporary:
        temporary.write_text(curves(lines))
    sheets = sorted((folder / "samples").glob("*")) if (folder / "samples").is_dir() else []
    if sheets:
        import cv2

        sheet = np.asarray(cv2.imread(str(sheets[-1])))
        cv2.imwrite(str(out / f"{stage}.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])
    half = [line["seconds"] for line in lines[len(lines) // 2 :]]
    edge = max(len(lines) // 20, 1)
    names = [name for name in _named(lines) if name != "seconds"]
    return {
        "steps": len(lines),
        "ms_per_step": round(1000 * statistics.median(half), 1),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)
        if torch.cuda.is_available()
        else None,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "first": {name: _mean(lines[:edge], name) for name in names},
        "last": {name: _mean(lines[-edge:], name) for name in names},
        "validation": next((line["validation"] for line in reversed(lines) if "validation" in line), None),
    }


def _named(lines: list[dict[str, Any]]) -> list[str]:
    """Every number that some line of a log holds; a loss may begin later than the others."""
    found = {name: None for line in lines for name, value in line.items() if isinstance(value, float)}
    return list(found)


def _mean(lines: list[dict[str, Any]], name: str) -> float | None:
    values = [line[name] for line in lines if name in line]
    return round(statistics.fmean(values), 6) if values else None


def curves(lines: list[dict[str, Any]], width: int = 720, height: int = 360) -> str:
    """An SVG picture of the losses of a log, each over its own first value, on a logarithmic scale."""
    skipped = ("gradient", "total", "learning_rate", "seconds", "score", "step")
    names = [name for name in _named(lines) if not any(part in name for part in (*skipped, "adversarial"))]
    drawn, labels = [], []
    for number, name in enumerate(names):
        values = np.array([line.get(name, np.nan) for line in lines], float)
        block = max(len(values) // 200, 1)
        blocks = values[: len(values) // block * block].reshape(-1, block)
        smooth = blocks[~np.isnan(blocks).any(1)].mean(1)
        if len(smooth) == 0:
            continue
        relative = np.log10(np.clip(smooth / smooth[0], 1e-2, 1e1))  # 0.01 .. 10
        x = 50 + (width - 60) * (np.arange(len(blocks))[-len(smooth) :] + 0.5) / len(blocks)
        y = 10 + (height - 40) * (1 - relative) / 3
        ink = _INK[number % len(_INK)]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        drawn.append(f'<polyline fill="none" stroke="{ink}" stroke-width="1.5" points="{points}"/>')
        place = 24 + 16 * number
        text = f"{name}: {smooth[0]:.3g} to {smooth[-1]:.3g}"
        labels.append(f'<text x="{width - 230}" y="{place}" fill="{ink}">{text}</text>')
    for power in (-2, -1, 0, 1):
        y_line = 10 + (height - 40) * (1 - power) / 3
        drawn.append(f'<path d="M50 {y_line:.1f}H{width - 10}" stroke="#ddd"/>')
        labels.append(f'<text x="8" y="{y_line + 4:.1f}">{10.0**power:g}</text>')
    labels.append(f'<text x="50" y="{height - 8}">{len(lines)} steps; every loss over its first value</text>')
    body = "".join([*drawn, *labels])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>{body}</svg>\n'
    )


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    packing = verbs.add_parser("pack")
    packing.add_argument("shards", type=Path)
    packing.add_argument("-o", "--output", type=Path, required=True)
    packing.add_argument("--people", type=int, default=6)
    packing.add_argument("--frames", type=int, default=40)
    running = verbs.add_parser("run")
    running.add_argument("folder", type=Path)
    running.add_argument("-o", "--output", type=Path, required=True)
    running.add_argument("--stages", nargs="+", default=list(MINUTES), choices=list(MINUTES))
    running.add_argument("--minutes", type=float, help="of every stage, in place of its own")
    running.add_argument("--set", nargs="*", default=[], dest="changes", metavar="KEY=VALUE")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if given.verb == "pack":
        pack(given.shards, given.output, given.people, given.frames)
        return
    minutes = MINUTES if given.minutes is None else dict.fromkeys(MINUTES, given.minutes)
    run(given.folder, given.output, given.stages, minutes, given.changes)


if __name__ == "__main__":
    main()
