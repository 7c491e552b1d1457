"""Shows that preset `paper` learns on a few clips: at its real size on a GPU, or reduced on a processor.

    python scripts/paper_overfit.py pack SHARDS -o runs/overfit          a folder of about 20 MB to carry
    python scripts/paper_overfit.py run runs/overfit -o OUT              curves, sheets and a table of costs

The machine of `run` needs nothing else.

`pack` takes a short piece of the liveliest clip of each of some people, VGG16 rounded to 8 bits a weight (for LPIPS;
15 MB instead of 59), and the two pure Python packages that read MediaPipe's networks. `run` trains the stages one after
the other, each for some minutes, and writes `<stage>.svg` (its losses), `<stage>.jpg` (its last sample sheet) and
`costs.json`: milliseconds a step, its peak of GPU memory, the losses at the beginning and the end, and for stages 1
and 3 how their pictures move with the driver.
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

from pdfgc.config import load_config
from pdfgc.data.clips import AUDIO_RATE, Clip, ClipSet, write_clip
from pdfgc.devices import choose_device
from pdfgc.errors import InputError
from pdfgc.face.geometry import fit_pose
from pdfgc.face.mesh import eye_opening, mouth_opening
from pdfgc.face.paper_view import head_mesh
from pdfgc.files import atomic_path
from pdfgc.priors.teachers import make_face_teacher
from pdfgc.training.loop import Loop
from pdfgc.training.paper.frames import Moment
from pdfgc.training.paper.pictures import to_float
from pdfgc.training.paper.stage1 import PaperStage1
from pdfgc.training.paper.stage3 import PaperStage3
from pdfgc.training.results import Results
from pdfgc.training.run import load_clips, train
from pdfgc.training.stage import Setup
from pdfgc.weights import locate

log = logging.getLogger(__name__)

MINUTES = {"stage1": 3.0, "stage2-lips": 0.7, "stage2-eyes": 0.4, "stage2-pose": 0.4, "stage3": 3.0}

PAINTING: dict[str, type[PaperStage1] | type[PaperStage3]] = {"stage1": PaperStage1, "stage3": PaperStage3}
"""The stages that paint pictures."""

HERE = Path(__file__).parent

_PURE_PYTHON = ("tflite", "flatbuffers")
_INK = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")


def pack(shards: Path, folder: Path, people: int, frames: int) -> None:
    """Writes what `run` needs.

    Raises:
        InputError: when `shards` has no clips with pictures and sound.
    """
    clips = ClipSet.open(shards).where(pictures=True, sound=True, min_frames=frames)
    groups = list(clips.by_identity.values())[:people]
    chosen = [max(group, key=lambda clip: liveliness(clip, frames)) for group in groups]
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


def liveliness(clip: Clip, frames: int) -> float:
    """How far the face moves in the first frames of a clip: the root of its points' mean variance, in crop units."""
    return float(clip.mesh(slice(frames)).var(0).mean() ** 0.5)


def run(
    folder: Path,
    out: Path,
    stages: list[str],
    minutes: dict[str, float],
    changes: list[str],
    preset: str,
    work: Path,
) -> None:
    """Trains the stages and writes what is to be seen and known of them; the run itself lies in `work`."""
    sys.path.append(str(folder / "site"))
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True, parents=True)
    if load_config(preset, changes).paper.teachers.perceptual == "lpips_vgg":
        save_file(_from_8_bits(load_file(folder / "vgg.safetensors")), work / "vgg.safetensors")
        changes = [f"paper.teachers.perceptual_file={work / 'vgg.safetensors'}", *changes]
    costs: dict[str, Any] = {}
    for stage in stages:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        train(
            stage,
            data=folder / "shards",
            run=work / "run",
            preset=preset,
            changes=changes,
            max_minutes=minutes[stage],
        )
        costs[stage] = _report(work / "run" / stage, out, stage)
        if stage in PAINTING:
            costs[stage]["follows"] = motion_followed(stage, folder / "shards", work / "run", preset, changes)
        with atomic_path(out / "costs.json") as temporary:
            temporary.write_text(json.dumps(costs, indent=1) + "\n")


