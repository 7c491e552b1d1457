"""What the stages of a run leave for each other and for `--model RUN`.

    RUN/<stage>/weights.safetensors    averaged weights of the modules that the stage exports or leaves to later stages
    RUN/model.safetensors              all exported ones together: the run as a model

In both, a tensor's name is `<module>.<name in the module's state>`, and the metadata entry `pdfgc` is a
JSON object with the preset, the resolved configuration and the steps trained.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.files import atomic_path, sha256_of

STAGES: dict[str, str] = {
    "stage1": "pdfgc.training.stage1",
    "stage2-lips": "pdfgc.training.stage2_lips",
    "stage2-eyes": "pdfgc.training.stage2_eyes",
    "stage2-pose": "pdfgc.training.stage2_pose",
    "stage3": "pdfgc.training.stage3",
}
"""The stages in the order of `all`, and the module whose `build(setup)` makes each for preset `small`."""

log = logging.getLogger(__name__)


def stage_module(name: str, family: str) -> str:
    """The module that builds a stage for networks of a family (`Config.family`)."""
    module = STAGES[name]
    return module.replace(".training.", ".training.paper.") if family == "paper" else module


@dataclass(frozen=True)
class Result:
    """One file of module weights."""

    tensors: dict[str, Tensor]
    """By `<module>.<name>`."""
    about: dict[str, Any]
    """The metadata: `preset`, `config`, and `stages` (name -> step, finished, used, for_later; in a model of all
    also sha256)."""

    def module(self, name: str) -> dict[str, Tensor]:
        """The state of one module; empty when the file has none of that name."""
        prefix = f"{name}."
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}


def write_result(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes module weights and what is known about them, complete or not at all."""
    own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(own, temporary, metadata={"pdfgc": json.dumps(about)})


def read_result(path: Path) -> Result:
    """Reads what `write_result` wrote.

    Raises:
        InputError: when the file is missing, damaged, or not written by `write_result`.
    """
    about = read_about(path)
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    return Result(tensors, about)


def read_about(path: Path) -> dict[str, Any]:
    """The metadata of what `write_result` wrote, without the weights; as `Result.about`.

    Raises:
        InputError: as `read_result`.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
    if "pdfgc" not in metadata:
        raise InputError(f"expected weights written by pdfgc train, but {path} lacks the pdfgc metadata")
    about: dict[str, Any] = json.loads(metadata["pdfgc"])
    return about


def warn_of_misfits(name: str, about: Mapping[str, Any]) -> None:
    """Says which stages of a model were built on other weights of earlier ones than it holds.

    Args:
        name: the model's.
        about: as `Result.about`; what is not known there is not warned of.
    """
    stages = about.get("stages", {})
    for stage, entry in stages.items():
        for earlier, digest in entry.get("used", {}).items():
            if stages.get(earlier, {}).get("sha256", digest) != digest:
                log.warning(
                    "%s is made of parts that do not fit: %s was built on another %s than it holds; delete the "
                    "folder of %s in the run to train it anew",
                    *(name, stage, earlier, stage),
                )


@dataclass
class Results:
    """The results of the stages of a run, read as they are asked for."""

    run: Path
    before: str | None = None
    """Only stages that come before this one are seen; None sees all."""
    pretend: bool = False
    """Load nothing and miss nothing: for plans of stages whose earlier stages are not trained yet."""
    told: set[str] = field(default_factory=set)
    """Unfinished stages that were warned of; shared by the results of one call, so that each is said once."""
    used: dict[str, str] = field(default_factory=dict)
    """sha256 of the weights file of every stage that was loaded from: what a later stage depends on."""
    _read: dict[str, Result] = field(default_factory=dict)

    def stages(self) -> list[str]:
        """Names of the stages that have a result, in training order."""
        names = list(STAGES)
        if self.before is not None:
            names = names[: names.index(self.before)]
        return [stage for stage in names if self._path(stage).is_file()]

    def of(self, stage: str) -> Result:
        """One stage's result.

        Raises:
            InputError: when the stage has not been trained in this run.
        """
        path = self._path(stage)
        if stage not in self._read:
            if not path.is_file():
                raise InputError(
                    f"{self.run} has no result of {stage} yet; run `pdfgc train {stage}` in it first"
                )
            result = read_result(path)
            if not result.about["stages"][stage]["finished"] and stage not in self.told:
                self.told.add(stage)
                log.warning(
                    "%s has not finished its steps; later stages will build on its present state", stage
                )
            self._read[stage] = result
        self.used[stage] = sha256_of(path)
        return self._read[stage]

    def load(self, name: str, module: nn.Module) -> None:
        """Loads a module's weights, if it has any, from the latest stage that exports a module of that name.

        Raises:
            InputError: when no trained stage exports it, or its shapes differ from the module's.
        """
        if self.pretend or not module.state_dict():
            return
        stage = self.holder(name)
        if stage is None:
            raise InputError(
                f"no stage trained in {self.run} has a module named {name}; train the earlier stages first"
            )
        try:
            module.load_state_dict(self.of(stage).module(name))
        except RuntimeError as error:
            raise InputError(
                f"the module {name} of {stage} in {self.run} does not fit the configuration: it was trained "
                f"with preset {self.of(stage).about.get('preset')}, whose networks have other sizes"
            ) from error

    def holder(self, name: str) -> str | None:
        """The latest stage whose result has a module of that name."""
        for stage in reversed(self.stages()):
            if any(key.startswith(f"{name}.") for key in _tensor_names(self._path(stage))):
                return stage
        return None

    def _path(self, stage: str) -> Path:
        return self.run / stage / "weights.safetensors"


def write_model(run: Path) -> Path | None:
    """Joins the results of all stages into `RUN/model.safetensors`; a later stage's tensors replace an
    earlier's of the same name. Stages that were trained apart are warned of.

    Returns:
        The file's path, or None when no stage has a result yet.
    """
    results = Results(run)
    tensors: dict[str, Tensor] = {}
    about: dict[str, Any] = {"stages": {}}
    for stage in results.stages():
        part = results._path(stage)
        result = read_result(part)  # nothing is built on it here, so nothing is warned of
        kept_out = tuple(f"{name}." for name in result.about["stages"][stage].get("for_later", ()))
        tensors.update({name: own for name, own in result.tensors.items() if not name.startswith(kept_out)})
        about.update({key: value for key, value in result.about.items() if key != "stages"})
        about["stages"][stage] = {**result.about["stages"][stage], "sha256": sha256_of(part)}
    if not tensors:
        return None
    path = run / "model.safetensors"
    write_result(path, tensors, about)
    warn_of_misfits(str(path), about)
    return path


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file.

    Raises:
        InputError: it is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"expected a weights file at {path}, but there is none")
    try:
        with safe_open(path, "pt") as file:
            yield file
    except SafetensorError as error:
        raise InputError(
            f"expected a safetensors file, but {path} cannot be read as one ({error})"
        ) from error


def _tensor_names(path: Path) -> list[str]:
    with safe_open(path, "pt") as file:
        return list(file.keys())
