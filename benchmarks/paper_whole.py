"""Preset `paper` from files to file, timed: the authors' way of inference, restated, and `pdfgc animate`, in one run.

Both read the model, an aligned portrait, three folders of numbered 224 px pictures and a WAV, and write an MP4 with
sound. The authors' way (`paper_inference.theirs`, spec section 4) reads the pictures of every driver for every frame,
wrapping around; both write with the same encoder. A second run of ours takes the portrait and the drivers as a photo
and videos of any framing, which adds finding and tracking the faces and cutting the views out; the authors leave that
to a program of its own, which is not timed here.

    python benchmarks/paper_whole.py --portrait demo/astronaut.jpg --clip CLIP.mp4 --frames 50

The clip is any video of one face, as long as the longest driver: `--drivers` are shares of the frames made. Memory is
measured by `paper_inference.py --memory`, in processes that do nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch

from paper_inference import (
    DRIVEN,
    FPS,
    Inputs,
    Stopwatch,
    random_networks,
    theirs,
    write_sound,
)
from pdfgc.allocator import keep_freed_memory
from pdfgc.cli import main as main_of_pdfgc
from pdfgc.media.audio import AudioSource, read_audio
from pdfgc.media.video import VideoWriter, read_frames
from pdfgc.motion import MotionTrack
from pdfgc.paper_model import PaperModel
from pdfgc.training.results import read_result, write_result

SIZE = 224


def lay_out(options: argparse.Namespace, folder: Path) -> None:
    """Portrait, drivers as folders of pictures and as videos, sound, and a model of random weights."""
    result = random_networks("paper")
    write_result(folder / "model.safetensors", result.tensors, result.about)
    write_sound(folder / "speech.wav", float(options.frames / FPS))
    portrait = next(read_frames(options.portrait)).image[..., ::-1]
    cv2.imwrite(
        str(folder / "portrait.png"), cv2.resize(portrait, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    )
    longest = max(1, round(max(options.drivers) * options.frames))
    pictures = [frame.image for frame in islice(read_frames(options.clip), longest)]
    if len(pictures) < longest:
        raise SystemExit(
            f"a clip of {longest} pictures or more is wanted, {options.clip} has {len(pictures)}"
        )
    for factor, share in zip(DRIVEN, options.drivers, strict=True):
        part = pictures[: max(1, round(share * options.frames))]
        (folder / factor).mkdir()
        for number, picture in enumerate(part):
            small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / factor / f"{number:06d}.png"), small[..., ::-1])
        height, width = picture.shape[:2]
        with VideoWriter(folder / f"{factor}.mp4", width=width, height=height, fps=FPS) as writer:
            for picture in part:
                writer.write(picture)


def their_way(folder: Path, frames: int) -> None:
    """From files to file as the release does it."""
    model = PaperModel(read_result(folder / "model.safetensors"))

    def read(path: Path) -> np.ndarray:
        # the release's margins: resized, cut, resized again
        picture = cv2.resize(next(read_frames(path)).image, (SIZE, SIZE))
        return cv2.resize(picture[:192, 16:208], (SIZE, SIZE))

    names = {factor: sorted((folder / factor).iterdir()) for factor in DRIVEN}
    drivers = {
        factor: np.stack([read(paths[n % len(paths)]) for n in range(frames)])
        for factor, paths in names.items()
    }
    sound = read_audio(folder / "speech.wav")
    inputs = Inputs(read(folder / "portrait.png"), drivers, sound, frames)
    painted = theirs(model, inputs, Stopwatch(torch.device("cpu")))
    pixels = ((painted.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    audio = AudioSource(folder / "speech.wav")
    with VideoWriter(folder / "theirs.mp4", width=SIZE, height=SIZE, fps=FPS, audio=audio) as writer:
        for picture in pixels:
            writer.write(picture)


def our_way(folder: Path, frames: int, portrait: Path, suffix: str, *options: str) -> None:
    """From files to file by `pdfgc animate`."""
    words = ["--quiet", "animate", str(portrait), "--audio", str(folder / "speech.wav")]
    for factor in DRIVEN:
        words += [f"--{factor}", str(folder / f"{factor}{suffix}")]
    words += ["--loop", "wrap", "--device", "cpu", *options]
    words += ["--model", str(folder / "model.safetensors"), "-o", str(folder / "ours.mp4")]
    if main_of_pdfgc(words) != 0:
        raise SystemExit("pdfgc animate failed")
    made = len(MotionTrack.load(folder / "ours.motion.safetensors"))
    if made != frames:
        raise SystemExit(f"{frames} frames wanted, pdfgc animate made {made}")


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock and of the processors."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - begin_cpu


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All three in turns; the best turn of each counts, for other programs only ever add."""
    frames = options.frames
    ways: dict[str, Callable[[], None]] = {
        "ours, aligned": partial(our_way, folder, frames, folder / "portrait.png", "", "--aligned"),
        "ours, tracked": partial(our_way, folder, frames, options.portrait, ".mp4"),
        "theirs": partial(their_way, folder, frames),
    }
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.turns):
        for name, way in ways.items():
            turns[name].append(timed(way))
    return {
        "frames": frames,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "driver_shares": options.drivers,
        "seconds": turns,
        "ms_per_frame": {name: 1000 / frames * min(wall for wall, _ in t) for name, t in turns.items()},
        "processor_ms_per_frame": {
            name: 1000 / frames * min(cpu for _, cpu in t) for name, t in turns.items()
        },
    }


def ratios(seconds: dict[str, list[tuple[float, float]]], name: str, kind: int) -> list[float]:
    """How many times as fast as theirs a way was in each turn; kind 0 on the clock, 1 in processor time."""
    pairs = zip(seconds["theirs"], seconds[name], strict=True)
    return [theirs[kind] / ours[kind] for theirs, ours in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portrait", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--drivers", type=float, nargs=3, default=[0.2, 0.05, 0.17], metavar="SHARE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    with TemporaryDirectory() as name:
        lay_out(options, Path(name))
        result = compare(options, Path(name))
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    for name in ("ours, aligned", "ours, tracked"):
        clock, processor = (
            ", ".join(f"{ratio:.2f}" for ratio in ratios(result["seconds"], name, kind)) for kind in (0, 1)
        )
        sys.stdout.write(
            f"{name}, times as fast, turn by turn: {clock} on the clock, {processor} in processor time\n"
        )


if __name__ == "__main__":
    main()
