"""Preset `paper`, timed: the authors' way of inference, restated, and ours, in one run on the same random weights.

The authors' way (spec section 4): batches of 8 frames; for every frame of the result the three drivers' frames go
through the motion network, whether they were seen before or not; the generator makes a set of weights per frame
(`tests/slow_generator.py`); everything float32. Ours is `pdfgc.paper_model.PaperModel`, which encodes each driver frame
once. Networks only: no decoding, no face search, no video file.

    python benchmarks/paper_inference.py                       # two CPU threads, the demo in small, five minutes
    python benchmarks/paper_inference.py --device cuda --frames 500
    python benchmarks/paper_inference.py --preset paper_tiny --memory 10 60 600
    python benchmarks/paper_inference.py --memory 10 60 600 --memory-fps 1

`--memory` is the peak memory of whole `pdfgc animate` runs, each in a process of its own: aligned portrait, a driver as
long as the sound, video written. The networks' size does not change what grows with length, so small ones show it in
minutes; the published ones do with few frames a second of the same sound.

Driver lengths default to the proportions of the authors' demo (pose, expression, eyes: 0.2, 0.05 and 0.17 of the
sound's length); `--drivers 1 1 1` is the case where every driver is as long as the sound.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pdfgc.allocator import keep_freed_memory
from pdfgc.config import config_to_dict, load_config
from pdfgc.devices import choose_device, half_precision
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.networks.mel import log_mel, paper_filters, paper_window, to_rms
from pdfgc.networks.paper.build import make_networks
from pdfgc.paper_model import PaperModel
from pdfgc.training.results import Result, read_result, write_result
from slow_generator import paint

T = TypeVar("T")

BATCH = 8
WARM_UP = 2
"""Frames before the timed ones."""
FPS = Fraction(25)
DRIVEN = ("pose", "expression", "eyes")


@dataclass
class Stopwatch:
    """Seconds by part: on the clock, and of this process on the CPUs, which other processes disturb less."""

    device: torch.device
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def time(self, part: str, work: Callable[[], T]) -> T:
        """Does the work and adds its time to a part."""
        begin, begin_cpu = time.perf_counter(), time.process_time()
        result = work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.wall[part] = self.wall.get(part, 0.0) + time.perf_counter() - begin
        self.cpu[part] = self.cpu.get(part, 0.0) + time.process_time() - begin_cpu
        return result


@dataclass(frozen=True)
class Inputs:
    """A performance: pictures of noise, and noise that swells as speech does."""

    portrait: np.ndarray
    drivers: dict[str, np.ndarray]
    """`[T, 224, 224, 3]` uint8 by factor; they wrap around."""
    wave: np.ndarray
    frames: int


def make_inputs(size: int, frames: int, shares: list[float]) -> Inputs:
    random = np.random.default_rng(0)
    lengths = [max(1, round(share * frames)) for share in shares]
    drivers = {
        factor: random.integers(0, 256, (length, size, size, 3), np.uint8)
        for factor, length in zip(DRIVEN, lengths, strict=True)
    }
    portrait = random.integers(0, 256, (size, size, 3), np.uint8)
    return Inputs(portrait, drivers, np.concatenate(list(noise(frames / 25))), frames)


def noise(seconds: float) -> Iterator[np.ndarray]:
    """Blocks of a second, the last one shorter: mono, 16 kHz."""
    random, left = np.random.default_rng(1), round(seconds * 16000)
    while left > 0:
        block = min(left, 16000)
        swell = 0.5 + 0.5 * np.sin(np.arange(block) / 16000 * 2 * np.pi * 4)
        yield (0.1 * swell * random.standard_normal(block)).astype(np.float32)
        left -= block


def make_model(options: argparse.Namespace, device: torch.device) -> PaperModel:
    """A model file's networks, or random ones."""
    result = random_networks(options.preset) if options.model is None else read_result(options.model)
    if device.type == "cpu":
        keep_freed_memory()  # as the command line does; it serves both ways
    return PaperModel(result, device)


def random_networks(preset: str) -> Result:
    """Networks of a preset's sizes, the same each time."""
    config = load_config(preset)
    torch.manual_seed(0)
    tensors: dict[str, Tensor] = {
        f"{name}.{key}": tensor
        for name, network in make_networks(config.paper.networks, config.size).items()
        for key, tensor in network.state_dict().items()
    }
    return Result(tensors, {"preset": config.preset, "config": config_to_dict(config), "stages": {}})


