"""What runs on a rented GPU (gpu_visit.md): two trainings, and what their steps cost.

    python scripts/gpu_jobs.py small --work WORK --minutes 20          the painter of the default weights, further
    python scripts/gpu_jobs.py paper --work WORK --minutes 20          preset `paper` on a few clips
    python scripts/gpu_jobs.py profile {small,paper,lips} --work WORK  milliseconds, memory and kernels of a step
    torchrun --standalone --nproc-per-node 1 scripts/gpu_jobs.py distributed --work WORK

WORK is what `gpu_visit.py receive` filled.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch.profiler import ProfilerActivity

import paper_overfit
from pdfgc.config import Config, load_config
from pdfgc.devices import choose_device
from pdfgc.priors.perceptual import LPIPS
from pdfgc.training.batches import Parts, make_parts
from pdfgc.training.logs import read_log
from pdfgc.training.loop import Loop
from pdfgc.training.results import Results, read_result, stage_module, write_result
from pdfgc.training.run import load_clips, train
from pdfgc.training.stage import Setup

HERE = Path(__file__).parent
EMBEDDED = HERE.parent / "src" / "pdfgc" / "assets" / "small.safetensors"
SMALL, PAPER = HERE / "gpu_small.yaml", HERE / "gpu_paper.yaml"

EARLIER = {
    "stage1": ("motion",),
    "stage2-lips": ("lips", "speech", "hearing"),
    "stage2-eyes": ("eyes",),
    "stage2-pose": ("pose",),
}
"""The modules of the embedded model that stage 3 is built on, by the stages that made them."""

SHARES = {"stage1": 0.45, "stage2-lips": 0.05, "stage2-eyes": 0.05, "stage2-pose": 0.05, "stage3": 0.4}
"""Of the minutes that `paper` trains."""

_ENDLESS = 10**6
_FEWEST = 4
"""Steps that a speed is taken from."""
_USED = 0.95
"""Share of the time left that steps are planned for; sample sheets and new beginnings take the rest."""
_READY, _ROWS = 6, 30
"""Batches made for a profile, and rows of its table of kernels."""

_LAYOUTS = ("channels last", "as they come")
"""Of weights; the loop's own comes first."""


@dataclass(frozen=True)
class Profiled:
    """A stage whose steps are measured."""

    preset: Path
    stage: str
    data: str
    changes: tuple[str, ...]
    """Those that put every loss to work."""
    layouts: tuple[str, ...] = _LAYOUTS


_PROFILES = {
    "small": Profiled(SMALL, "stage3", "shards", ("stages.stage3.adversarial_from=0",), _LAYOUTS[:1]),
    "paper": Profiled(
        PAPER,
        "stage1",
        "heads/shards",
        ("training.batch=16", "paper.adversarial_from=0", "paper.teachers_from=0"),
    ),
    "lips": Profiled(
        PAPER, "stage2-lips", "heads/shards", ("training.batch=16", "training.workers=14"), _LAYOUTS[:1]
    ),
}


def train_small(work: Path, minutes: float, changes: Sequence[str], device: str) -> None:
    """Trains the painter so that its learning rate ends at 0 with the time.

    The number of steps is set anew by the speed so far, after a minute with all that begins in it, two fifths and four
    fifths: the adversary joins in between, and the other training takes more or less of the GPU.
    """
    run = work / "small"
    take_over_stages(run)
    start, steps = time.monotonic(), _ENDLESS
    lpips = partial(
        LPIPS, weights=work / "vgg.safetensors"
    )  # 8 bits of each weight are not the registered file
    with patch("pdfgc.training.stage3.LPIPS", lpips):
        for until in (min(1.0, minutes / 5), 0.4 * minutes, 0.8 * minutes, minutes):
            own = [f"stages.stage3.start_from={EMBEDDED}", f"stages.stage3.training.steps={steps}"]
            passed = time.monotonic() - start
            (outcome,) = train(
                "stage3",
                data=work / "shards",
                run=run,
                preset=str(SMALL),
                changes=[*own, *changes],
                max_minutes=max(until - passed / 60, 0),
                device=device,
            )
            if outcome.reason == "stopped" or until == minutes:
                break  # but not where it has all its steps: a slow beginning makes them too few
            left = 60 * minutes - (time.monotonic() - start)
            seconds = [line["seconds"] for line in read_log(run / "stage3")]
            if len(seconds) >= _FEWEST:
                steps = outcome.step + planned_steps(seconds, left)
                logging.info("%d steps in all fit into the %.0f seconds left", steps, left)


