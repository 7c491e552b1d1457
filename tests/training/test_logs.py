"""The lines, pictures and boards of a run."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import numpy as np
import pytest

from pdfgc.training.logs import Logs, read_log


def write_steps(folder: Path, *steps: int, done: int = 0) -> None:
    logs = Logs(folder, done, 10)
    for step in steps:
        logs.write(step, {"mesh": 1 / step}, {"held": 2.0} if step == 3 else {})
    logs.close()


def test_a_line_a_step(tmp_path: Path) -> None:
    write_steps(tmp_path, 1, 2, 3)
    assert read_log(tmp_path) == [
        {"step": 1, "mesh": 1.0},
        {"step": 2, "mesh": 0.5},
        {"step": 3, "mesh": 1 / 3, "validation": {"held": 2.0}},
    ]


def test_resuming_drops_later_lines_and_half_a_line(tmp_path: Path) -> None:
    write_steps(tmp_path, 1, 2, 3)
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"step": 4, "me')
    write_steps(tmp_path, 4, done=3)
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3, 4]
    write_steps(tmp_path, 3, done=2)
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]


def test_lines_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    logs = Logs(tmp_path, 0, 10)
    logs.write(1, {"mesh": 0.25}, {})
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 1, "mesh": 0.25}
    logs.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_said_of_the_log(tmp_path: Path) -> None:
    logs = Logs(tmp_path, 0, 10)
    logs._lines = open("/dev/full", "w", buffering=1)  # noqa: SIM115 (closed by close)
    for write in (lambda: logs.write(1, {"mesh": 0.25}, {}), logs.close):
        with pytest.raises(OSError, match="No space") as caught:
            write()
        assert caught.value.filename == str(tmp_path / "log.jsonl")


def test_a_sample_sheet_is_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    logs = Logs(tmp_path, 0, 10)
    logs.sample(40, np.full((16, 24, 3), 200, np.uint8))
    logs.close()
    sheet = np.asarray(Image.open(tmp_path / "samples" / "00000040.jpg"))
    assert sheet.shape == (16, 24, 3) and abs(int(sheet.mean()) - 200) <= 2


def test_without_tensorboard_the_lines_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole_import = builtins.__import__

    def without_tensorboard(name: str, *rest: object, **options: object) -> object:
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return whole_import(name, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_tensorboard)
    write_steps(tmp_path, 1)
    assert "tensorboard is not installed" in caplog.text
    assert len(read_log(tmp_path)) == 1 and not (tmp_path / "tensorboard").exists()
