"""Checking a model against recorded answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from paper_files import write_official, write_paper_model
from pdfgc.cli import main
from pdfgc.errors import InputError
from pdfgc.networks.speech_mel import MelHearing
from pdfgc.official.convert import read_networks
from pdfgc.official.verify import verify


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_paper_model(tmp_path_factory.mktemp("model") / "paper.safetensors")


@pytest.fixture(scope="module")
def golden(model: Path) -> Path:
    """Answers of the networks called one by one, gathered as a golden file has them."""
    torch.manual_seed(0)
    networks, _ = read_networks(model)
    portrait, driver = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    wave = torch.randn(16000) * 0.1
    mel = MelHearing()(wave[None])
    feature = networks["speech"].model(mel[:, 40:60].transpose(1, 2)[:, None])  # type: ignore[operator]
    lips = networks["speech"].mouth_embed(feature)  # type: ignore[operator]
    vector, start = networks["appearance"](portrait)
    codes = networks["motion"](driver)
    trunk = networks["motion"].model(driver)  # type: ignore[operator]
    style = torch.cat([vector, lips, codes["expression"], codes["eyes"], codes["pose"]], 1)
    answers = {
        "portrait": portrait,
        "driver": driver,
        "audio.wave": wave,
        "audio.mel": mel[0].T,
        "audio.feature": feature,
        "audio.lips": lips,
        "appearance.vector": vector,
        "appearance.map": start,
        "motion.lip_feature": networks["motion"].to_mouth(trunk),  # type: ignore[operator]
        **{f"motion.{name}": codes[name] for name in ("expression", "eyes", "pose")},
        "frame": networks["generator"](start, style),
    }
    path = model.with_name("golden.safetensors")
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in answers.items()}, path)
    return path


def test_every_output_is_compared_and_agrees(model: Path, golden: Path) -> None:
    differences = verify(model, golden)
    assert {entry.output for entry in differences} == load_file(golden).keys() - {
        "portrait",
        "driver",
        "audio.wave",
    }
    assert max(entry.largest for entry in differences) < 1e-4


def test_a_difference_is_measured_where_it_is(model: Path, golden: Path, tmp_path: Path) -> None:
    answers = load_file(golden)
    answers["motion.pose"][0, 3] += 0.25
    del answers["audio.wave"]
    save_file(answers, tmp_path / "off.safetensors")
    found = {entry.output: entry.largest for entry in verify(model, tmp_path / "off.safetensors")}
    assert found["motion.pose"] == pytest.approx(0.25, abs=1e-4)
    assert found["motion.eyes"] < 1e-4
    assert "audio.lips" not in found and "frame" not in found  # the sound they follow from is gone


def test_golden_files_that_are_none(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is none"):
        verify(model, tmp_path / "no.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="cannot be read"):
        verify(model, tmp_path / "text.safetensors")
    save_file({"portrait": torch.zeros(1, 3, 64, 64)}, tmp_path / "half.safetensors")
    with pytest.raises(InputError, match="no pair"):
        verify(model, tmp_path / "half.safetensors")
    save_file(
        {"portrait": torch.zeros(1, 3, 64, 64), "appearance.vector": torch.zeros(3)},
        tmp_path / "shape.safetensors",
    )
    with pytest.raises(InputError, match=r"appearance\.vector .* as \[1, 256\], but it is \[3\]"):
        verify(model, tmp_path / "shape.safetensors")


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("driver", torch.zeros(1, 3, 48, 48), r"driver .* as \[1, 3, 64, 64\] float32, .* \[1, 3, 48, 48\]"),
        ("driver", torch.zeros(2, 3, 64, 64), r"it is \[2, 3, 64, 64\] float32"),
        ("portrait", torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "it is .* uint8"),
        ("audio.wave", torch.zeros(1, 16000), r"one row of float32 samples, but it is \[1, 16000\] float32"),
        ("audio.wave", torch.zeros(0), r"it is \[0\] float32"),
    ],
)
def test_inputs_that_the_networks_cannot_take(
    model: Path, golden: Path, tmp_path: Path, name: str, given: torch.Tensor, said: str
) -> None:
    save_file({**load_file(golden), name: given}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=said):
        verify(model, tmp_path / "other.safetensors")


def test_a_short_wave_is_no_accident(model: Path, tmp_path: Path) -> None:
    recorded = {"audio.wave": torch.zeros(100), "audio.lips": torch.zeros(1, 3)}
    save_file(recorded, tmp_path / "short.safetensors")
    with pytest.raises(InputError, match=r"expected audio\.lips"):
        verify(model, tmp_path / "short.safetensors")


def test_the_verbs(model: Path, golden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", str(model), str(golden)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 10 and said[0].startswith("appearance.vector ")
    assert main(["weights", "export-official", str(model), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "motion_model.pth").exists()
    tiny = write_official(tmp_path / "tiny")
    assert main(["weights", "import-official", str(tiny), "-o", str(tmp_path / "new.safetensors")]) == 2
    assert "conv1.weight in appearance_model.pth to be 64 x 3 x 7 x 7" in capsys.readouterr().err


def test_a_difference_is_a_failing_command(model: Path, golden: Path, tmp_path: Path) -> None:
    answers = load_file(golden)
    answers["frame"] += 1
    save_file(answers, tmp_path / "off.safetensors")
    command = [sys.executable, "-m", "pdfgc.cli", "weights", "verify", str(model)]
    done = subprocess.run(
        [*command, str(tmp_path / "off.safetensors")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1
    assert done.stderr == "pdfgc: frame: differs by more than 0.0001\n"