def planned_steps(seconds: Sequence[float], left: float) -> int:
    """How many more steps fit into the seconds left, at the pace of the later half of those done."""
    pace = statistics.fmean(seconds[len(seconds) // 2 :])
    return max(int(_USED * left / pace), 1)


def take_over_stages(run: Path) -> None:
    """Writes the stages before stage 3 of a run as the embedded model has them."""
    embedded = read_result(EMBEDDED)
    for stage, modules in EARLIER.items():
        path = run / stage / "weights.safetensors"
        if path.is_file():
            continue  # stage 3 knows it by its checksum
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {
            name: value.float() if value.is_floating_point() else value
            for name, value in embedded.tensors.items()
            if name.partition(".")[0] in modules
        }
        done = {**embedded.about["stages"][stage], "finished": True, "used": {}}
        write_result(path, tensors, {**embedded.about, "stages": {stage: done}})


def train_paper(work: Path, minutes: float, changes: Sequence[str], preset: str) -> None:
    """All stages of preset `paper` on the heads, one after the other."""
    shared = {stage: _USED * share * minutes for stage, share in SHARES.items()}
    paper_overfit.run(
        work / "heads", work / "paper_out", list(SHARES), shared, list(changes), preset, work / "paper"
    )


def exchange(device: torch.device) -> None:
    """One message of each kind that processes send in training, through nccl on a GPU: one process alone sends none.

    Raises:
        AssertionError: something else arrives.
    """
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        sent = torch.arange(4.0, device=device)
        received = [torch.zeros_like(sent) for _ in range(dist.get_world_size())]
        dist.all_gather(received, sent)
        summed = sent.clone()
        dist.all_reduce(summed)
        dist.broadcast(summed, 0)
        assert all(torch.equal(one, sent) for one in received)
        assert torch.equal(summed, sent * dist.get_world_size())
        logging.info("gathered, summed and spread by %s", dist.get_backend())
    finally:
        dist.destroy_process_group()


def train_distributed(work: Path, device: str) -> None:
    """Messages between processes, and two steps of every stage of preset `tiny`, under `torchrun`."""
    exchange(choose_device(device))
    changes = ["training.steps=2", "networks.speech=mel", "weights.perceptual=0"]
    data, run = work / "heads" / "shards", work / "distributed"
    for outcome in train("all", data=data, run=run, preset="tiny", changes=changes, device=device):
        logging.info("%s: %d steps on %s", outcome.stage, outcome.step, device)


def profile(
    name: str, work: Path, changes: Sequence[str], preset: str | None, device: torch.device, steps: int
) -> None:
    """Prints what a step costs with weights channels-last, as the loop lays them, and for some stages as they come."""
    profiled, vgg = _PROFILES[name], work / "vgg.safetensors"
    own = [f"paper.teachers.perceptual_file={vgg}", *profiled.changes]
    config = load_config(preset or str(profiled.preset), [*own, *changes])
    with patch("pdfgc.training.stage3.LPIPS", partial(LPIPS, weights=vgg)):
        for layout in profiled.layouts:
            with TemporaryDirectory() as scratch:
                data, last = work / profiled.data, layout == _LAYOUTS[0]
                loop = make_loop(config, profiled.stage, data, Path(scratch), device, channels_last=last)
                logging.info("%s, weights %s: %s", name, layout, step_costs(loop, steps))
            del loop  # and its memory, before the next is made


def step_costs(loop: Loop, steps: int) -> str:
    """Time and memory of so many steps on ready batches, and the kernels of one."""
    start = time.monotonic()
    make_parts(loop.stage, loop.training, 0)
    alone = time.monotonic() - start
    batches = list(loop._batches(range(min(steps, _READY))))
    time_steps(loop, batches, len(batches))  # a GPU tries convolutions at each size first
    if loop.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times = time_steps(loop, batches, steps)
    peak = torch.cuda.max_memory_allocated() / 2**30 if loop.device.type == "cuda" else 0.0
    return (
        f"batch {loop.training.batch}, {statistics.fmean(times):.1f} ms a step (median "
        f"{statistics.median(times):.1f}), {peak:.1f} GiB; one core makes a batch in {alone:.2f} s\n"
        f"{kernel_table(loop, batches)}"
    )


def make_loop(
    config: Config, name: str, data: Path, folder: Path, device: torch.device, *, channels_last: bool
) -> Loop:
    """A stage ready to train from random weights; those of earlier stages do not change what a step costs."""
    training, held_out = load_clips(data, config)
    earlier = Results(folder, name, pretend=True)
    setup = Setup(config, training, held_out, earlier, folder / name, folder / "cache")
    setup.cache.mkdir(exist_ok=True)
    stage = importlib.import_module(stage_module(name, config.family)).build(setup)
    if channels_last:
        return Loop(stage, config, setup.folder, {}, device)
    with patch("pdfgc.training.loop.lay_channels_last"):
        return Loop(stage, config, setup.folder, {}, device)


def time_steps(loop: Loop, batches: Sequence[Parts], count: int) -> list[float]:
    """Milliseconds of steps on ready batches; a step ends with reading its losses, which waits for the GPU."""
    times = []
    for step in range(count):
        start = time.perf_counter()
        loop._do_step(batches[step % len(batches)], step)
        times.append(1000 * (time.perf_counter() - start))
    return times


def kernel_table(loop: Loop, batches: Sequence[Parts]) -> str:
    """What one step spends its time on."""
    on_gpu = loop.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with torch.profiler.profile(activities=activities) as profiler:
        loop._do_step(batches[0], 0)
    order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    return profiler.key_averages().table(sort_by=order, row_limit=_ROWS, max_name_column_width=100)


def main(words: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("small", "paper", "distributed", "profile"):
        part = verbs.add_parser(verb)
        if verb == "profile":
            part.add_argument("name", choices=list(_PROFILES))
            part.add_argument("--steps", type=int, default=12, help="to time")
        part.add_argument("--work", type=Path, required=True)
        part.add_argument("--minutes", type=float, default=20.0)
        part.add_argument("--device", default="auto")
        part.add_argument("--preset")
        part.add_argument("--set", nargs="*", default=[], dest="changes", metavar="KEY=VALUE")
    given = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if given.verb == "small":
        train_small(given.work, given.minutes, given.changes, given.device)
    elif given.verb == "paper":
        train_paper(given.work, given.minutes, given.changes, given.preset or str(PAPER))
    elif given.verb == "distributed":
        train_distributed(given.work, given.device)
    else:
        device = choose_device(given.device)
        profile(given.name, given.work, given.changes, given.preset, device, given.steps)


if __name__ == "__main__":
    main()
