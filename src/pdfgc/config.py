"""The configuration of a model and its training run.

Dataclasses hold every key with its type; a preset is a YAML file that says only where it differs, from the
defaults or from the preset named by its `base:`. Changes from the command line (`--set key=value`) come
last. A key that does not exist is an error that names the nearest one. `training.*` and `weights.*` without
a stage are short for the same key of every stage (of every stage that has such a loss).
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from pdfgc.config_paper import Paper
from pdfgc.errors import InputError
from pdfgc.wording import nearest

T = TypeVar("T")

_ABLATIONS = "ablations"

_SIDE, _PART = 64, 8
"""What sides of pictures, and of parts that are painted in training, are multiples of (`networks.mesh_warp`)."""

MOST_WORKERS = 256
"""Processes that may make batches for one training process: a mistyped number would fill the memory with them."""


def _within(settings: object, least: float, most: float, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not least <= value <= most:
            range_ = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
            raise InputError(f"expected {name} of {range_}, but got {value:g}")


def _above_zero(settings: object, *names: str) -> None:
    for name in names:
        if not getattr(settings, name) > 0:
            raise InputError(f"expected {name} above 0, but got {getattr(settings, name):g}")


def _at_least_one(settings: object, *names: str) -> None:
    for name in names:
        if getattr(settings, name) < 1:
            raise InputError(f"expected {name} of 1 or more, but got {getattr(settings, name)}")


@dataclass(frozen=True)
class Training:
    """How one stage is trained; read by the shared loop only."""

    steps: int = 1000
    """Optimiser steps after which the stage is finished."""
    share: float = 1.0
    """Share of a time budget that the stage gets in `pdfgc train all`, beside the shares of the stages yet to come."""
    batch: int = 16
    """Items per step, over all parts and processes."""
    accumulation: int = 1
    """Parts that a step's batch is divided into, one after the other; with the processes, must divide `batch`."""
    learning_rate: float = 1e-3
    """AdamW's, at its highest."""
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup: int = 0
    """Steps over which the learning rate rises linearly from 0."""
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up: constant, or a half cosine down to 0 at `steps`."""
    clip: float = 1.0
    """Greatest norm of a phase's gradients; 0 leaves them as they are."""
    ema: float = 0.999
    """Decay per step of the averaged weights, less in the first steps; 0 keeps no average."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """bfloat16 and float16 run the networks under autocast; weights, losses and optimisers stay float32. float16 scales
    the losses, and leaves out steps whose gradients overflow. A processor that would only imitate bfloat16 computes in
    float32 instead."""
    seed: int = 0
    workers: int = 0
    """Processes that make batches ahead; 0 makes them in the training process."""
    checkpoint_steps: int = 0
    """Steps between checkpoints; 0 leaves it to the clock."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints; 0 leaves it to the steps. One is always written at the end."""
    keep: int = 2
    """Checkpoints kept; older ones are deleted."""
    sample_every: int = 500
    """Steps between sample sheets; 0 makes none."""
    validate_every: int = 500
    """Steps between measurements on held-out clips; 0 makes none."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        _at_least_one(self, "steps", "batch", "accumulation")
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, (int, float)) and not value >= 0:
                raise InputError(f"expected {entry.name} of 0 or more, but got {value}")
        _above_zero(self, "share", "learning_rate")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"expected betas of 0 or more and below 1, but got {list(self.betas)}")
        if self.workers > MOST_WORKERS:
            raise InputError(f"expected at most {MOST_WORKERS} workers, but got {self.workers}")
        if self.ema >= 1:
            raise InputError(f"expected an ema below 1, but got {self.ema}")


@dataclass(frozen=True)
class StageConfig:
    """What every stage has; the stages add their own keys."""

    training: Training = field(default_factory=Training)
    weights: dict[str, float] = field(default_factory=dict)
    """Weight of each loss by name; 0 switches a loss off."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        for name, weight in self.weights.items():
            if weight < 0:
                raise InputError(f"expected a weight of 0 or more for the loss {name}, but got {weight:g}")