@torch.inference_mode()
def theirs(model: PaperModel, inputs: Inputs, watch: Stopwatch) -> Tensor:
    """The authors' way: `[T, 3, S, S]` in -1..1."""
    device = model.device

    def pictures(pixels: np.ndarray) -> Tensor:
        scaled = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()).to(device).float() / 255
        return scaled * 2 - 1

    vector, start = watch.time("portrait", lambda: model.appearance(pictures(inputs.portrait[None])))
    samples = to_rms(torch.from_numpy(inputs.wave))
    mel = watch.time("speech", lambda: log_mel(samples[None], paper_filters(), paper_window())[0].to(device))
    mel = torch.nn.functional.pad(mel, (8, 20))
    codes: dict[str, list[Tensor]] = {factor: [] for factor in FACTORS}
    for first in range(0, inputs.frames, BATCH):
        rows = range(first, min(first + BATCH, inputs.frames))
        patches = torch.stack([mel[:, 4 * row : 4 * row + 20] for row in rows])[:, None]
        heard = watch.time("speech", lambda p=patches: model.speech.encode(model.speech.model(p)))  # type: ignore[misc]
        codes["lips"].append(1.5 * heard)
        seen = np.concatenate([d[[row % len(d) for row in rows]] for d in inputs.drivers.values()])
        answers = watch.time("drivers", lambda s=seen: model.motion(pictures(s)))  # type: ignore[misc]
        for number, factor in enumerate(DRIVEN):
            codes[factor].append(answers[factor][number * len(rows) :][: len(rows)])
    joined = {factor: torch.cat(parts) for factor, parts in codes.items()}
    pose, count = joined["pose"], inputs.frames
    joined["pose"] = torch.stack([pose[max(n - 1, 0) : n + 2].mean(0) for n in range(count)])
    taps = torch.tensor([-0.5, 0.0, -0.5]).exp()
    lips = torch.nn.functional.pad(joined["lips"], (0, 0, 1, 1))
    joined["lips"] = sum(taps[k] / taps.sum() * lips[k : k + count] for k in range(3))  # type: ignore[assignment]
    joined["expression"], joined["eyes"] = 1.2 * joined["expression"], 1.2 * joined["eyes"]
    motion = torch.cat([joined[factor] for factor in FACTORS], 1)
    frames = []
    for part in motion.split(BATCH):
        style = torch.cat([vector.expand(len(part), -1), part], 1)
        map_ = start.expand(len(part), -1, -1, -1)
        painted = watch.time("generator", lambda m=map_, s=style: paint(model.generator, m, s))  # type: ignore[misc]
        frames.append(painted.cpu())
    return torch.cat(frames)


def ours(model: PaperModel, inputs: Inputs, watch: Stopwatch) -> Tensor:
    """The product's way: `[T, 3, S, S]` in -1..1, from 8-bit pixels."""
    portrait = watch.time("portrait", lambda: model.portrait(inputs.portrait))
    codes: dict[str, np.ndarray] = {}
    for factor, seen in inputs.drivers.items():
        code = watch.time("drivers", lambda s=seen: model.encode_pictures(s))[factor]  # type: ignore[misc]
        codes[factor] = code[np.arange(inputs.frames) % len(seen)]
    pose = codes["pose"]
    codes["pose"] = np.stack([pose[max(n - 1, 0) : n + 2].mean(0) for n in range(inputs.frames)])
    lips = watch.time("speech", lambda: np.concatenate(list(model.encode_speech([inputs.wave], FPS))))
    codes["lips"] = lips[: inputs.frames]
    frames = []
    for first in range(0, inputs.frames, BATCH):
        part = {factor: values[first : first + BATCH] for factor, values in codes.items()}
        frames.append(watch.time("generator", lambda p=part: model.render(portrait, p)))  # type: ignore[misc]
    return torch.from_numpy(np.concatenate(frames)).permute(0, 3, 1, 2) / 127.5 - 1


