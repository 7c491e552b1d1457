from pathlib import Path

import numpy as np
import pytest
import torch

import measure_ablations as script
from pdfgc.data.clips import ClipSet
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.errors import InputError
from pdfgc.face.geometry import MESH_POINTS
from pdfgc.face.mesh import DLIB_68
from pdfgc.model import Model
from pdfgc.training.results import read_result
from pdfgc.training.run import train
from synthetic import write_clip_set

SMALLER = [
    "size=64",
    "training.batch=2",
    "networks={motion: 64, motion_hidden: 64, speech: mel, speech_hidden: 32, decoder_hidden: 32}",
    "networks={warp_channels: 8, flow_channels: 8, warp_context: 1, judge_channels: 8}",
    "stages.stage3={bank: 64, moments: 2, painted: 32, close_up: 24}",
]
HELD_OUT = ["person_2"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder, identities=3, clips=1, frames=40)
    return folder


@pytest.fixture(scope="module")
def out(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four, trained for two steps and measured."""
    folder = tmp_path_factory.mktemp("ablations")
    (folder / "stages").mkdir()
    quick = [*SMALLER, f"data.held_out={HELD_OUT}", "training.steps=1", "training.validate_every=0"]
    for stage in script.EARLIER:
        train(
            stage,
            data=shards,
            run=folder / "stages",
            changes=[*quick, "training.sample_every=0"],
            device="cpu",
        )
    script.run_all(shards, folder / "stages", folder / "out", 2, HELD_OUT, SMALLER)
    return folder / "out"


def test_a_row_for_each_ablation_beside_the_papers_numbers(out: Path) -> None:
    text = (out / "ablations.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows[1:5]] == list(script.ABLATIONS)
    assert rows[1].endswith("0.486, 1.81 |") and rows[4].endswith("0.007, 1.27 |")
    assert "2 steps; 1 held-out people, 1 of them with sound" in text
    for name in script.ABLATIONS:
        config = read_result(out / name / "model.safetensors").about["config"]["stages"]["stage3"]
        assert (config["window"] == 1) == (name in ("no_decorrelation", "lip_decorrelation_only"))
        assert (config["weights"]["correlation"] == 0) == (name in ("no_decorrelation", "in_window_only"))
        assert config["weights"]["l1"] == config["weights"]["perceptual"] == 0


def test_what_is_trained_is_not_trained_again(out: Path, shards: Path) -> None:
    before = [(out / name / "model.safetensors").stat().st_mtime_ns for name in script.ABLATIONS]
    table = (out / "ablations.md").read_text()
    assert script.run_all(shards, out / "none", out, 2, HELD_OUT, SMALLER) == table
    assert [(out / name / "model.safetensors").stat().st_mtime_ns for name in script.ABLATIONS] == before


def test_an_expression_that_moves_nothing_leaks_nothing(out: Path, shards: Path) -> None:
    model = Model(read_result(out / "all" / "model.safetensors"))
    _, clips = ClipSet.open(shards).split(HELD_OUT)
    speech = SpeechFeatures(clips.clips, model.hearing, out / "all" / "cache")
    points = model.decoder.get_submodule("factors.expression.points")
    assert isinstance(points, torch.nn.Linear)
    with torch.no_grad():
        points.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    moved = script.measure_clip(model, clips.clips[0], speech)
    assert moved["leak"] > 0 and moved["lmd_m_seen"] != moved["lmd_m_seen_free"]
    with torch.no_grad():
        points.weight.zero_()
    still = script.measure_clip(model, clips.clips[0], speech)
    assert still["leak"] == pytest.approx(0, abs=1e-9) and still["driver"] > 0
    assert still["lmd_m_seen"] == still["lmd_m_seen_free"]
    assert still["lmd_m_heard"] == still["lmd_m_heard_free"]


def test_distance_of_mouths_in_pixels_of_a_head_crop() -> None:
    truth = torch.zeros(3, MESH_POINTS, 3)
    rebuilt = truth.clone()
    rebuilt[1:, DLIB_68[48], 0] = 1.0
    # one point of 20 is a centimetre off: 19/20 from its place about the mean, the others 1/20
    pixels_per_cm = 256 / 1.75 / 18.1
    expected = 2 * 19 / 400 * pixels_per_cm
    assert script._mouth_distance(rebuilt, truth, torch.zeros(3, 6)) == pytest.approx(expected, rel=1e-5)
    larger = torch.zeros(3, 6)
    larger[:, 5] = 0.7  # a face that fills more of its crop counts the same
    assert script._mouth_distance(rebuilt, truth, larger) == pytest.approx(expected, rel=1e-5)


def test_summary_and_counts_of_people() -> None:
    one = {"driver": 4.0, "leak": 1.0, "follow": -1.0, "lmd_m_seen": 2.0}
    two = {"lmd_m_seen": 4.0}
    total = script.summarise({"a": one, "b": two})
    assert total == {"driver": 4.0, "leak": 0.5, "follow": -0.25, "lmd_m_seen": 3.0}
    worse = {"a": one | {"lmd_m_seen": 2.5}, "b": two | {"lmd_m_seen": 3.0}}
    lines = script._better({"no_decorrelation": worse, "all": {"a": one, "b": two}})
    assert lines[1] == ["no_decorrelation", "0 of 0", "1 of 2", "0 of 0", "0 of 0", "0 of 1"]


def test_what_is_wrong_is_told(out: Path, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no .*stage1"):
        script.run_all(shards, tmp_path / "none", tmp_path, 2, HELD_OUT, SMALLER)
    with pytest.raises(InputError, match="held-out people nobody"):
        script.run_all(shards, out, out, 2, ["nobody"], SMALLER)


def test_means_leave_out_what_is_not_there() -> None:
    assert script.mean([{"a": 1.0}, {"a": 3.0, "b": np.pi}]) == {"a": 2.0, "b": np.pi}
