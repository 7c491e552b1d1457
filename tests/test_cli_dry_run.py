"""`pdfgc animate --dry-run`, and what is said of bad inputs before anything long begins."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdfgc.media.video import VideoWriter
from random_model import write_random_model

PORTRAIT = Path(__file__).parents[1] / "demo" / "astronaut.jpg"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pdfgc.cli", "animate", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    """A driver that could not be followed: half a second in which there is no face."""
    path = tmp_path / "faceless.mp4"
    with VideoWriter(path, width=64, height=64, fps=Fraction(24)) as writer:
        for _ in range(12):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    return path


def test_a_dry_run_follows_no_driver_and_writes_nothing(model: Path, faceless: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = run(
        PORTRAIT, "--pose", faceless, "--fps", "30", "--size", "96", "--model", model, "-o", out, "--dry-run"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"would make {out}: 15 frames of 96x96 pixels, 30 a second, 0.50 s",
        "  lips: hold, as the portrait shows it",
        "  expression: hold, as the portrait shows it",
        "  eyes: hold, as the portrait shows it",
        f"  pose: {faceless}, 0.50 s",
    ]
    assert list(tmp_path.iterdir()) == [faceless]


def test_a_dry_run_tells_of_a_relative_pose_and_the_size_of_the_file(
    model: Path, faceless: Path, tmp_path: Path
) -> None:
    words = ("--size", "333", "--relative-pose", "--model", model, "-o", tmp_path / "out.mp4", "--dry-run")
    done = run(PORTRAIT, "--pose", faceless, *words)
    assert "13 frames of 334x334 pixels" in done.stdout
    assert done.stdout.endswith(f"  pose: {faceless}, 0.50 s, from the portrait's own pose on\n")
    assert done.stderr == ""
    done = run(PORTRAIT, "--eyes", faceless, *words)
    assert done.stderr == "pdfgc: --relative-pose changes nothing: the pose follows no clip or track (hold)\n"


def test_a_dry_run_looks_for_the_portraits_face(model: Path, faceless: Path, tmp_path: Path) -> None:
    wall = tmp_path / "wall.png"
    Image.new("RGB", (200, 200), "grey").save(wall)
    done = run(wall, "--pose", faceless, "--model", model, "-o", tmp_path / "out.mp4", "--dry-run")
    assert done.returncode == 2
    assert "no face was found in wall.png" in done.stderr


@pytest.mark.parametrize(
    ("portrait", "words", "sentence"),
    [
        (PORTRAIT, ["--pose", "nowhere.mp4", "-o", "out.mp4"], "nowhere.mp4"),
        (PORTRAIT, ["--audio", "nowhere.wav", "-o", "out.mp4"], "nowhere.wav"),
        (PORTRAIT, ["--pose", "broken.mp4", "-o", "out.mp4"], "broken.mp4"),
        (Path("nobody.jpg"), ["--pose", "idle", "-o", "out.mp4"], "nobody.jpg"),
        (
            Path("broken.mp4"),
            ["--pose", "idle", "-o", "out.mp4"],
            "broken.mp4 cannot be read as a picture or a video",
        ),
        (PORTRAIT, ["--pose", "idle", "-o", "no/such/folder/out.mp4"], "no/such/folder"),
        (PORTRAIT, ["--pose", "idle", "-o", "out.mp4", "--quality", "99"], "quality"),
        (PORTRAIT, ["--pose", "idle", "-o", "out.mp4", "--smooth", "-1"], "smoothing must lie between 0"),
        (PORTRAIT, ["--pose", "idle", "-o", "out.mp4", "--fps", "0"], "0"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_bad_inputs_are_told_of_before_the_model_is_loaded(
    portrait: Path, words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.mp4").write_text("not a video")
    done = run(
        portrait, *words, "--model", "nowhere.safetensors"
    )  # would be complained of, were it looked at
    assert done.returncode == 2
    assert sentence in done.stderr and "nowhere.safetensors" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken.mp4"]