def psnr(a: Tensor, b: Tensor) -> float:
    """Of pictures in -1..1, in dB."""
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def gigaflops(model: PaperModel) -> dict[str, float]:
    """Arithmetic of one frame or picture in each network, multiplications and additions."""
    size = model.size
    picture = torch.zeros(1, 3, size, size, device=model.device)
    with torch.inference_mode():
        vector, start = model.appearance(picture)
        style = torch.cat([vector, vector.new_zeros(1, sum(FACTORS.values()))], 1)
        patch = torch.zeros(1, 1, 80, 20, device=model.device)
        works: dict[str, Callable[[], Any]] = {
            "portrait": lambda: model.appearance(picture),
            "drivers": lambda: model.motion(picture),
            "speech": lambda: model.speech.encode(model.speech.model(patch)),
            "generator": lambda: model.generator(start, style),
        }
        counted = {}
        for part, work in works.items():
            with FlopCounterMode(display=False) as counter:
                work()
            counted[part] = counter.get_total_flops() / 1e9
    return counted


def convolution_rate(device: torch.device) -> float:
    """GFLOP a second of the generator's commonest convolution, 512 channels at 56 pixels, in its best precision."""
    dtype = half_precision(device.type) or torch.float32
    layout = torch.channels_last
    x = torch.randn(BATCH, 512, 56, 56, device=device, dtype=dtype).contiguous(memory_format=layout)
    weight = torch.randn(512, 512, 3, 3, device=device, dtype=dtype).contiguous(memory_format=layout)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(5):
            watch = Stopwatch(device)
            watch.time("once", lambda: torch.nn.functional.conv2d(x, weight, padding=1))
            best = min(best, watch.wall["once"])
    return 2 * BATCH * 512 * 512 * 9 * 56 * 56 / best / 1e9


def compare(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Both ways in turns, warmed up first: a machine's speed may change by a third within minutes."""
    model = make_model(options, device)
    for way in (theirs, ours):
        way(model, make_inputs(model.size, WARM_UP, options.drivers), Stopwatch(device))
    inputs = make_inputs(model.size, options.frames, options.drivers)
    watches: dict[str, list[Stopwatch]] = {"theirs": [], "ours": []}
    for _ in range(options.turns):
        for turns in watches.values():
            turns.append(Stopwatch(device))
        painted = ours(model, inputs, watches["ours"][-1])
        expected = theirs(model, inputs, watches["theirs"][-1])
    difference = psnr(
        painted[1:-1], expected[1:-1]
    )  # lips of the first and last frame are smoothed otherwise
    flops, rate = gigaflops(model), convolution_rate(device)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": str(half_precision(device.type) or torch.float32),
        "frames": options.frames,
        "driver_frames": {factor: len(seen) for factor, seen in inputs.drivers.items()},
        "ms_per_frame": {
            name: {kind: milliseconds(turns, kind, options.frames) for kind in ("wall", "cpu")}
            for name, turns in watches.items()
        },
        "ratios": {
            kind: [
                sum(getattr(slow, kind).values()) / sum(getattr(fast, kind).values())
                for slow, fast in zip(watches["theirs"], watches["ours"], strict=True)
            ]
            for kind in ("wall", "cpu")
        },
        "psnr_db": difference,
        "gflop": flops,
        "convolution_gflop_per_second": rate,
        "floor_ms_per_frame": 1000 * flops["generator"] / rate,
    }


def milliseconds(turns: list[Stopwatch], kind: str, frames: int) -> dict[str, float]:
    """Of a frame by part, the median of the turns; `kind` is `wall` or `cpu`."""
    parts = getattr(turns[0], kind)
    return {part: 1000 / frames * median(getattr(turn, kind)[part] for turn in turns) for part in parts}


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [
        f"{result['device']}, {result['threads']} threads, torch {result['torch']}, {result['precision']}",
        f"{result['frames']} frames, driver frames {result['driver_frames']}",
        f"{'ms a frame':12} {'theirs':>10} {'ours':>10} {'ratio':>7}   {'(CPU time:':>10} {'theirs':>10} {'ours)':>10}",
    ]
    both = result["ms_per_frame"]
    parts = ["portrait", "drivers", "speech", "generator"]
    rows = {
        part: [both[way][kind][part] for kind in ("wall", "cpu") for way in ("theirs", "ours")]
        for part in parts
    }
    rows["all"] = [sum(rows[part][column] for part in parts) for column in range(4)]
    for part, (slow, fast, slow_cpu, fast_cpu) in rows.items():
        lines.append(
            f"{part:12} {slow:10.1f} {fast:10.1f} {slow / fast:7.1f} {'':12} {slow_cpu:10.1f} {fast_cpu:10.1f}"
        )
    flops = result["gflop"]
    wall, cpu = (", ".join(f"{ratio:.2f}" for ratio in result["ratios"][kind]) for kind in ("wall", "cpu"))
    lines += [
        f"times as fast in all, turn by turn: {wall} (CPU time: {cpu}); parts above are medians of the turns",
        f"frames a second: theirs {1000 / rows['all'][0]:.2f}, ours {1000 / rows['all'][1]:.2f}",
        f"pictures: {result['psnr_db']:.1f} dB between the two, first and last left out",
        f"arithmetic: generator {flops['generator']:.1f} GFLOP a frame, motion {flops['drivers']:.1f} a driver frame, "
        f"speech {flops['speech']:.2f} a frame, portrait {flops['portrait']:.1f} once",
        f"floor: its commonest convolution runs at {result['convolution_gflop_per_second']:.0f} GFLOP/s here, so "
        f"{result['floor_ms_per_frame']:.0f} ms a frame for the generator alone",
    ]
    return "\n".join(lines) + "\n"


