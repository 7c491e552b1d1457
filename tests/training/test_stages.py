"""Every stage of preset `tiny` for a few steps on made-up clips, and the model that comes out."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pdfgc.model import Model, load
from pdfgc.networks.speech import WhisperTrunk
from pdfgc.training.pictures import mirrored_points
from pdfgc.training.run import train
from synthetic import talking_meshes, write_clip_set

STEPS = 2


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_clip_set(folder, identities=4, clips=1, frames=40, size=64)
    return folder


@pytest.fixture(scope="module")
def trained(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all stages; its hearing has random weights, the real ones need a download."""
    run = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pdfgc.training.stage2_lips.load_whisper_trunk", lambda: WhisperTrunk().eval())
        train("all", data=shards, run=run, preset="tiny", changes=_changes())
    return run


def _changes() -> list[str]:
    return [
        f"training.steps={STEPS}",
        "training.sample_every=2",
        "training.validate_every=2",
        "weights.perceptual=0",
    ]


@pytest.mark.parametrize(
    ("stage", "losses"),
    [
        ("stage1", {"mesh", "blendshapes", "pose"}),
        ("stage2-lips", {"lips_to_speech", "speech_to_lips"}),
        ("stage2-eyes", {"swap", "geometry"}),
        ("stage2-pose", {"pose"}),
        ("stage3", {"mesh", "opening", "canonical", "correlation", "l1", "flow"}),
    ],
)
def test_stage_logs_its_losses(trained: Path, stage: str, losses: set[str]) -> None:
    lines = [json.loads(line) for line in (trained / stage / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "mesh" in line or losses <= set(line)]
    assert [line["step"] for line in steps] == list(range(1, STEPS + 1))
    for line in steps:
        assert losses <= set(line)
        assert all(np.isfinite(line[name]) for name in losses)


def test_the_run_is_a_model_that_drives_a_portrait(trained: Path) -> None:
    model = load(trained)
    assert isinstance(model, Model)
    random = np.random.default_rng(0)
    meshes, _ = talking_meshes(5, random)
    scores = random.uniform(0, 1, (5, 52)).astype(np.float32)
    codes = model.encode_motion(None, meshes, scores)
    assert {name: code.shape for name, code in codes.items()} == {
        "lips": (5, 500),
        "expression": (5, 30),
        "eyes": (5, 6),
        "pose": (5, 6),
    }
    image = random.integers(0, 255, (model.size, model.size, 3), np.uint8)
    portrait = model.portrait(image, meshes[0], scores[0])
    frames = model.render(portrait, codes)
    assert frames.shape == (5, model.size, model.size, 3) and frames.dtype == np.uint8
    held = model.driving_mesh(portrait, {name: code[None] for name, code in portrait.codes.items()})
    assert np.allclose(held[0, :, :2].numpy(), meshes[0, :, :2], atol=1e-4), "a held portrait does not move"


def test_speech_codes_have_one_row_a_frame_and_silence_is_zero(trained: Path) -> None:
    model = load(trained)
    wave = np.zeros(16000 * 3, np.float32)
    wave[16000:32000] = 0.1 * np.random.default_rng(0).standard_normal(16000)
    codes = np.concatenate(list(model.encode_speech(np.split(wave, 3), Fraction(25))))
    assert codes.shape == (75, 500)
    assert not codes[:20].any() and codes[30:45].any()


def test_mirror_is_its_own_inverse_and_pairs_the_eyes() -> None:
    mirror = mirrored_points()
    assert (mirror[mirror] == np.arange(478)).all()
    assert mirror[33] == 263 and mirror[61] == 291 and mirror[13] == 13 and mirror[468] == 473
