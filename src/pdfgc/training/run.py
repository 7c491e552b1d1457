"""Training stages in a run folder: what `pdfgc train` does.

    RUN/config.yaml            the resolved configuration of the last call
    RUN/model.safetensors      the model of all stages trained so far
    RUN/cache/                 what stages computed once for all
    RUN/<stage>/               log.jsonl, tensorboard/, samples/, checkpoints/, config.yaml,
    weights.safetensors

Calling the same command again continues the run.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from pdfgc.config import Config, config_from_dict, config_to_dict, config_to_yaml, load_config
from pdfgc.data.clips import ClipSet, digest_of
from pdfgc.devices import choose_device
from pdfgc.errors import InputError
from pdfgc.files import make_folder, sha256_of, write_text
from pdfgc.lock import locked
from pdfgc.priors.face_features import require_tflite
from pdfgc.progress import set_quiet
from pdfgc.training import distributed
from pdfgc.training.loop import Loop, Outcome
from pdfgc.training.plan import describe
from pdfgc.training.results import (
    STAGES,
    Results,
    read_about,
    stage_module,
    write_model,
    write_result,
)
from pdfgc.training.resume import is_other_data
from pdfgc.training.stage import Setup, Stage
from pdfgc.wording import counted, nearest

log = logging.getLogger(__name__)


def train(
    stage: str,
    *,
    data: str | os.PathLike[str],
    run: str | os.PathLike[str],
    preset: str = "small",
    changes: Iterable[str] = (),
    max_minutes: float | None = None,
    device: str = "auto",
) -> list[Outcome]:
    """Trains a stage, or `all` of them in order, and joins what is there into `RUN/model.safetensors`.

    With `all`, the time budget is divided among the stages that are left by their `share`, so that a model comes out
    at the end of it; time that a stage does not need goes to the later ones. In the next call, stages that are
    finished, or that later stages have been built on, are passed over. A single stage stopped before its end may still
    be built upon by the next one; a warning says so.

    Under `torchrun` the processes train together (`training.distributed`).

    Args:
        stage: `stage1`, `stage2-lips`, `stage2-eyes`, `stage2-pose`, `stage3` or `all`.
        data: a folder made by `pdfgc prepare`.
        run: where everything is written; made when missing.
        preset: as `load_config`.
        changes: `key=value`, as `load_config`.
        max_minutes: stop after so many minutes, with a checkpoint.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.

    Raises:
        InputError: for an unknown stage or configuration, data that does not fit, a missing earlier stage, or a run
            that another process trains into.
        NonFiniteError: when training diverged.
    """
    names = _stage_names(stage)
    if max_minutes is not None and not max_minutes >= 0:
        raise InputError(f"expected 0 minutes or more, but got {max_minutes:g}")
    config = load_config(preset, changes)
    _require_packages(names, config)
    training, held_out = load_clips(Path(data), config)
    folder = make_folder(run)
    with distributed.joined(choose_device(device)) as own_device:
        job = _Job(config, training, held_out, digest_of(Path(data)), folder, own_device)
        lock = locked(folder, "training into", "another --run")
        with lock if distributed.rank() == 0 else nullcontext():
            if distributed.rank() > 0:
                set_quiet(True)  # one process speaks for all
            else:
                _check_settled(names, job)
                write_text(folder / "config.yaml", config_to_yaml(config))
            return _train_stages(names, job, max_minutes)


@dataclass(frozen=True)
class _Job:
    """What all stages of one call are trained with."""

    config: Config
    training: ClipSet
    held_out: ClipSet
    data: str
    """What names the clips (`clips.digest_of`)."""
    run: Path
    device: torch.device
    told: set[str] = field(default_factory=set)
    """As `Results.told`."""


def _train_stages(names: list[str], job: _Job, max_minutes: float | None) -> list[Outcome]:
    end = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
    left = [name for name in names if len(names) == 1 or not _is_settled(job.run, name, job.config)]
    shares = [job.config.stage(name).training.share for name in left]
    outcomes = []
    for number, name in enumerate(left):
        now = time.monotonic()
        share = shares[number] / sum(shares[number:])
        outcome = _train_stage(name, job, now + share * (end - now))
        outcomes.append(outcome)
        log.info("%s: %s after step %d, %.1f minutes", name, outcome.reason, outcome.step, outcome.minutes)
        if outcome.reason == "stopped":
            break
    return outcomes


def plan(
    stage: str,
    *,
    data: str | os.PathLike[str],
    run: str | os.PathLike[str],
    preset: str = "small",
    changes: Iterable[str] = (),
) -> str:
    """What `train` would do, as a text: clips, stages, steps, losses and the size of the networks.

    Raises:
        InputError: as `train`, except that earlier stages may be missing.
    """
    names = _stage_names(stage)
    config = load_config(preset, changes)
    training, held_out = load_clips(Path(data), config)
    lines = [
        f"preset {config.preset}, run {run}",
        f"{_clips_of_people(training)} to train on, {_clips_of_people(held_out)} held out",
    ]
    with tempfile.TemporaryDirectory(prefix="pdfgc-plan-") as nowhere:
        for name in names:
            setup = _setup(name, config, training, held_out, Results(Path(run), name, pretend=True))
            if not setup.cache.is_dir():
                setup = replace(setup, cache=Path(nowhere))  # a plan leaves nothing behind
            lines += describe(_build(name, setup), config.stage(name).training)
    return "\n".join(lines)


def _clips_of_people(clips: ClipSet) -> str:
    return f"{counted(len(clips), 'clip')} of {counted(len(clips.identities), 'person', 'people')}"


def load_clips(data: Path, config: Config) -> tuple[ClipSet, ClipSet]:
    """The clips to train on and those held out.

    Raises:
        InputError: when the folder has no index, or no clip is left to train on.
    """
    kept, _ = ClipSet.open(data).split(config.data.exclude)
    training, held_out = kept.split(config.data.held_out)
    if not len(training):
        raise InputError(f"expected clips to train on in {data}, but none is left")
    return training, held_out


def _stage_names(stage: str) -> list[str]:
    if stage == "all":
        return list(STAGES)
    if stage not in STAGES:
        near = nearest(stage, [*STAGES, "all"], however_unlike=True)
        raise InputError(f"there is no stage {stage!r}; did you mean {near!r}?")
    return [stage]


def _require_packages(names: list[str], config: Config) -> None:
    """What the last stage needs is asked for before the first one is trained."""
    if config.family == "mesh" and "stage3" in names and config.stages.stage3.weights.get("motion"):
        require_tflite()


def _setup(name: str, config: Config, training: ClipSet, held_out: ClipSet, earlier: Results) -> Setup:
    run = earlier.run
    return Setup(config, training, held_out, earlier, run / name, run / "cache")


def _build(name: str, setup: Setup) -> Stage:
    stage: Stage = importlib.import_module(stage_module(name, setup.config.family)).build(setup)
    return stage


def _train_stage(name: str, job: _Job, end: float) -> Outcome:
    """Trains one stage until a moment of `time.monotonic`, and writes its result."""
    config = job.config
    earlier = Results(job.run, name, told=job.told)
    setup = _setup(name, config, job.training, job.held_out, earlier)
    setup.cache.mkdir(exist_ok=True)
    with distributed.first_then_others():
        # The same seed for the initial weights wherever the stage is begun.
        torch.manual_seed(config.stage(name).training.seed)
        stage = _build(name, setup)
    for needed in stage.requires:
        setup.earlier.of(needed)
    setup.folder.mkdir(exist_ok=True)
    loop = Loop(stage, config, setup.folder, setup.earlier.used, job.device, job.data)
    if distributed.rank() == 0:
        write_text(setup.folder / "config.yaml", config_to_yaml(config))
    minutes = None if end == math.inf else max(end - time.monotonic(), 0) / 60
    outcome = loop.run(minutes)
    path = setup.folder / "weights.safetensors"
    if distributed.rank() == 0 and (outcome.worked or not path.is_file()):
        write_result(path, loop.exports(), _about(job, stage, outcome, setup.earlier))
        write_model(job.run)
    distributed.wait()
    return outcome


def _about(job: _Job, stage: Stage, outcome: Outcome, earlier: Results) -> dict[str, Any]:
    """The metadata of a stage's result."""
    entry = {
        "step": outcome.step,
        "minutes": round(outcome.minutes, 2),
        "finished": outcome.reason == "finished",
        "used": earlier.used,
        "data": job.data,
        "for_later": list(stage.for_later),
    }
    return {
        "preset": job.config.preset,
        "config": config_to_dict(job.config),
        "stages": {outcome.stage: entry},
    }