@dataclass(frozen=True)
class MotionStage(StageConfig):
    """Stage 1: appearance against motion."""

    stretch: float = 0.15
    """Random stretch of the driving mesh per axis, as a standard deviation: identity must not pass."""
    swap_neutral: float = 0.5
    """Probability that a driving mesh gets another person's neutral shape."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        _within(self, 0, math.inf, "stretch")
        _within(self, 0, 1, "swap_neutral")


@dataclass(frozen=True)
class LipsStage(StageConfig):
    """Stage 2, lips: InfoNCE between lip motion and speech (eq. 2, 3)."""

    temperature: float = 0.07
    clip_frames: int = 8
    """Frames taken from each clip of a batch: negatives from other times of the same clip."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        _at_least_one(self, "clip_frames")
        _above_zero(self, "temperature")


@dataclass(frozen=True)
class EyesStage(StageConfig):
    """Stage 2, eyes: InfoNCE with the eyes of one frame in the face of another (eq. 4)."""

    temperature: float = 0.07

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        _above_zero(self, "temperature")


@dataclass(frozen=True)
class PoseStage(StageConfig):
    """Stage 2, pose: L1 to the measured pose (eq. 5)."""

    jitter: float = 0.5
    """Random turns added to training poses, in the head's units (`networks.motion`): large poses are rare."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        _within(self, 0, math.inf, "jitter")


@dataclass(frozen=True)
class ExpressionStage(StageConfig):
    """Stage 3: expression and the final generator (eq. 6 to 8)."""

    window: int = 13
    """Frames that a training expression code is averaged over (K)."""
    bank: int = 1024
    """Rows of each memory bank (M)."""
    moments: int = 6
    """Moments per item from which codes and mesh decoder learn; pictures are dear, meshes are not."""
    drivers: int = 2
    """Driving frames painted per portrait."""
    painted: int = 128
    """Side in pixels of the part of a frame that is painted in training; the flow always spans the whole frame."""
    close_up: int = 96
    """The same for close-ups of mouths and eyes, which the perceptual loss sees enlarged."""
    watched: int = 4
    """Painted frames a step in which the loss `motion` has a tracker look for the face: it costs more than painting."""
    perceptual: Literal["alex", "vgg"] = "alex"
    """Network of the perceptual loss; VGG16 gives finer texture and costs thirty times as much."""
    adversarial_from: int = 0
    """The first step at which the generator listens to the discriminator, which learns from the start."""
    start_from: str = ""
    """A trained model (`.safetensors`) whose modules this stage starts from, where it has them."""
    frozen: tuple[str, ...] = ()
    """Parts of the generator that stay as `start_from` has them, such as `encoder`, `flow` and `painter.coarse`: with
    these three, and small `painted` parts and `close_up`s, what paints last learns many times as fast."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        _within(self, 0, math.inf, "adversarial_from")
        _at_least_one(self, "window", "bank", "moments", "drivers", "painted", "close_up", "watched")


@dataclass(frozen=True)
class Stages:
    """The stages in training order; `stage2-lips` on the command line is `stage2_lips` here."""

    stage1: MotionStage = field(default_factory=MotionStage)
    stage2_lips: LipsStage = field(default_factory=LipsStage)
    stage2_eyes: EyesStage = field(default_factory=EyesStage)
    stage2_pose: PoseStage = field(default_factory=PoseStage)
    stage3: ExpressionStage = field(default_factory=ExpressionStage)


@dataclass(frozen=True)
class Data:
    """Which clips are trained on."""

    held_out: tuple[str, ...] = ()
    """Identities that are never trained on: names, or patterns such as `mead_*`."""
    exclude: tuple[str, ...] = ()
    """Identities that are left out altogether."""


@dataclass(frozen=True)
class Networks:
    """Sizes of the networks."""

    motion: int = 512
    """Size of the unified motion feature."""
    motion_hidden: int = 512
    """Width of the motion network, its heads and the mesh decoder."""
    speech: Literal["whisper", "mel"] = "whisper"
    """What the speech network listens to: features of a pretrained encoder, or the paper's mel patches."""
    speech_hidden: int = 256
    """Width of the speech network, that of its last layers for `mel`; 256 is the paper's."""
    decoder_hidden: int = 256
    """Width of the decoder from codes to the mesh."""
    warp_channels: int = 24
    """Channels of the mesh-warp generator at its finest scale; the coarser ones have 2 and 4 times as many."""
    flow_channels: int = 32
    """Channels of its flow network at the finest scale."""
    warp_context: int = 0
    """Residual blocks of its level at 1/16 (`mesh_warp.Context`); 0 leaves the level out."""
    judge_channels: int = 48
    """Channels of the discriminator's first layer; training only."""

    def __post_init__(self) -> None:
        """Raises InputError for networks without a channel."""
        sizes = [entry.name for entry in dataclasses.fields(self) if entry.type == "int"]
        _at_least_one(self, *(name for name in sizes if name != "warp_context"))
        _within(self, 0, math.inf, "warp_context")


