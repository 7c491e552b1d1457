"""docs/training.md: its first try is executed, its other commands are understood."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pdfgc import cli
from pdfgc.arguments import parse
from pdfgc.config import load_config
from pdfgc.media.audio import read_audio
from pdfgc.training.logs import read_log
from pdfgc.training.results import STAGES, read_result
from synthetic import ASTRONAUT, write_clip_set, write_face_video

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
SPEECH = ROOT / "demo" / "speech.flac"


def commands(text: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def section(heading: str) -> str:
    return TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def pdfgc(*words: str) -> list[str]:
    return [sys.executable, "-m", "pdfgc.cli", *words]


@pytest.mark.slow
def test_the_first_try_leads_from_videos_to_a_model(tmp_path: Path) -> None:
    speech = read_audio(SPEECH)
    (tmp_path / "clips").mkdir()
    write_face_video(tmp_path / "clips" / "anna_1.mp4", frames=40, sound=speech)
    write_face_video(tmp_path / "clips" / "bea_1.mp4", frames=40, sound=speech[32000:])
    shutil.copy(ASTRONAUT, tmp_path / "face.jpg")
    shutil.copy(SPEECH, tmp_path)

    tried = commands(section("A first try"))
    assert len(tried) == 4
    for line in tried:
        program, *words = shlex.split(line)
        assert program == "pdfgc"
        done = subprocess.run(
            pdfgc(*words),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "try"
    for stage in STAGES:
        assert [line["step"] for line in read_log(run / stage)] == [1, 2, 3, 4, 5]
    assert set(read_result(run / "model.safetensors").about["stages"]) == set(STAGES)
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    assert "2 clips of 2 people to train on" in done.stdout

    # the folder is what the table says
    rows = re.findall(r"^\| (`[^|]+`) \|", section("A first try"), re.MULTILINE)
    for pattern in [name for row in rows for name in re.findall(r"`([^`]+)`", row)]:
        if "samples" not in pattern:  # none in five steps, and nobody is held out
            assert list(run.glob(pattern.replace("<stage>", "stage3"))), pattern


@pytest.mark.parametrize(
    "line", [line[line.index("pdfgc ") :] for line in commands(TEXT) if "pdfgc " in line]
)
def test_commands_are_understood(line: str) -> None:
    call = parse("pdfgc", "", cli.VERBS, shlex.split(line)[1:], "0")
    assert callable(call.function)
    if "preset" in call.keywords:
        load_config(call.keywords["preset"], call.keywords["set_"])


def test_shares_are_those_of_small() -> None:
    stages = load_config("small").stages
    shares = [getattr(stages, stage.replace("-", "_")).training.share for stage in STAGES]
    assert " : ".join(f"{share:g}" for share in shares) in TEXT


@pytest.mark.slow
def test_the_hour_on_a_cpu_trains_what_paints_last(tmp_path: Path) -> None:
    """As it is written, but for preset `tiny`, three clips and a step."""
    write_clip_set(tmp_path / "shards", identities=3, clips=1, frames=30, size=128)
    tiny = [
        "--set",
        "size=128",
        "--set",
        "networks.speech=mel",
        "--set",
        "training.steps=1",
        "--set",
        "training.batch=2",
    ]
    begun = ["train", "all", "--preset", "tiny", "--data", "shards", "--run", "runs/mine", *tiny]
    *copied, trained = commands(section("On GPUs").split("### An hour on a CPU\n", 1)[1])
    words = shlex.split(trained.replace("--preset small", "--preset tiny"))[1:]
    lines = [
        pdfgc(*begun, "--set", "weights.perceptual=0"),
        ["cp", "runs/mine/model.safetensors", "mine.safetensors"],
        *map(shlex.split, copied),
        pdfgc(*words, *tiny),
    ]
    for line in lines:
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    before, after = (
        read_result(tmp_path / "runs" / run / "stage3" / "weights.safetensors").tensors
        for run in ("mine", "late")
    )
    changed = {name for name in after if not after[name].equal(before[name])}
    assert changed and all(name.startswith("generator.painter.") for name in changed), changed
    assert not [name for name in changed if name.startswith("generator.painter.coarse")]
    (step,) = read_log(tmp_path / "runs" / "late" / "stage3")
    assert {"l1", "perceptual"} <= step.keys() and "mesh" not in step
