"""MEAD's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdfgc.data.layouts import list_jobs
from pdfgc.data.layouts.mead import LICENCE
from pdfgc.errors import InputError


def test_takes_with_all_their_labels(tmp_path: Path) -> None:
    for name in (
        "M003/video/front/angry/level_1/001.mp4",
        "M003/video/left_30/angry/level_1/001.mp4",
        "M003/audio/angry/level_1/001.m4a",
        "W011/video/front/neutral/level_1/040.mp4",
        "W011/audio/front/neutral/level_1/040.m4a",
        "W011/video/stray.mp4",
    ):
        (tmp_path / "part0" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "part0" / name).touch()
    front, left, woman = list_jobs(tmp_path, "mead")
    assert (front.name, front.identity) == ("M003/front/angry/level_1/001", "M003")
    assert front.labels == {
        "dataset": "MEAD",
        "licence": LICENCE,
        "view": "front",
        "emotion": "angry",
        "level": "1",
    }
    assert front.sound == left.sound == tmp_path / "part0/M003/audio/angry/level_1/001.m4a"
    assert left.labels["view"] == "left_30"
    assert woman.sound == tmp_path / "part0/W011/audio/front/neutral/level_1/040.m4a"


def test_another_tree_is_said(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").touch()
    with pytest.raises(InputError, match="expected MEAD below"):
        list_jobs(tmp_path, "mead")
