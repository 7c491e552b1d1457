"""Every stage of preset `paper_tiny` for a few steps on made-up clips."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pdfgc.config import config_from_dict, load_config
from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError
from pdfgc.model import load
from pdfgc.networks.paper.build import make_networks
from pdfgc.paper_model import PaperModel
from pdfgc.training.paper.stage3 import PaperStage3
from pdfgc.training.results import Results, read_result, write_result
from pdfgc.training.run import plan, train
from pdfgc.training.stage import Draw, Setup
from synthetic import write_clip_set

STAGES = ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose", "stage3")

CHANGES = (
    "training.steps=2",
    "training.batch=2",
    "training.sample_every=2",
    "training.validate_every=2",
    "weights.perceptual=0",
    "data.held_out=[person_2]",
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder, identities=3, clips=1, frames=30, size=64)
    return folder


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    train("all", data=shards, run=run, preset="paper_tiny", changes=CHANGES)
    return run


def _losses(run: Path, stage: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / stage / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize(
    ("stage", "losses"),
    [
        ("stage1", {"l1", "motion", "adversarial", "matching", "discriminator"}),
        ("stage2-lips", {"lips_to_speech", "speech_to_lips"}),
        ("stage2-eyes", {"swap", "geometry"}),
        ("stage2-pose", {"pose"}),
        (
            "stage3",
            {"l1", "motion", "sync", "gaze", "correlation", "adversarial", "matching", "discriminator"},
        ),
    ],
)
def test_stage_logs_its_losses(trained: Path, stage: str, losses: set[str]) -> None:
    steps = _losses(trained, stage)
    assert [line["step"] for line in steps if losses & set(line)] == [1, 2]
    for line in steps[:2]:
        assert losses <= set(line)
        assert all(np.isfinite(line[name]) for name in losses)
    assert "validation" in steps[1]


def test_the_stages_together_are_the_networks_of_the_model(trained: Path) -> None:
    result = read_result(trained / "model.safetensors")
    config = config_from_dict(result.about["config"])
    assert config.family == "paper"
    for name, network in make_networks(config.paper.networks, config.size).items():
        network.load_state_dict(result.module(name))
    assert {key.split(".")[0] for key in result.tensors} == {"appearance", "motion", "speech", "generator"}


def test_the_run_is_a_model_that_paints_from_pictures_and_speech(trained: Path) -> None:
    model = load(trained)
    assert isinstance(model, PaperModel) and model.size == 64
    pictures = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    codes = model.encode_pictures(pictures)
    assert {name: code.shape for name, code in codes.items()} == {
        "lips": (3, 500),
        "expression": (3, 30),
        "eyes": (3, 6),
        "pose": (3, 6),
    }
    spoken = np.concatenate(list(model.encode_speech([np.zeros(16000, np.float32)], Fraction(25))))
    assert spoken.shape == (25, 500)


def test_frozen_parts_stay_and_trained_parts_move(trained: Path) -> None:
    before = read_result(trained / "stage1" / "weights.safetensors").tensors
    after = read_result(trained / "stage3" / "weights.safetensors").tensors
    assert not any(name.startswith("motion.model") for name in after)
    assert not torch.equal(before["appearance.conv1x1.weight"], after["appearance.conv1x1.weight"])
    assert "motion.to_emo.0.weight" in after and "motion.to_mouth.0.weight" not in after


class _Distance(nn.Module):
    """Stands for VGG: a distance of random features, with a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)

    def forward(self, made: Tensor, target: Tensor) -> Tensor:
        return (self.features(made) - self.features(target)).square().mean((1, 2, 3))


@pytest.mark.parametrize("stage", ["stage1", "stage3"])
def test_painted_frames_are_compared_by_features_too(
    stage: str, trained: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"pdfgc.training.paper.{stage}.make_perceptual", lambda teachers: _Distance())
    for earlier in STAGES[: STAGES.index(stage)]:
        shutil.copytree(trained / earlier, tmp_path / earlier)
    changes = [change for change in CHANGES if not change.startswith("weights.perceptual")]
    train(stage, data=shards, run=tmp_path, preset="paper_tiny", changes=[*changes, "training.steps=1"])
    with_it, without = _losses(tmp_path, stage)[0], _losses(trained, stage)[0]
    assert with_it["perceptual"] > 0 and "perceptual" not in without
    more = with_it["generator_total"] - without["generator_total"]
    assert more == pytest.approx(10 * with_it["perceptual"], rel=1e-3)


def test_a_stage_without_an_adversary(trained: Path, shards: Path, tmp_path: Path) -> None:
    for stage in STAGES[:-1]:
        shutil.copytree(trained / stage, tmp_path / stage)
    off = ("weights.adversarial=0", "weights.matching=0", "weights.discriminator=0")
    train("stage3", data=shards, run=tmp_path, preset="paper_tiny", changes=[*CHANGES, *off])
    steps = _losses(tmp_path, "stage3")
    assert len(steps) == 2 and "l1" in steps[0]
    assert not {"adversarial", "matching", "discriminator"} & set(steps[0])


