"""Every stage of preset `tiny` for a few steps on made-up clips, and the model that comes out."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from pdfgc.errors import InputError
from pdfgc.model import Model, load
from pdfgc.networks.speech import WhisperTrunk
from pdfgc.networks.speech_mel import MelHearing, MelSpeechNetwork
from pdfgc.training.pictures import mirrored_points
from pdfgc.training.results import read_result
from pdfgc.training.run import plan, train
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


@pytest.fixture(scope="module")
def trained_on_mel(trained: Path, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, but for the stages that the paper's mel network takes part in."""
    run = tmp_path_factory.mktemp("mel")
    for stage in ("stage1", "stage2-eyes", "stage2-pose"):
        shutil.copytree(trained / stage, run / stage)
    for stage in ("stage2-lips", "stage3"):
        train(stage, data=shards, run=run, preset="tiny", changes=[*_changes(), "networks.speech=mel"])
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


def test_codes_alone_are_measured_on_held_out_people(trained: Path, shards: Path, tmp_path: Path) -> None:
    for stage in ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose"):
        shutil.copytree(trained / stage, tmp_path / stage)
    changes = [*_changes(), "data.held_out=[person_3]", "weights.l1=0", "weights.flow=0", "weights.motion=0"]
    train("stage3", data=shards, run=tmp_path, preset="tiny", changes=changes)
    last = json.loads((tmp_path / "stage3" / "log.jsonl").read_text().splitlines()[-1])
    held = last["validation"]
    assert {"held_mesh", "held_still_mesh"} <= set(held)  # untrained mouths move too little for correlations
    assert held["held_mesh"] > 0 and 0 < held["held_still_mesh"] < 2
    assert "l1" not in last


def test_parts_of_the_generator_may_stay_as_they_are(trained: Path, shards: Path, tmp_path: Path) -> None:
    for stage in ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose"):
        shutil.copytree(trained / stage, tmp_path / stage)
    start = trained / "stage3" / "weights.safetensors"
    changes = [*_changes(), f"stages.stage3.start_from={start}", "training.ema=0"]
    misspelt = [*changes, "stages.stage3.frozen=[painter.corse]"]
    with pytest.raises(
        InputError, match=r"no part 'painter.corse' to be frozen; did you mean 'painter.coarse'"
    ):
        train("stage3", data=shards, run=tmp_path, preset="tiny", changes=misspelt)
    frozen = [*changes, "stages.stage3.frozen=[encoder,flow,painter.coarse]"]
    train("stage3", data=shards, run=tmp_path, preset="tiny", changes=frozen)
    before, after = (read_result(run / "stage3" / "weights.safetensors") for run in (trained, tmp_path))
    painter = {name for name in before.tensors if name.startswith("generator.")}
    same = {name for name in painter if torch.equal(before.tensors[name], after.tensors[name])}
    kept = ("generator.encoder.", "generator.flow.", "generator.painter.coarse.")
    assert same == {name for name in painter if name.startswith(kept)}
    more = [*changes, "stages.stage3.frozen=[encoder,flow.heads,painter]"]
    with pytest.raises(
        InputError, match=r"stage3 has trained painter already, which stages\.stage3\.frozen is to leave"
    ):
        train("stage3", data=shards, run=tmp_path, preset="tiny", changes=more)
    freed = [*changes, "stages.stage3.frozen=[encoder]", f"training.steps={STEPS + 1}"]
    (outcome,) = train("stage3", data=shards, run=tmp_path, preset="tiny", changes=freed)
    assert outcome.step == STEPS + 1


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
    assert np.allclose(held[0, :, :2].cpu().numpy(), meshes[0, :, :2], atol=1e-4), (
        "a held portrait does not move"
    )


@pytest.mark.parametrize("run", ["trained", "trained_on_mel"])
def test_speech_codes_have_one_row_a_frame_and_silence_is_zero(
    run: str, request: pytest.FixtureRequest
) -> None:
    model = load(request.getfixturevalue(run))
    wave = np.zeros(16000 * 3, np.float32)
    wave[16000:32000] = 0.1 * np.random.default_rng(0).standard_normal(16000)
    codes = np.concatenate(list(model.encode_speech(np.split(wave, 3), Fraction(25))))
    assert codes.shape == (75, 500)
    assert not codes[:20].any() and codes[30:45].any()


def test_the_mel_network_learns_in_both_its_stages(trained_on_mel: Path) -> None:
    model = load(trained_on_mel)
    assert isinstance(model.speech, MelSpeechNetwork) and isinstance(model.hearing, MelHearing)
    lips = read_result(trained_on_mel / "stage2-lips" / "weights.safetensors").module("speech")
    final = read_result(trained_on_mel / "stage3" / "weights.safetensors").module("speech")
    assert set(lips) == set(final) == set(MelSpeechNetwork().state_dict())
    assert not lips["mouth_embed.1.weight"].equal(final["mouth_embed.1.weight"])
    assert not lips["model.conv1.weight"].equal(final["model.conv1.weight"])
    assert len(list((trained_on_mel / "cache").glob("*.mel.safetensors"))) == 4


def test_codes_of_mel_do_not_depend_on_the_chunks(trained_on_mel: Path) -> None:
    model = load(trained_on_mel)
    wave = (0.1 * np.random.default_rng(0).standard_normal(16000 * 20)).astype(np.float32)
    streamed = np.concatenate(list(model.encode_speech(np.split(wave, 40), Fraction(30000, 1001))))
    assert len(streamed) == 600
    later = np.concatenate(list(model.encode_speech([wave[16000 * 1001 // 100 :]], Fraction(30000, 1001))))
    # the level is set anew in each chunk, and this noise has the same level everywhere
    assert np.abs(streamed[310:] - later[10:]).max() < 0.02 * streamed.std(0).max()


def test_mirror_is_its_own_inverse_and_pairs_the_eyes() -> None:
    mirror = mirrored_points()
    assert (mirror[mirror] == np.arange(478)).all()
    assert mirror[33] == 263 and mirror[61] == 291 and mirror[13] == 13 and mirror[468] == 473


def test_a_plan_leaves_nothing_behind(shards: Path, tmp_path: Path) -> None:
    text = plan("all", data=shards, run=tmp_path / "run", preset="tiny", changes=["networks.speech=mel"])
    assert "stage2-lips" in text and "stage3" in text
    assert not (tmp_path / "run").exists()
