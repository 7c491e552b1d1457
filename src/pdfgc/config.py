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
from pdfgc.config_stages import StageConfig, Stages, within
from pdfgc.errors import InputError
from pdfgc.wording import nearest

T = TypeVar("T")

_ABLATIONS = "ablations"

_SIDE, _PART = 64, 8
"""What sides of pictures, and of parts that are painted in training, are multiples of (`networks.mesh_warp`)."""


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
        within(self, 1, math.inf, *(name for name in sizes if name != "warp_context"))
        within(self, 0, math.inf, "warp_context")


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
            raise _unknown_key(instance, key, value, where)
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


def _unknown_key(instance: Any, key: Any, value: Any, where: str) -> InputError:
    """The error for a key that `instance`, which stands at `where`, does not have."""
    start, name = f"{where}." if where else "", str(key).replace("-", "_")
    for section, kind in get_type_hints(type(instance)).items():
        # the key itself may be right: `stages` is all that `stage1.training.steps` lacks
        if dataclasses.is_dataclass(kind) and name in get_type_hints(kind):
            meant = f"{start}{section}.{_with_inner_keys(key, value)}"
            return InputError(f"there is no key {start + str(key)!r}; did you mean {meant!r}?")
    return _unknown("key", start + str(key), list(get_type_hints(type(instance))), where)


def _with_inner_keys(key: Any, value: Any) -> str:
    """A key with those below it, as far as there is only one at each level: `stage1.training.steps`."""
    path = str(key)
    while isinstance(value, Mapping) and len(value) == 1:
        ((inner, value),) = value.items()
        path += f".{inner}"
    return path


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
