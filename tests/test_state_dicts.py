"""Files that other people saved with PyTorch, and files that they did not."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

from pdfgc.errors import InputError
from pdfgc.state_dicts import load_weights, read_tensors


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('sprung').touch()",)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"net": s}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_prefixes_are_taken_off(tmp_path: Path, wrap: object, prefix: str) -> None:
    state = {f"{prefix}weight": torch.ones(2), "steps": 7}
    torch.save(wrap(state), tmp_path / "file.pth")  # type: ignore[operator]
    read = read_tensors(tmp_path / "file.pth")
    assert list(read) == ["weight"] and torch.equal(read["weight"], torch.ones(2))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.pth").write_bytes(pickle.dumps(_Trap(), protocol=2))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"expected a PyTorch state dict in the file, but it cannot be read"):
        read_tensors(tmp_path / "trap.pth", name="the file")
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_with_other_objects_is_told_what_to_save(tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": torch.ones(2)}, "settings": Fraction(1, 2)}, tmp_path / "file.ckpt")
    with pytest.raises(
        InputError, match=r"it holds other Python objects too.* save its tensors alone with torch"
    ):
        read_tensors(tmp_path / "file.ckpt")


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 1}, torch.zeros(2)])
def test_what_holds_no_names_and_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(InputError, match="holds something else"):
        read_tensors(tmp_path / "file.pth")


@pytest.mark.parametrize("content", [b"a list of names", b"X", b".", b"J\x01", b"<html>"])
def test_files_of_another_kind_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_tensors(tmp_path / "file.pth")


@pytest.mark.parametrize("content", [b"", b"hello world\n"])
def test_files_of_which_torch_says_nothing_get_a_reason(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"\(PyTorch did not write it, or not all of it is there\)$"):
        read_tensors(tmp_path / "text.pth")


def test_broken_and_absent_files_are_one_sentence_each(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "file.pth")
    whole = (tmp_path / "file.pth").read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 30):
        (tmp_path / "part.pth").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"^expected X's weights in .*part\.pth, but .*[^\n]*$"):
            read_tensors(tmp_path / "part.pth", "X's weights")
    with pytest.raises(InputError, match=r"cannot read .*absent\.pth.*No such file"):
        read_tensors(tmp_path / "absent.pth")
    with pytest.raises(InputError, match="cannot read"):
        read_tensors(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "file.pth")
    network = nn.Linear(2, 3)
    load_weights(network, tmp_path / "file.pth", "a layer")
    with pytest.raises(InputError, match=r"expected a layer in .*, but it is something else"):
        load_weights(nn.Linear(3, 3), tmp_path / "file.pth", "a layer")