@torch.no_grad()
def motion_followed(
    name: str, data: Path, run_folder: Path, preset: str, changes: list[str]
) -> dict[str, dict[str, Any]]:
    """How a stage's pictures of every frame of its clips move with the frame that drives them.

    The driver paints its own first frame (`own`) and that of the next person (`other`); in stage 3, whose lips follow
    the sound, also its own first frame with lips by the picture (`own, lips seen`). The teacher of L_mot reads what it
    sees in the true and in the painted frames.

    Args:
        name: one of `PAINTING`.
        data, run_folder, preset, changes: what the stage was trained with.

    Returns:
        By portrait, then by measure: correlation and slope of the painted on the true ones, means over clips.
    """
    config = load_config(preset, changes)
    training, held_out = load_clips(data, config)
    folder = run_folder / name
    setup = Setup(config, training, held_out, Results(run_folder, name), folder, run_folder / "cache")
    stage = PAINTING[name](setup)
    for needed in stage.requires:
        setup.earlier.of(needed)
    loop = Loop(stage, config, folder, setup.earlier.used, choose_device("auto"))
    for module in stage.modules.values():
        module.eval()
    faces = stage.faces or make_face_teacher(config.paper.teachers).to(stage.device)
    clips = [group[0] for group in training.by_identity.values()]
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    with loop.averages.in_place():
        for number, clip in enumerate(clips):
            whole = Moment(clip, np.arange(len(clip)))
            driving = to_float(stage.clips.pictures(whole)).to(stage.device)
            meshes = stage.clips.meshes(whole).to(stage.device)
            seen = movements(faces(driving, meshes).mesh)
            other = clips[(number + 1) % len(clips)]
            for kind, source, by_ear in (
                ("own", clip, True),
                ("other", other, True),
                ("own, lips seen", clip, False),
            ):
                if isinstance(stage, PaperStage1) and not by_ear:
                    continue  # it has no ears
                portrait = to_float(stage.clips.pictures(Moment(source, np.array([0])))).to(stage.device)
                made = _painted(stage, portrait.expand_as(driving), driving, whole, by_ear=by_ear)
                painted = movements(faces(made, meshes).mesh)
                for measure, true in seen.items():
                    (variance, both), (_, own) = np.cov(true, painted[measure])
                    r = both / max((variance * own) ** 0.5, 1e-9)
                    pairs = found.setdefault(kind, {}).setdefault(measure, [])
                    pairs.append((r, both / max(variance, 1e-9)))
    return {
        kind: {measure: _mean_fit(pairs) for measure, pairs in measures.items()}
        for kind, measures in found.items()
    }


def _painted(
    stage: PaperStage1 | PaperStage3,
    portrait: torch.Tensor,
    driving: torch.Tensor,
    moment: Moment,
    *,
    by_ear: bool,
) -> torch.Tensor:
    """Pictures `[T, 3, S, S]` of portraits under driving frames, alike; in stage 3 with each frame's own expression."""
    if isinstance(stage, PaperStage1):
        return stage.paint(portrait, driving)
    heard = stage.speech.model(stage.clips.patches(moment).to(stage.device)[:, None])
    ears = torch.full((len(driving),), by_ear, device=stage.device)
    return stage.paint(portrait, stage.codes(driving, stage.expression(driving), heard, ears))


def _mean_fit(pairs: list[tuple[float, float]]) -> dict[str, float]:
    r, slope = np.mean(pairs, 0)
    return {"r": round(float(r), 3), "slope": round(float(slope), 3)}


def movements(mesh: torch.Tensor | None) -> dict[str, np.ndarray]:
    """Measures of meshes `[T, 478, 3]` in units of the view: turns in degrees, the mouth's and the lids' opening."""
    assert mesh is not None  # MediaPipe's teacher finds points
    head = head_mesh(mesh.cpu().numpy())
    pitch, yaw, roll = np.degrees(fit_pose(torch.from_numpy(head))[:, :3].numpy()).T
    lids = np.mean(eye_opening(head), 0)
    return {"pitch": pitch, "yaw": yaw, "roll": roll, "mouth": mouth_opening(head), "lids": lids}


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
    running.add_argument(
        "--preset", default=str(HERE / "paper_overfit.yaml"), help="or paper_reduced.yaml beside it"
    )
    running.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "paper_overfit", help="of the run"
    )
    running.add_argument("--set", nargs="*", default=[], dest="changes", metavar="KEY=VALUE")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if given.verb == "pack":
        pack(given.shards, given.output, given.people, given.frames)
        return
    minutes = MINUTES if given.minutes is None else dict.fromkeys(MINUTES, given.minutes)
    run(given.folder, given.output, given.stages, minutes, given.changes, given.preset, given.work)


if __name__ == "__main__":
    main()
