"""The difference files of `presets/ablations`: each is valid, says what it changes, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pdfgc.config import config_to_dict, list_presets, load_config
from pdfgc.training import plan as plan_module
from pdfgc.training.run import plan
from synthetic import write_clip_set

ABLATIONS = [name for name in list_presets() if name.startswith("ablations/")]

# Networks of preset tiny; the perceptual loss would fetch its weights.
SMALLER = [
    "size=64",
    "training.batch=4",
    "networks={motion: 64, motion_hidden: 64, speech: mel, speech_hidden: 32, decoder_hidden: 32}",
    "networks={warp_channels: 8, flow_channels: 8, warp_context: 1, judge_channels: 8}",
    "stages.stage3={bank: 64, moments: 2, drivers: 1, painted: 32, close_up: 24}",
    "weights.perceptual=0",
]

SMALLER_PAPER = [
    "size=64",
    "training.batch=4",
    "training.workers=0",
    "paper.networks={appearance_width: 8, motion: 64, motion_channels: 16, motion_depth: 2, landmarks: 8}",
    "paper.networks={speech_hidden: 16, generator_channels: [16, 16, 8, 8, 8, 8], discriminator_channels: 8}",
    "paper.networks={discriminator_most: 16, discriminator_blocks: 4}",
    "stages.stage3.bank=64",
    "weights.perceptual=0",
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder, identities=2, clips=1, frames=40, size=64)
    return folder


def base_of(name: str) -> str:
    """What an ablation is one of."""
    return "paper" if name.startswith("ablations/paper_") else "small"


def differences(name: str) -> dict[str, Any]:
    """What an ablation changes of its preset, by the key's path."""

    def flat(tree: dict[str, Any], path: str = "") -> dict[str, Any]:
        leaves: dict[str, Any] = {}
        for key, value in tree.items():
            leaves |= flat(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
        return leaves

    old, new = (flat(config_to_dict(load_config(preset))) for preset in (base_of(name), name))
    return {key: value for key, value in new.items() if value != old[key] and key != "preset"}


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_makes_a_plan(
    name: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        plan_module, "_activations", lambda stage, training, items, learning: 0.0
    )  # takes seconds
    changes = SMALLER if base_of(name) == "small" else SMALLER_PAPER
    text = plan("stage3", data=shards, run=tmp_path, preset=name, changes=changes)
    assert f"preset {name}" in text and "generator: " in text
    stage3 = "stages.stage3."
    assert all(key.startswith(stage3) for key in differences(name))
    off = {key for key, value in differences(name).items() if value == 0}
    for key in off:
        assert f'"{key.removeprefix(stage3 + "weights.")}": 0.0' in text


def test_table_4_of_the_published_networks() -> None:
    window, correlation = "stages.stage3.window", "stages.stage3.weights.correlation"
    assert differences("ablations/paper_all") == {}
    assert differences("ablations/paper_in_window_only") == {correlation: 0}
    assert differences("ablations/paper_lip_decorrelation_only") == {window: 1}
    assert differences("ablations/paper_no_decorrelation") == {window: 1, correlation: 0}


def test_table_4() -> None:
    window, correlation = "stages.stage3.window", "stages.stage3.weights.correlation"
    entanglement = "stages.stage3.weights.entanglement"
    assert differences("ablations/all") == {}
    assert differences("ablations/in_window_only") == {correlation: 0, entanglement: 0}
    assert differences("ablations/lip_decorrelation_only") == {window: 1}
    assert differences("ablations/no_decorrelation") == {window: 1, correlation: 0, entanglement: 0}


@pytest.mark.parametrize("frames", [7, 13, 25])
@pytest.mark.parametrize("start", ["", "paper_"])
def test_windows(frames: int, start: str) -> None:
    assert load_config(f"ablations/{start}window_{frames}").stages.stage3.window == frames


@pytest.mark.parametrize(("preset", "start"), [("small", ""), ("paper", "paper_")])
def test_every_loss_of_stage_3_has_its_ablation(preset: str, start: str) -> None:
    losses = set(load_config(preset).stages.stage3.weights) - {"judge", "discriminator"}  # its own
    missing = {loss for loss in losses if f"ablations/{start}without_{loss}" not in ABLATIONS}
    assert not missing, f"add presets/ablations/{start}without_<loss>.yaml for {sorted(missing)}"
    for loss in losses:
        assert differences(f"ablations/{start}without_{loss}")[f"stages.stage3.weights.{loss}"] == 0


def test_an_ablation_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: ablations/window_7\nstages: {stage3: {bank: 32}}\n")
    config = load_config(str(tmp_path / "mine.yaml"))
    assert (config.preset, config.stages.stage3.window, config.stages.stage3.bank) == ("mine", 7, 32)