def stage3_of(trained: Path, shards: Path, folder: Path, *changes: str) -> PaperStage3:
    """Stage 3 on the earlier stages of a run, before its first step."""
    config = load_config("paper_tiny", [*CHANGES, *changes])
    earlier = Results(trained, "stage3")
    clips = ClipSet.open(shards)
    return PaperStage3(Setup(config, clips, clips, earlier, folder / "stage3", folder))


@pytest.mark.parametrize(("source", "alike"), [("stage1", True), ("nothing", False)])
def test_g_begins_with_what_g0_has_learnt_or_with_nothing(
    source: str, alike: bool, trained: Path, shards: Path, tmp_path: Path
) -> None:
    first = read_result(trained / "stage1" / "weights.safetensors").module("first_generator")
    stage = stage3_of(trained, shards, tmp_path, f"paper.generator_from={source}")
    begun = stage.generator.state_dict()
    names = [name for name in begun if name.endswith("conv.weight")]
    assert names and all(torch.equal(begun[name], first[name]) == alike for name in names)
    mixed = "convs.0.conv.modulation.weight"
    vector = first[mixed].shape[1] - load_config("paper_tiny").paper.networks.motion
    ratio = begun[mixed][:, :vector] / first[mixed][:, :vector]
    assert (float(ratio.std()) < 1e-4) == alike


def test_a_run_without_g0_is_told_how_to_begin_and_goes_on_where_it_has_begun(
    trained: Path, shards: Path, tmp_path: Path
) -> None:
    for stage in STAGES:
        shutil.copytree(trained / stage, tmp_path / stage)
    path = tmp_path / "stage1" / "weights.safetensors"
    old = read_result(path)
    kept = {name: own for name, own in old.tensors.items() if not name.startswith("first_generator.")}
    write_result(path, kept, old.about)
    assert stage3_of(tmp_path, shards, tmp_path).generator is not None, "its checkpoint has all of G"
    shutil.rmtree(tmp_path / "stage3")
    with pytest.raises(InputError, match=r"older version.*--set paper\.generator_from=nothing"):
        stage3_of(tmp_path, shards, tmp_path)
    assert stage3_of(tmp_path, shards, tmp_path, "paper.generator_from=nothing").generator is not None


@pytest.mark.parametrize("gaze", ["iris", "l2cs"])
@pytest.mark.parametrize("face", ["mediapipe", "emoca"])
def test_gaze_teaches_the_picture_beside_every_face_teacher(
    face: str, gaze: str, trained: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdfgc.priors.teachers._given", lambda key, path, what: None)
    changes = (f"paper.teachers.face={face}", f"paper.teachers.gaze={gaze}")
    stage = stage3_of(trained, shards, tmp_path, *changes)
    losses = stage.losses("generator", stage.batch(Draw(0, 0, 0, 2, 2)), 0)
    for name in ("gaze", "motion"):
        (gradient,) = torch.autograd.grad(
            losses[name], [stage.generator.get_parameter("conv1.conv.weight")], retain_graph=True
        )
        assert losses[name] > 0 and gradient.abs().max() > 0, name


def test_the_plan_says_which_losses_join_later(shards: Path, tmp_path: Path) -> None:
    later = ("paper.adversarial_from=1", "paper.teachers_from=5")
    text = plan("stage3", data=shards, run=tmp_path, preset="paper_tiny", changes=[*CHANGES, *later])
    assert "adversarial, matching, discriminator: from step 2 on\n" in text + "\n"
    assert "motion, sync, gaze: from step 6 on, so never" in text


def test_a_resumed_stage_has_the_same_losses(trained: Path, shards: Path, tmp_path: Path) -> None:
    """Stage 3 has everything that could hide state: the bank, two optimisers, spectral norms, noise."""
    for stage in STAGES[:-1]:
        shutil.copytree(trained / stage, tmp_path / stage)
    for steps in (1, 2):
        train(
            "stage3",
            data=shards,
            run=tmp_path,
            preset="paper_tiny",
            changes=[*CHANGES, f"stages.stage3.training.steps={steps}"],
        )
    resumed, straight = (
        [line for line in _losses(run, "stage3") if line["step"] == 2] for run in (tmp_path, trained)
    )
    assert resumed == straight and len(resumed) == 1


def test_the_plan_names_the_parts(shards: Path, tmp_path: Path) -> None:
    text = plan("stage3", data=shards, run=tmp_path, preset="paper_tiny", changes=CHANGES)
    assert "motion.to_emo" in text and "generator" in text and "frozen" in text


def test_preset_paper_has_the_published_sizes() -> None:
    config = load_config("paper")
    assert config.size == 224 and config.stages.stage3.window == 13
    assert config.stage("stage3").training.batch == 16
