"""What may have changed since a stage's checkpoint was written, and what may not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdfgc.config import config_from_dict, config_to_dict
from pdfgc.errors import InputError
from pdfgc.training.checkpoint import Checkpoint

log = logging.getLogger(__name__)


def compare(
    stage: str,
    folder: Path,
    checkpoint: Checkpoint,
    *,
    config: Mapping[str, Any],
    used: Mapping[str, str],
    data: str,
) -> None:
    """Refuses a checkpoint of other networks or other earlier stages; tells of other changes.

    Args:
        stage: the stage's name.
        folder: `RUN/<stage>`.
        checkpoint: what the stage goes on from.
        config, used, data: what it is trained with now; as in `Checkpoint`.

    Raises:
        InputError: the checkpoint is of other networks, another size or other earlier stages, or has trained what is
            to be frozen now.
    """
    # as read now, so that settings which it is too old to know do not count as changed
    begun = config_to_dict(config_from_dict(checkpoint.config))
    for key in ("networks", "size"):
        if begun[key] != config[key]:
            raise InputError(
                f"{folder} was begun with {key} {begun[key]}, but the configuration has "
                f"{config[key]}; use another --run"
            )
    people = _differences(begun["data"], config["data"])
    if people:
        log.warning(
            "%s goes on with a changed data.%s: who was trained on before is no stranger to it now",
            stage,
            " and data.".join(people),
        )
    if is_other_data(checkpoint.data, data):
        log.warning("%s goes on with other clips than before: those of --data have changed", stage)
    _compare_paper(stage, folder, begun["paper"], config["paper"])
    section = stage.replace("-", "_")
    before, now = begun["stages"][section], config["stages"][section]
    _refuse_newly_frozen(folder, f"stages.{section}.frozen", before.get("frozen", ()), now.get("frozen", ()))
    if before != now:
        log.warning("%s goes on with a changed configuration", stage)
    for earlier, digest in checkpoint.used.items():
        if used.get(earlier) != digest:
            raise InputError(
                f"{earlier} has been trained further since {stage} began in {folder}; "
                "delete that folder to begin it anew, or use another --run"
            )


def is_other_data(before: str, now: str) -> bool:
    """Whether two names of clips (`clips.digest_of`) are known and differ; runs of older versions have none."""
    return bool(before and now and before != now)


def _refuse_newly_frozen(folder: Path, key: str, before: Sequence[str], now: Sequence[str]) -> None:
    """Parts that were trained are no longer those of `start_from`; freed ones merely begin to learn."""
    newly = [name for name in now if not any(f"{name}.".startswith(f"{part}.") for part in before)]
    if newly:
        raise InputError(
            f"{folder} has trained {' and '.join(newly)} already, which {key} is to leave as they were; take them out "
            "of it, or use another --run"
        )


def _compare_paper(stage: str, folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = _differences(before, now)
    if "networks" in changed:
        names = ", ".join(_differences(before["networks"], now["networks"]))
        raise InputError(f"{folder} was begun with other paper.networks ({names}); use another --run")
    if changed:
        log.warning("%s goes on with a changed paper.%s", stage, ", paper.".join(changed))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of the entries that are not alike."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
