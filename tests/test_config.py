"""Presets, changes and their errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pdfgc.config import (
    Config,
    config_from_dict,
    config_to_dict,
    config_to_yaml,
    list_presets,
    load_config,
)
from pdfgc.errors import InputError


@pytest.mark.parametrize("preset", list_presets())
def test_every_preset_loads_and_survives_yaml(preset: str) -> None:
    config = load_config(preset)
    assert config.preset == preset
    assert config_from_dict(yaml.safe_load(config_to_yaml(config))) == config
    assert all(section["weights"] for section in config_to_dict(config)["stages"].values())


def test_tiny_is_small_with_differences() -> None:
    small, tiny = load_config("small"), load_config("tiny")
    assert tiny.size < small.size
    assert tiny.stages.stage3.weights == small.stages.stage3.weights
    for stage in ("stage1", "stage2-lips", "stage3"):
        assert tiny.stage(stage).training.schedule == small.stage(stage).training.schedule
        assert tiny.stage(stage).training.steps < small.stage(stage).training.steps


def test_changes_come_last() -> None:
    config = load_config(
        "tiny",
        [
            "training.steps=5",
            "training.learning_rate=1e-4",
            "stages.stage2-lips.training.steps=7",
            "training.betas=[0.5, 0.9]",
            "networks.speech=mel",
            "data.held_out=[a, b_*]",
        ],
    )
    assert config.stage("stage1").training.steps == 5
    assert config.stage("stage2-lips").training.steps == 7
    assert config.stage("stage3").training.learning_rate == 1e-4
    assert config.stages.stage3.training.betas == (0.5, 0.9)
    assert config.networks.speech == "mel" and config.data.held_out == ("a", "b_*")


def test_a_weight_changes_in_the_stages_that_have_it() -> None:
    name = next(iter(load_config("small").stages.stage3.weights))
    config = load_config("small", [f"weights.{name}=0.125"])
    for stage in ("stage1", "stage2-lips", "stage3"):
        weights = config.stage(stage).weights
        assert (name in weights) == (name in load_config("small").stage(stage).weights)
        assert weights.get(name, 0.125) == 0.125


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("training.stpes=1", "did you mean 'stages.stage1.training.steps'"),
        ("stages.stage3.windw=3", "did you mean 'stages.stage3.window'"),
        ("stages.stage9.window=3", "did you mean 'stages.stage"),
        ("stage1.training.steps=5", "no key 'stage1'; did you mean 'stages.stage1.training.steps'?"),
        ("stage2-lips.clip_frames=5", "did you mean 'stages.stage2-lips.clip_frames'?"),
        ("siez=3", "did you mean 'size'"),
        ("weights.nonsense=3", "there is no loss 'nonsense'"),
        ("stages.stage3.weights.nonsense=3", "there is no key 'stages.stage3.weights.nonsense'"),
        ("size=big", "expected int for 'size', but got 'big'"),
        ("size=1.5", "expected int for 'size'"),
        ("training.ema=yes", "expected a number"),
        ("training.betas=[1]", "expected a list"),
        ("training.precision=int8", "expected float32 or bfloat16"),
        ("training=5", "expected keys and values"),
        ("size", "expected a change as key=value"),
        ("size=[1", "expected YAML"),
        ("training.batch=0", "expected batch of 1 or more, but got 0"),
        ("training.steps=-3", "expected steps of 1 or more"),
        ("training.learning_rate=-1e-3", "expected learning_rate of 0 or more, but got -0.001"),
        ("training.clip=.nan", "expected a number for 'stages.stage1.training.clip', but got nan"),
        ("training.share=0", "expected share above 0"),
        ("stages.stage2_lips.temperature=-1", "expected temperature above 0, but got -1"),
        ("weights.mesh=-1", "expected a weight of 0 or more for the loss mesh, but got -1"),
        ("weights.mesh=.nan", "expected a number for"),
        ("stages.stage1.swap_neutral=7", "expected swap_neutral of 0 to 1, but got 7"),
        ("stages.stage1.stretch=-1", "expected stretch of 0 or more"),
        ("networks.motion=0", "expected motion of 1 or more, but got 0"),
        ("training.learning_rate=0", "expected learning_rate above 0"),
        ("training.betas=[1.5, 0]", "expected betas of 0 or more and below 1"),
        ("size=65", "expected a size that is a multiple of 64, but got 65"),
        (
            "stages.stage3.painted=100",
            "expected stages.stage3.painted to be a multiple of 8 and at most the size, 64",
        ),
        ("training.ema=1", "expected an ema below 1, but got 1"),
        ("training.workers=257", "expected at most 256 workers, but got 257"),
        ("stages.stage2_lips.clip_frames=0", "expected clip_frames of 1 or more"),
        ("stages.stage3.window=0", "expected window of 1 or more"),
    ],
)
def test_mistakes_are_explained(change: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config("tiny", [change])
    assert said in str(caught.value)


def test_an_ablation_is_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "window7.yaml"
    path.write_text("base: tiny\nstages: {stage3: {window: 7}}\n")
    config = load_config(str(path))
    assert config.preset == "window7" and config.stages.stage3.window == 7
    path.write_text("base: tiny\nstages: {stage3: {weights: {mehs: 0}}}\n")
    with pytest.raises(InputError, match=r"stages\.stage3\.weights\.mehs"):
        load_config(str(path))
    path.write_text("- 1\n")
    with pytest.raises(InputError, match="expected keys and values"):
        load_config(str(path))


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="did you mean 'small'"):
        load_config("smal")
    with pytest.raises(InputError, match="there is none"):
        load_config("none.yaml")
    with pytest.raises(InputError, match="did you mean 'stage2-pose'"):
        Config().stage("stage2-pos")


def test_a_base_is_looked_for_beside_its_preset(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: tiny\nsize: 128\n")
    (tmp_path / "chained.yaml").write_text("base: mine.yaml\ntraining: {steps: 7}\n")
    config = load_config(str(tmp_path / "chained.yaml"))
    assert config.size == 128 and config.stages.stage1.training.steps == 7
    (tmp_path / "mine.yaml").write_text("base: chained.yaml\n")
    with pytest.raises(InputError, match="is a base of itself"):
        load_config(str(tmp_path / "chained.yaml"))