def _check_settled(names: list[str], job: _Job) -> None:
    """Compares the stages that a call trains, or passes over as finished, with the configuration.

    Raises:
        InputError: a stage has a result of other networks or another size.
    """
    for name in names:
        path = job.run / name / "weights.safetensors"
        if not path.is_file():
            continue
        about = read_about(path)
        before, now = config_to_dict(config_from_dict(about["config"])), config_to_dict(job.config)
        for key in ("networks", "size"):
            if before[key] != now[key]:
                raise InputError(
                    f"{path.parent} was trained with {key} {before[key]}, but the configuration has {now[key]}; use "
                    "another --run"
                )
        section, done = name.replace("-", "_"), about["stages"][name]
        stays = done["finished"] and done["step"] >= job.config.stage(name).training.steps
        if stays and before["stages"][section] != now["stages"][section]:
            log.warning("%s is finished and stays as it is: its configuration has changed since", name)
        if stays and is_other_data(done.get("data", ""), job.data):
            log.warning("%s is finished and stays as it is: it was trained on other clips", name)
        if len(names) == 1 and (later := _built_upon(job.run, name)):
            log.warning(
                "%s was built on %s as it is; once that is trained further, delete %s to train anew, or the "
                "model is made of parts that do not fit",
                *(" and ".join(later), name, " and ".join(str(job.run / stage) for stage in later)),
            )


