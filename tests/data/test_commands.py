"""`pdfgc prepare` as a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pdfgc.data.clips import ClipSet
from synthetic import write_face_video

PDFGC = Path(sys.executable).with_name("pdfgc")


def pdfgc(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PDFGC), "prepare", *map(str, words)], capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def mead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mead")
    take = folder / "M003" / "video" / "front" / "happy" / "level_2"
    take.mkdir(parents=True)
    write_face_video(take / "001.mp4", frames=12)
    return folder


def test_a_collection_becomes_shards_for_the_paper_preset(mead: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    done = pdfgc(mead, "-o", shards, "--layout", "mead", "--crop", "voxceleb")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"{shards}: 1 clip, 0.0 minutes, 1 person; rejected: none; kept without sound: 1 no speech\n"
    )
    (clip,) = ClipSet.open(shards)
    assert (clip.identity, clip.info.labels["emotion"], clip.info.labels["level"]) == ("M003", "happy", "2")
    assert (clip.info.framing, clip.picture(0).shape) == ("voxceleb", (224, 224, 3))
    assert (clip.info.samples, clip.info.sound_fault) == (0, "no speech")


def test_a_dry_run_lists_and_writes_nothing(mead: Path, tmp_path: Path) -> None:
    done = pdfgc(mead, "-o", tmp_path / "shards", "--layout", "mead", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "M003/front/happy/level_2/001: M003\n")
    assert not (tmp_path / "shards").exists()


def test_bad_input_is_one_sentence(mead: Path, tmp_path: Path) -> None:
    done = pdfgc(mead, "-o", tmp_path / "shards", "--layout", "voxceleb2")
    assert done.returncode == 2
    assert done.stderr.startswith("pdfgc: expected VoxCeleb2 below") and done.stderr.count("\n") == 1
    done = pdfgc(mead, "-o", tmp_path / "shards", "--size", "3")
    assert (done.returncode, done.stderr) == (2, "pdfgc: expected a size of 16 to 2048 pixels, but got 3\n")
