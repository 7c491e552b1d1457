"""The contact sheet of the demo."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from pdfgc.media.video import VideoWriter

SCRIPT = Path(__file__).parents[2] / "scripts" / "contact_sheet.py"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True)


def test_frames_in_reading_order(tmp_path: Path) -> None:
    video, picture = tmp_path / "v.mp4", tmp_path / "sheet.png"
    with VideoWriter(video, width=64, height=64, fps=Fraction(25)) as writer:
        for n in range(20):
            writer.write(np.full((64, 64, 3), n * 12, np.uint8))
    done = run(video, "-o", picture, "--columns", "5", "--rows", "2", "--side", "64")
    assert (done.returncode, done.stderr) == (0, "")
    sheet = np.asarray(Image.open(picture)).astype(int)
    assert sheet.shape == (128, 320, 3)
    centres = sheet[40::64, 32::64].mean(-1).ravel()
    assert np.abs(centres - np.arange(0, 20, 2) * 12).max() < 4


def test_a_missing_video_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path / "none.mp4", "-o", tmp_path / "sheet.png")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "none.mp4" in done.stderr
    assert list(tmp_path.iterdir()) == []