def _is_settled(run: Path, name: str, config: Config) -> bool:
    """Whether `all` leaves a stage as it is: it has all its steps, or a later stage is built on what it has.

    Raises:
        InputError: when an earlier stage changed since, or is gone.
    """
    path = run / name / "weights.safetensors"
    if not path.is_file():
        return False
    about = read_about(path)["stages"][name]
    for stage, digest in about["used"].items():
        earlier = run / stage / "weights.safetensors"
        if not earlier.is_file():
            raise InputError(
                f"{name} was built on {stage}, whose result {earlier} is gone; bring it back, or delete {run / name} "
                "to begin both anew"
            )
        if sha256_of(earlier) != digest:
            raise InputError(
                f"{stage} has been trained further since {name} was built on it; delete {run / name} to "
                "begin it anew, or use another --run"
            )
    steps = config.stage(name).training.steps
    if about["finished"] and about["step"] >= steps:
        return True
    later = _built_upon(run, name)
    if later:
        log.warning(
            "%s stays at step %d of %d, because %s was built on it; delete %s to train %s further",
            *(name, about["step"], steps, " and ".join(later)),
            *(" and ".join(str(run / stage) for stage in later), name),
        )
    return bool(later)


def _built_upon(run: Path, name: str) -> list[str]:
    """The later stages that have a result built on the stage."""
    later = []
    for stage in list(STAGES)[list(STAGES).index(name) + 1 :]:
        path = run / stage / "weights.safetensors"
        if path.is_file() and name in read_about(path)["stages"][stage]["used"]:
            later.append(stage)
    return later