def peak_memory(options: argparse.Namespace, seconds: float) -> dict[str, float]:
    """Of this process, a fresh one, over a whole `pdfgc animate` whose sound and driver are that long."""
    from pdfgc.cli import main as main_of_pdfgc

    with TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.safetensors" if options.model is None else options.model
        if options.model is None:
            result = random_networks(options.preset)
            write_result(model, result.tensors, result.about)
            del result
        size = load_config(options.preset).size
        write_sound(folder / "speech.wav", seconds)
        write_noise(folder / "driver.mp4", size, round(seconds * options.memory_fps), options.memory_fps)
        write_noise(folder / "portrait.mp4", size, 1, options.memory_fps)
        before = peak_rss()
        words = f"--quiet animate {folder}/portrait.mp4 --aligned --audio {folder}/speech.wav"
        words += f" --pose {folder}/driver.mp4 --eyes {folder}/driver.mp4 --expression {folder}/driver.mp4"
        words += f" --fps {options.memory_fps} --model {model} --device {options.device} -o {folder}/out.mp4"
        if main_of_pdfgc(words.split()) != 0:
            raise SystemExit("pdfgc animate failed")
        frames = len(MotionTrack.load(folder / "out.motion.safetensors"))
    return {"seconds": seconds, "frames": frames, "before_mib": before, "peak_rss_mib": peak_rss()}


def peak_rss() -> float:
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_sound(path: Path, seconds: float) -> None:
    """A WAV of `noise`, 16 kHz, mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        for block in noise(seconds):
            file.writeframes((block.clip(-1, 1) * 32767).astype("<i2").tobytes())


def write_noise(path: Path, size: int, frames: int, fps: int) -> None:
    """A video of coarse noise."""
    from pdfgc.media.video import VideoWriter  # here, so that a machine without PyAV can time the networks

    random = np.random.default_rng(2)
    with VideoWriter(path, width=size, height=size, fps=Fraction(fps)) as writer:
        for _ in range(max(1, frames)):
            coarse = random.integers(0, 256, (size // 32, size // 32, 3), np.uint8)
            writer.write(coarse.repeat(32, 0).repeat(32, 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3, help="that each way takes")
    parser.add_argument("--drivers", type=float, nargs=3, default=[0.2, 0.05, 0.17], metavar="SHARE")
    parser.add_argument("--preset", default="paper", help="sizes of the random networks")
    parser.add_argument("--model", type=Path, help="a paper .safetensors (default: random weights)")
    parser.add_argument("--memory", type=float, nargs="+", default=[], metavar="SECONDS")
    parser.add_argument(
        "--memory-fps", type=int, default=25, help="frames a second of the memory measurements"
    )
    parser.add_argument("--one-memory", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    if options.one_memory is not None:
        sys.stdout.write(json.dumps(peak_memory(options, options.one_memory)))
        return
    result: dict[str, Any] = {}
    if options.memory:
        own = [sys.executable, __file__, *sys.argv[1:]]
        result["memory"] = [
            json.loads(subprocess.run([*own, "--one-memory", str(s)], check=True, capture_output=True).stdout)
            for s in options.memory
        ]
        for row in result["memory"]:
            sys.stdout.write(
                f"{row['seconds']:g} s, {row['frames']} frames: at most {row['peak_rss_mib']:.0f} MiB, "
                f"{row['before_mib']:.0f} of it before animate began\n"
            )
    else:
        result = compare(options, device)
        sys.stdout.write(table(result))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