@dataclass(frozen=True)
class Config:
    """All of it; saved with the run and inside every checkpoint."""

    preset: str = "small"
    family: Literal["mesh", "paper"] = "mesh"
    """Which networks and stages: the face-mesh system, or the publication's."""
    size: int = 256
    """Side of the rendered head crop in pixels."""
    data: Data = field(default_factory=Data)
    networks: Networks = field(default_factory=Networks)
    stages: Stages = field(default_factory=Stages)
    paper: Paper = field(default_factory=Paper)

    def stage(self, name: str) -> StageConfig:
        """The configuration of a stage by its command-line name.

        Raises:
            InputError: when there is no such stage.
        """
        attribute = name.replace("-", "_")
        known = [entry.name for entry in dataclasses.fields(self.stages)]
        if attribute not in known:
            raise _unknown("stage", name, [stage.replace("_", "-") for stage in known])
        stage: StageConfig = getattr(self.stages, attribute)
        return stage


def load_config(preset: str = "small", changes: Iterable[str] = ()) -> Config:
    """The configuration of a preset with changes.

    Args:
        preset: the name of a preset in the package (`small`, `tiny`, `ablations/window_7`), or the path of a YAML file.
        changes: `key=value` each, the key with dots (`stages.stage3.window=7`), the value in YAML.

    Raises:
        InputError: for an unknown preset or key (the nearest one is named), a value of the wrong type, or a
            change without `=`.
    """
    name = preset if preset in list_presets() else Path(preset).stem
    config = dataclasses.replace(_load_preset(preset), preset=name)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise InputError(f"expected a change as key=value, but got {change!r}")
        tree: Any = _parse(text, change)
        for part in reversed(key.strip().split(".")):
            tree = {part: tree}
        config = apply_changes(config, tree)
    if config.family == "mesh":
        _check_sides(config)
    return config


def _check_sides(config: Config) -> None:
    """Raises InputError for pictures that the mesh-warp generator cannot halve as often as it does."""
    if config.size < _SIDE or config.size % _SIDE:
        raise InputError(f"expected a size that is a multiple of {_SIDE}, but got {config.size}")
    weights = config.stages.stage3.weights
    if not any(weights.get(loss) for loss in ("l1", "perceptual", "flow", "motion")):
        return  # nothing is painted
    for name in ("painted", "close_up"):
        side = getattr(config.stages.stage3, name)
        if side % _PART or side > config.size:
            raise InputError(
                f"expected stages.stage3.{name} to be a multiple of {_PART} and at most the size, {config.size}, "
                f"but got {side}"
            )


def config_from_dict(tree: Mapping[str, Any]) -> Config:
    """The configuration that `config_to_dict` described.

    Raises:
        InputError: when it was described by another version of the program.
    """
    return apply_changes(Config(), tree, new_entries=True)


def config_to_dict(config: Config) -> dict[str, Any]:
    """Every key and value, as plain dictionaries, lists and numbers: for YAML and JSON."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(config))
    return plain


def config_to_yaml(config: Config) -> str:
    """The resolved configuration as a YAML text."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False)


def list_presets() -> list[str]:
    """Names of the presets in the package; those of ablations are such as `ablations/window_7`."""
    folder = resources.files("pdfgc") / "presets"
    files = [entry.name for entry in folder.iterdir()]
    files += [f"{_ABLATIONS}/{entry.name}" for entry in (folder / _ABLATIONS).iterdir()]
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def apply_changes(config: Config, tree: Mapping[str, Any], new_entries: bool = False) -> Config:
    """The configuration with the values of a nested dictionary in place of its own.

    Args:
        config: what is changed; stays as it is.
        tree: nested dictionaries of values, possibly with the short keys `training` and `weights`.
        new_entries: whether the dictionaries of loss weights may get entries that they did not have.

    Raises:
        InputError: for an unknown key or a value of the wrong type.
    """
    rest = dict(tree)
    for short in ("training", "weights"):
        if short in rest:
            config = _change_every_stage(config, short, rest.pop(short))
    return _change(config, rest, "", new_entries)


