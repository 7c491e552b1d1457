"""The authors' files in and out."""

from __future__ import annotations

import json
import pickle
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from paper_files import random_states, write_official, write_paper_model
from pdfgc.config import load_config
from pdfgc.errors import InputError
from pdfgc.networks.paper.build import make_networks
from pdfgc.official.convert import export_official, import_official, read_networks
from pdfgc.official.layout import FILES, unread_tensors
from random_model import write_random_model

TINY = load_config("paper_tiny")


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_official(tmp_path_factory.mktemp("official"))


def test_an_import_keeps_what_is_used_and_names_the_rest(official: Path, tmp_path: Path) -> None:
    imported = import_official(official, tmp_path / "paper.safetensors", TINY)
    tensors = load_file(tmp_path / "paper.safetensors")
    expected = {
        f"{name}.{key}": value for name, state in random_states().items() for key, value in state.items()
    }
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    assert imported.kept == sum(tensor.numel() for tensor in expected.values())
    assert imported.dropped["appearance_model.pth: fc"] == 7 * 256
    assert imported.dropped["appearance_model.pth: model"] == 10 * 256
    assert imported.dropped["motion_model.pth: mouth_fc"] == 3 * 64
    assert imported.dropped["generator_model.pth: style"] == 8 * (798 * 798 + 798)


def test_a_card_says_whose_they_are(official: Path, tmp_path: Path) -> None:
    import_official(official, tmp_path / "paper.safetensors", TINY)
    card = (tmp_path / "paper.md").read_text()
    assert "Licence: the authors'" in card and "appearance_model.pth" in card
    with safe_open(tmp_path / "paper.safetensors", "pt") as file:
        about = json.loads(file.metadata()["pdfgc"])
    assert about["card"] == card
    assert len(about["source"]["files"]["generator_model.pth"]) == 64


def test_there_and_back_is_the_identity(official: Path, tmp_path: Path) -> None:
    import_official(official, tmp_path / "one.safetensors", TINY)
    export_official(tmp_path / "one.safetensors", tmp_path / "back")
    import_official(tmp_path / "back", tmp_path / "two.safetensors", TINY)
    one, two = load_file(tmp_path / "one.safetensors"), load_file(tmp_path / "two.safetensors")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_export_has_every_tensor_that_the_authors_loader_wants_and_stays_small(tmp_path: Path) -> None:
    export_official(write_paper_model(tmp_path / "m.safetensors"), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f.names[0] for f in FILES)
    state = torch.load(tmp_path / "out" / "generator_model.pth", weights_only=True)
    assert state["style.8.weight"].shape == (798, 798)
    assert state["input.input"].shape == (1, 16, 2, 2)
    kernel = state["convs.0.conv.blur.kernel"]
    assert torch.equal(kernel, state["to_rgbs.4.upsample.kernel"])
    assert torch.allclose(kernel[0], torch.tensor([1.0, 3.0, 3.0, 1.0]) / 16)
    used = sum(tensor.numel() for tensor in random_states()["generator"].values())
    assert (tmp_path / "out" / "generator_model.pth").stat().st_size < 4 * used + 100_000


def test_the_published_sizes_leave_out_68_millions() -> None:
    config = load_config("paper")
    with torch.device("meta"):
        networks = make_networks(config.paper.networks, config.size)
    used = sum(weight.numel() for network in networks.values() for weight in network.parameters())
    unread = sum(tensor.numel() for tensor in unread_tensors(networks["generator"]).values())
    classifiers = 1000 * 2049 + 5995 * 2049
    assert used == 78_005_740
    assert unread + classifiers == pytest.approx(68e6, rel=0.005)


@pytest.mark.parametrize("wrapped", [False, True])
def test_other_names_and_wrappers_are_understood(official: Path, tmp_path: Path, wrapped: bool) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for file in FILES:
        state = torch.load(official / file.names[0], weights_only=True)
        if wrapped:
            state = {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 3}
        torch.save(state, folder / file.names[-1])
    import_official(folder, tmp_path / "paper.safetensors", TINY)
    assert (folder / "motion_mode.pth").exists() and (tmp_path / "paper.safetensors").exists()


def test_a_plain_tar_is_as_good_as_the_folder(official: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "release.tar", "w") as archive:
        for path in official.iterdir():
            archive.add(path, f"checkpoints/{path.name}")
    import_official(tmp_path / "release.tar", tmp_path / "a.safetensors", TINY)
    import_official(official, tmp_path / "b.safetensors", TINY)
    a, b = load_file(tmp_path / "a.safetensors"), load_file(tmp_path / "b.safetensors")
    assert all(torch.equal(a[name], b[name]) for name in b)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_half_a_tar_is_said(official: Path, tmp_path: Path, mode: str) -> None:
    with tarfile.open(tmp_path / "release.tar", mode) as archive:  # type: ignore[call-overload]
        archive.add(official / "motion_model.pth", "motion_model.pth")
    whole = (tmp_path / "release.tar").read_bytes()
    (tmp_path / "release.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"expected (a whole tar in|the folder of the authors' four files)"):
        import_official(tmp_path / "release.tar", tmp_path / "paper.safetensors", TINY)


class _Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('sprung').touch()",)


def test_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_official(tmp_path / "official")
    (folder / "appearance_model.pth").write_bytes(pickle.dumps(_Trap(), protocol=2))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"PyTorch state dict in appearance_model\.pth"):
        import_official(folder, tmp_path / "paper.safetensors", TINY)
    assert not (tmp_path / "sprung").exists()


def test_wrong_files_are_named_in_one_sentence(tmp_path: Path) -> None:
    out = tmp_path / "paper.safetensors"
    with pytest.raises(InputError, match="folder of the authors' four files"):
        import_official(tmp_path / "nothing", out, TINY)
    folder = write_official(tmp_path / "official", generator={"to_rgb1.bias": torch.zeros(1, 4, 1, 1)})
    with pytest.raises(
        InputError, match=r"to_rgb1\.bias in generator_model\.pth to be 1 x 3 x 1 x 1, but it is 1 x 4"
    ):
        import_official(folder, out, TINY)
    for wrong in (torch.full((1, 3, 1, 1), torch.nan), torch.zeros(1, 3, 1, 1, dtype=torch.complex64)):
        write_official(folder, generator={"to_rgb1.bias": wrong})
        with pytest.raises(InputError, match=r"real numbers in to_rgb1\.bias of generator_model\.pth"):
            import_official(folder, out, TINY)
    torch.save({"a": torch.zeros(1)}, folder / "audio_model.pth")
    with pytest.raises(InputError, match=r"in audio_model\.pth, but \d+ are missing, the first model\.conv1"):
        import_official(folder, out, TINY)
    torch.save([1, 2], folder / "audio_model.pth")
    with pytest.raises(InputError, match="something else"):
        import_official(folder, out, TINY)
    (folder / "audio_model.pth").unlink()
    with pytest.raises(InputError, match=r"expected audio_model\.pth in"):
        import_official(folder, out, TINY)
    assert not out.exists() and not out.with_suffix(".md").exists()


def test_a_model_of_the_other_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one of preset tiny"):
        read_networks(write_random_model(tmp_path / "small.safetensors"))
