"""Training stages in a run folder: what `pdfgc train` does.

    RUN/config.yaml            the resolved configuration of the last call
    RUN/model.safetensors      the model of all stages trained so far
    RUN/cache/                 what stages computed once for all
    RUN/<stage>/               log.jsonl, tensorboard/, samples/, checkpoints/, config.yaml,
    weights.safetensors

Calling the same command again continues the run.
"""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from pdfgc.config import Config, config_to_dict, config_to_yaml, load_config
from pdfgc.data.clips import ClipSet
from pdfgc.devices import choose_device
from pdfgc.errors import InputError
from pdfgc.files import atomic_path
from pdfgc.training.loop import Loop, Outcome
from pdfgc.training.results import STAGES, Results, fingerprint, read_result, write_model, write_result
from pdfgc.training.stage import Setup, Stage

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

    With `all`, a stage that is finished is passed over and the time budget is shared: a stage that it leaves
    unfinished is the first to go on in the next call. A single stage stopped before its end may still be
    built upon by the next one; a warning says so.

    Args:
        stage: `stage1`, `stage2-lips`, `stage2-eyes`, `stage2-pose`, `stage3` or `all`.
        data: a folder made by `pdfgc prepare`.
        run: where everything is written; made when missing.
        preset: as `load_config`.
        changes: `key=value`, as `load_config`.
        max_minutes: stop after so many minutes, with a checkpoint.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.

    Raises:
        InputError: for an unknown stage or configuration, data that does not fit, or a missing earlier stage.
        NonFiniteError: when training diverged.
    """
    names = _stage_names(stage)
    config = load_config(preset, changes)
    target = choose_device(device)
    folder = Path(run)
    training, held_out = load_clips(Path(data), config)
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(folder / "config.yaml", config_to_yaml(config))
    end = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    outcomes = []
    for name in names:
        if len(names) > 1 and _is_finished(folder, name, config):
            continue
        left = None if end is None else (end - time.monotonic()) / 60
        outcome = _train_stage(name, config, training, held_out, folder, left, target)
        outcomes.append(outcome)
        log.info("%s: %s after step %d, %.1f minutes", name, outcome.reason, outcome.step, outcome.minutes)
        if outcome.reason != "finished":
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
        f"{len(training)} clips of {len(training.identities)} people to train on, "
        f"{len(held_out)} clips of {len(held_out.identities)} people held out",
    ]
    for name in names:
        setup = _setup(name, config, training, held_out, Path(run), pretend=True)
        lines += _describe(_build(name, setup), config)
    return "\n".join(lines)


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
        nearest = difflib.get_close_matches(stage, [*STAGES, "all"], n=1, cutoff=0.0)[0]
        raise InputError(f"there is no stage {stage!r}; did you mean {nearest!r}?")
    return [stage]


def _setup(
    name: str, config: Config, training: ClipSet, held_out: ClipSet, run: Path, pretend: bool = False
) -> Setup:
    return Setup(config, training, held_out, Results(run, name, pretend), run / name, run / "cache")


def _build(name: str, setup: Setup) -> Stage:
    stage: Stage = importlib.import_module(STAGES[name]).build(setup)
    return stage


def _train_stage(
    name: str,
    config: Config,
    training: ClipSet,
    held_out: ClipSet,
    run: Path,
    max_minutes: float | None,
    device: torch.device,
) -> Outcome:
    setup = _setup(name, config, training, held_out, run)
    setup.cache.mkdir(exist_ok=True)
    setup.folder.mkdir(exist_ok=True)
    # The same seed for the initial weights wherever the stage is begun.
    torch.manual_seed(config.stage(name).training.seed)
    stage = _build(name, setup)
    for needed in stage.requires:
        setup.earlier.of(needed)
    _write_text(setup.folder / "config.yaml", config_to_yaml(config))
    loop = Loop(stage, config, setup.folder, setup.earlier.used, device)
    outcome = loop.run(max_minutes)
    if outcome.worked or not (setup.folder / "weights.safetensors").is_file():
        write_result(
            setup.folder / "weights.safetensors", loop.exports(), _about(config, outcome, setup.earlier)
        )
        write_model(run)
    return outcome


def _about(config: Config, outcome: Outcome, earlier: Results) -> dict[str, Any]:
    """The metadata of a stage's result."""
    stage = {
        "step": outcome.step,
        "minutes": round(outcome.minutes, 2),
        "finished": outcome.reason == "finished",
        "used": earlier.used,
    }
    return {
        "preset": config.preset,
        "config": config_to_dict(config),
        "stages": {outcome.stage: stage},
    }


def _is_finished(run: Path, name: str, config: Config) -> bool:
    """Whether a stage has all its steps, on the earlier stages as they are now.

    Raises:
        InputError: when an earlier stage changed since.
    """
    path = run / name / "weights.safetensors"
    if not path.is_file():
        return False
    about = read_result(path).about["stages"][name]
    for stage, digest in about["used"].items():
        if fingerprint(run / stage / "weights.safetensors") != digest:
            raise InputError(
                f"{stage} has been trained further since {name} was built on it; delete {run / name} to "
                "begin it anew, or use another --run"
            )
    return bool(about["finished"]) and about["step"] >= config.stage(name).training.steps


def _describe(stage: Stage, config: Config) -> list[str]:
    """The lines of a stage's plan."""
    training = config.stage(stage.name).training
    trained = {name for phase in stage.phases for name in phase.modules}
    sizes = {
        name: sum(p.numel() for p in module.parameters()) / 1e6 for name, module in stage.modules.items()
    }
    # float32 weights of all; for trained ones also gradients, Adam's two moments and the average.
    megabytes = 4 * (sum(sizes.values()) + 4 * sum(sizes[name] for name in trained))
    lines = [
        f"{stage.name}: {training.steps} steps of {training.batch} items, {training.precision}, "
        f"learning rate {training.learning_rate:g} {training.schedule}"
    ]
    for name, millions in sizes.items():
        lines.append(f"  {name}: {millions:.3f} M parameters, {'trained' if name in trained else 'frozen'}")
    lines.append(f"  memory for weights, gradients, optimiser and averages: {megabytes:.0f} MB")
    lines.append("  losses: " + json.dumps(dict(stage.weights)))
    return lines


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text)