def _load_preset(preset: str, above: tuple[Path, ...] = ()) -> Config:
    """A preset on its bases; `above` are the files that it is the base of."""
    path = Path(preset)
    if path.suffix in (".yaml", ".yml"):
        if above:
            path = above[-1].parent / path  # as that file says it, wherever one stands
        if not path.is_file():
            raise InputError(f"expected a preset file at {path}, but there is none")
        if path.resolve() in above:
            raise InputError(f"the preset {path} is a base of itself")
        above = (*above, path.resolve())
        text = path.read_text()
    else:
        if preset not in list_presets():
            raise _unknown("preset", preset, list_presets())
        text = (resources.files("pdfgc") / "presets" / f"{preset}.yaml").read_text()
    tree = _parse(text, preset) or {}
    if not isinstance(tree, dict):
        raise InputError(f"expected keys and values in the preset {preset}, but it holds {tree!r}")
    base = tree.pop("base", None)
    start = _load_preset(str(base), above) if base else Config()
    return apply_changes(start, tree, new_entries=base is None)


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = str(error).replace("\n", " ")
        raise InputError(f"expected YAML in {where!r}, but it cannot be read ({problem})") from error


def _change_every_stage(config: Config, section: str, tree: Any) -> Config:
    """`training` of every stage, or the `weights` of the stages that have a loss of that name."""
    names = [entry.name for entry in dataclasses.fields(config.stages)]
    if section == "training" or not isinstance(tree, Mapping):
        return _change(config, {"stages": {name: {section: tree} for name in names}}, "", False)
    for loss, weight in tree.items():
        having = [name for name in names if loss in getattr(config.stages, name).weights]
        if not having:
            known = {loss for name in names for loss in getattr(config.stages, name).weights}
            raise _unknown("loss", str(loss), sorted(known))
        config = _change(config, {"stages": {name: {section: {loss: weight}} for name in having}}, "", False)
    return config


def _change(instance: T, tree: Any, where: str, new_entries: bool) -> T:
    """A dataclass instance with the values of a nested dictionary."""
    if not isinstance(tree, Mapping):
        raise InputError(f"expected keys and values at {where!r}, but got {tree!r}")
    hints = get_type_hints(type(instance))
    changed: dict[str, Any] = {}
    for key, value in tree.items():
        name = str(key).replace("-", "_")
        path = f"{where}.{name}" if where else name
        if name not in hints:
            raise _unknown("key", f"{where}.{key}" if where else str(key), list(hints), where)
        old = getattr(instance, name)
        if dataclasses.is_dataclass(old):
            changed[name] = _change(old, value, path, new_entries)
        elif isinstance(old, dict):
            changed[name] = _change_entries(old, value, path, new_entries)
        else:
            changed[name] = _convert(value, hints[name], path)
    return dataclasses.replace(instance, **changed)  # type: ignore[type-var]


def _change_entries(old: dict[str, float], tree: Any, where: str, new_entries: bool) -> dict[str, float]:
    if not isinstance(tree, Mapping):
        raise InputError(f"expected names and numbers at {where!r}, but got {tree!r}")
    for name in tree:
        if name not in old and not new_entries:
            raise _unknown("key", f"{where}.{name}", list(old), where)
    return {**old, **{str(name): _convert(value, float, f"{where}.{name}") for name, value in tree.items()}}


def _convert(value: Any, kind: Any, where: str) -> Any:
    """`value` as the annotated type `kind`; YAML reads 1e-4 as a text and 1 as an int."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal and value in arguments:
        return value
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _convert(value, next(entry for entry in arguments if entry is not type(None)), where)
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) == len(value):
            return tuple(_convert(entry, kind, where) for entry, kind in zip(value, kinds, strict=True))
    if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    if kind in (int, bool, str) and type(value) is kind:
        return value
    wanted = " or ".join(map(str, arguments)) if origin is Literal else getattr(kind, "__name__", str(kind))
    wanted = {"float": "a number", "tuple": "a list such as [a, b]"}.get(wanted, wanted)
    raise InputError(f"expected {wanted} for {where!r}, but got {value!r}")


def _unknown(kind: str, name: str, known: list[str], where: str = "") -> InputError:
    near = nearest(name.rsplit(".", 1)[-1], known, however_unlike=True)
    hint = f"; did you mean {(where + '.' if where else '') + near!r}?" if near else ""
    return InputError(f"there is no {kind} {name!r}{hint}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
