"""`pdfgc animate` and `pdfgc motion` from end to end, on a model with random weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdfgc import cli, progress
from pdfgc.media.audio import read_audio
from pdfgc.media.video import probe, read_frames
from pdfgc.motion import FACTORS, MotionTrack
from random_model import write_random_model

DEMO = Path(__file__).parents[1] / "demo"
PORTRAIT, SPEECH = DEMO / "astronaut.jpg", DEMO / "speech.flac"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file."""
    return write_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="module")
def sway(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A track of twelve frames in which everything moves."""
    from pdfgc.model import load

    random = np.random.default_rng(0)
    codes = {name: 0.02 * random.standard_normal((12, size)).cumsum(0) for name, size in FACTORS.items()}
    path = tmp_path_factory.mktemp("tracks") / "sway.motion.safetensors"
    MotionTrack.from_codes(codes, fps=25, metadata={"model": load(model).fingerprint}).save(path)
    return path


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Puts back what `cli.main` changes in this process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    progress.set_quiet(False)


def run(*words: str | Path) -> int:
    return cli.main([str(word) for word in words])


def test_a_relative_pose_is_passed_on(model: Path, sway: Path, tmp_path: Path) -> None:
    from pdfgc.model import load

    words = ("--pose", sway, "--model", model, "--smooth", "0", "--relative-pose")
    assert run("animate", PORTRAIT, *words, "-o", tmp_path / "out.mp4") == 0
    own = load(model).avatar(PORTRAIT).codes["pose"]
    pose = MotionTrack.load(tmp_path / "out.motion.safetensors").pose
    driver = MotionTrack.load(sway).pose
    np.testing.assert_allclose(pose, own + driver - driver[0], atol=1e-6)


def test_a_portrait_talks(
    model: Path, sway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    words: list[str | Path] = [
        "--audio",
        SPEECH,
        "--pose",
        sway,
        "--eyes",
        "idle",
        "--duration",
        "0.6",
        "--model",
        model,
    ]
    assert run("animate", PORTRAIT, *words, "-o", out, "--fps", "30") == 0
    assert "18 frames of 64x64 pixels, 30 a second, 0.60 s" in capsys.readouterr().out
    info = probe(out)
    assert (info.width, info.height, info.fps, info.has_audio) == (64, 64, Fraction(30), True)
    frames = np.stack([frame.image for frame in read_frames(out)])
    assert len(frames) == 18
    assert frames.std() > 10
    heard, spoken = read_audio(out)[: int(0.6 * 16000)], read_audio(SPEECH)[: int(0.6 * 16000)]
    assert np.corrcoef(heard[: len(spoken)], spoken[: len(heard)])[0, 1] > 0.95
    track = MotionTrack.load(tmp_path / "out.motion.safetensors")
    assert len(track) == 18
    assert np.abs(np.diff(track.lips, axis=0)).max() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.motion.safetensors", "out.mp4"]


def test_one_factor_is_redone_and_the_rest_stays(model: Path, sway: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    assert run("animate", PORTRAIT, "--track", sway, "--model", model, "-o", first, "--quiet") == 0
    beside = tmp_path / "first.motion.safetensors"
    words: list[str | Path] = ["--track", beside, "--gaze", "zero", "--size", "96", "--model", model]
    assert run("animate", PORTRAIT, *words, "-o", second) == 0
    before, after = MotionTrack.load(beside), MotionTrack.load(tmp_path / "second.motion.safetensors")
    for name in ("lips", "expression", "pose"):
        np.testing.assert_array_equal(before.codes[name], after.codes[name])
    np.testing.assert_array_equal(before.eyes[:, [0, 1, 4, 5]], after.eyes[:, [0, 1, 4, 5]])
    assert not after.eyes[:, 2:4].any()
    assert probe(second).width == 96


def test_a_clips_motion_drives(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip"
    clip.mkdir()
    picture = Image.open(PORTRAIT).crop((70, 0, 370, 300))
    for number, angle in enumerate((0, 4, 8, 4)):
        picture.rotate(angle, Image.Resampling.BICUBIC).save(clip / f"{number}.png")
    track = tmp_path / "clip.motion.safetensors"
    assert run("motion", clip, "-o", track, "--model", model) == 0
    assert "4 frames, 0.16 s, 100% with a face" in capsys.readouterr().out
    dry: list[str | Path] = ["--pose", track, "--model", model, "--paste-back", "--dry-run"]
    assert run("animate", PORTRAIT, *dry, "-o", tmp_path / "out.mp4") == 0
    assert "would make" in capsys.readouterr().out
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pose", "hold"], "nothing moves"),
        (["--pose", "nowhere.mp4"], "nowhere.mp4"),
        (["--audio", "nowhere.wav"], "nowhere.wav"),
        (["--audio", str(PORTRAIT)], "astronaut.jpg"),
        (["--lips", "audio"], "no audio"),
        (["--track", "SWAY", "--fps", "none"], "'none'"),
        (["--track", "SWAY", "--size", "9999"], "9999"),
        (["--track", "SWAY", "--quality", "99"], "quality"),
        (["--track", "SWAY", "--face", "7"], "face 7"),
        (["--track", "SWAY", "--model", "larger"], "'larger'"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    words: list[str],
    sentence: str,
    model: Path,
    sway: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(sway) if word == "SWAY" else word for word in words]
    model_words = [] if "--model" in given else ["--model", str(model)]
    assert run("animate", PORTRAIT, *given, *model_words, "-o", tmp_path / "out.mp4") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("pdfgc: ")
    assert sentence in said[-1]
    assert list(tmp_path.iterdir()) == []


def test_no_face(model: Path, sway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wall = tmp_path / "wall.png"
    Image.new("RGB", (200, 200), "grey").save(wall)
    assert run("animate", wall, "--track", sway, "--model", model, "-o", tmp_path / "out.mp4") == 2
    assert "no face was found in wall.png" in capsys.readouterr().err


def test_ctrl_c_while_rendering_leaves_nothing(model: Path, sway: Path, tmp_path: Path) -> None:
    words: list[str | Path] = [
        "--track",
        sway,
        "--duration",
        "600",
        "--model",
        model,
        "-o",
        tmp_path / "out.mp4",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "pdfgc.cli", "animate", PORTRAIT, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        while process.poll() is None and not any(
            path.name.endswith(".part.mp4") for path in tmp_path.iterdir()
        ):
            time.sleep(0.05)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "pdfgc: interrupted"
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_the_track_beside_the_output_is_no_input(model: Path, sway: Path, tmp_path: Path) -> None:
    own = tmp_path / "out.motion.safetensors"
    own.write_bytes(sway.read_bytes())
    assert run("animate", PORTRAIT, "--track", own, "--model", model, "-o", tmp_path / "out.mp4") == 2
    assert own.read_bytes() == sway.read_bytes()
