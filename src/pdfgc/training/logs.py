"""What a training run writes for people: a JSON line a step, tensorboard, sample sheets, a line now and
then."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from pdfgc.files import atomic_path, naming_in_errors

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

SECONDS_BETWEEN_MESSAGES = 60.0


class Logs:
    """The logs of one stage in its folder.

    Resuming at a step drops the lines after it: they were written by steps that are now done again.

    Args:
        folder: `RUN/<stage>`; `log.jsonl`, `tensorboard/` and `samples/` come to lie in it.
        step: the steps already done.
        steps: the steps that the stage will do in all.
    """

    def __init__(self, folder: Path, step: int, steps: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.steps = steps
        self._path = folder / "log.jsonl"
        if self._path.exists():
            _drop_lines_after(self._path, step)
        self._lines: IO[str] = open(self._path, "a", buffering=1)  # noqa: SIM115 (closed by close)
        self._board = _open_board(folder / "tensorboard", step)
        self._last_message = time.monotonic()

    def write(self, step: int, values: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """One line for the step, with the measurements on held-out clips where there were any."""
        line: dict[str, object] = {"step": step, **values}
        if validation:
            line["validation"] = dict(validation)
        with naming_in_errors(self._path):
            self._lines.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            for name, value in validation.items():
                self._board.add_scalar(f"validation/{name}", value, step)
        now = time.monotonic()
        if validation or now - self._last_message > SECONDS_BETWEEN_MESSAGES:
            self._last_message = now
            text = " ".join(f"{name} {value:.4g}" for name, value in {**values, **validation}.items())
            log.info("%s: step %d of %d: %s", self.folder.name, step, self.steps, text)

    def sample(self, step: int, sheet: np.ndarray) -> None:
        """Writes a sample sheet `[H, W, 3]` uint8 RGB to `samples/<step>.jpg`."""
        from PIL import Image

        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        with atomic_path(folder / f"{step:08d}.jpg") as temporary:
            Image.fromarray(sheet).save(temporary, quality=90)
        if self._board is not None:
            self._board.add_image("sample", sheet, step, dataformats="HWC")

    def close(self) -> None:
        """Flushes and closes the files."""
        with naming_in_errors(self._path):  # where a line did not fit, it still does not
            self._lines.close()
        if self._board is not None:
            self._board.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines of a stage's `log.jsonl`."""
    with open(folder / "log.jsonl") as file:
        return [json.loads(line) for line in file]


def _drop_lines_after(path: Path, step: int) -> None:
    """Keeps whole lines up to a step; a process that was killed may have left half a line."""
    with open(path) as old, atomic_path(path) as temporary, open(temporary, "w") as new:
        for line in old:
            if not line.endswith("\n") or json.loads(line)["step"] > step:
                break
            new.write(line)


def _open_board(folder: Path, step: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.warning("tensorboard is not installed (pip install '.[train]'); log.jsonl has the same numbers")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
