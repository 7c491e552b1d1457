"""Checkpoints: whole or absent, the last few kept, optimisers as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.training import checkpoint as checkpoint_module
from pdfgc.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    optimizer_tensors,
    read_checkpoint,
    read_latest,
    restore_optimizer,
    write_checkpoint,
)


def make_checkpoint(step: int) -> Checkpoint:
    tensors = {
        "modules/net.weight": torch.full((2, 2), float(step)),
        "averages/net.weight": torch.zeros(2, 2),
    }
    return Checkpoint(step, 1.5, {"size": 64}, {"stage1": "ab"}, tensors)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "checkpoints", make_checkpoint(7), keep=2)
    assert path.name == "step-00000007.safetensors"
    read = read_checkpoint(path)
    assert (read.step, read.minutes, read.config, read.used) == (7, 1.5, {"size": 64}, {"stage1": "ab"})
    assert read.part("modules").keys() == {"net.weight"}
    assert torch.equal(read.part("modules")["net.weight"], torch.full((2, 2), 7.0))


def test_a_checkpoint_of_an_older_version_does_not_name_its_clips(tmp_path: Path) -> None:
    about = {"step": 1, "minutes": 0.5, "config": {}, "used": {}}
    save_file(
        {"modules/net.weight": torch.zeros(1)},
        tmp_path / "step-00000001.safetensors",
        metadata={"pdfgc_checkpoint": json.dumps(about)},
    )
    assert read_checkpoint(tmp_path / "step-00000001.safetensors").data == ""


@pytest.mark.parametrize(("keep", "left"), [(0, [5]), (1, [5]), (3, [3, 4, 5])])
def test_the_last_are_kept(tmp_path: Path, keep: int, left: list[int]) -> None:
    for step in range(1, 6):
        write_checkpoint(tmp_path, make_checkpoint(step), keep)
    assert [read_checkpoint(path).step for path in list_checkpoints(tmp_path)] == left


def test_a_writer_that_dies_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path, make_checkpoint(1), keep=1)

    def dies(tensors: dict[str, Tensor], path: Path, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", dies)
    with pytest.raises(OSError, match="no space"):
        write_checkpoint(tmp_path, make_checkpoint(2), keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.safetensors"]


def test_a_damaged_one_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_latest(tmp_path) is None
    older, newer = (write_checkpoint(tmp_path, make_checkpoint(step), keep=2) for step in (1, 2))
    newer.write_bytes(newer.read_bytes()[:100])
    latest = read_latest(tmp_path)
    assert latest is not None and latest.step == 1
    assert "step-00000002" in caplog.text and "going on from the one before it" in caplog.text
    older.write_bytes(b"")
    with pytest.raises(InputError, match=r"step-00000002.* delete the folder .* to begin the stage anew"):
        read_latest(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "step-1.safetensors").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"expected a checkpoint, but .* cannot be read"):
        read_checkpoint(tmp_path / "step-1.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="another safetensors file"):
        read_checkpoint(tmp_path / "other.safetensors")


def stepped(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    net(torch.ones(1, 2, 4, 4)).sum().backward()
    optimizer.step()


def test_an_optimiser_goes_on_as_if_it_had_not_stopped() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    names: dict[Tensor, str] = {parameter: f"net.{name}" for name, parameter in net.named_parameters()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    stepped(net, optimizer)
    saved = {name: value.contiguous().clone() for name, value in optimizer_tensors(optimizer, names).items()}
    assert {"net.weight/step", "net.weight/exp_avg", "net.bias/exp_avg_sq"} <= saved.keys()

    again = nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    again.load_state_dict(net.state_dict())
    other = torch.optim.AdamW(again.parameters(), lr=0.1)
    restore_optimizer(other, {p: f"net.{name}" for name, p in again.named_parameters()}, saved)
    moment = other.state[again.weight]["exp_avg"]
    assert moment.is_contiguous(memory_format=torch.channels_last), "laid out as its weight"
    stepped(net, optimizer)
    stepped(again, other)
    assert torch.equal(again.weight, net.weight) and torch.equal(again.bias, net.bias)


def test_an_optimiser_of_other_networks_is_refused() -> None:
    net = nn.Linear(1, 1)
    with pytest.raises(InputError, match=r"trains 'old\.weight'"):
        restore_optimizer(torch.optim.AdamW(net.parameters()), {}, {"old.weight/exp_avg": torch.zeros(1)})
