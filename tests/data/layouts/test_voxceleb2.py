"""VoxCeleb2's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdfgc.data.layouts import list_jobs
from pdfgc.data.layouts.voxceleb2 import LICENCE
from pdfgc.errors import InputError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_utterances_with_their_sound_and_text(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
        "dev/aac/id00012/21Uxsk56VDQ/00001.m4a",
        "dev/txt/id00012/21Uxsk56VDQ/00001.txt",
        "test/mp4/id00017/01dfn2spqyE/00002.mp4",
        "readme.txt",
    )
    first, second = list_jobs(tmp_path, "voxceleb2")
    assert (first.name, first.identity) == ("id00012/21Uxsk56VDQ/00001", "id00012")
    assert first.sound == tmp_path / "dev/aac/id00012/21Uxsk56VDQ/00001.m4a"
    assert first.annotation == tmp_path / "dev/txt/id00012/21Uxsk56VDQ/00001.txt"
    assert not first.cut
    assert first.labels == {
        "dataset": "VoxCeleb2",
        "licence": LICENCE,
        "video": "21Uxsk56VDQ",
        "split": "dev",
    }
    assert (second.identity, second.sound, second.annotation) == ("id00017", None, None)
    assert second.labels["split"] == "test"


def test_whole_films_are_cut_by_their_texts(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "videos/21Uxsk56VDQ.mkv",
        "txt/id00012/21Uxsk56VDQ/00001.txt",
        "txt/id00012/21Uxsk56VDQ/00002.txt",
        "txt/id00012/notThereAtAll/00001.txt",
        "mp4/id00012/21Uxsk56VDQ/00002.mp4",
    )
    cut, ready = list_jobs(tmp_path, "voxceleb2")
    assert (cut.name, cut.cut, cut.video.name) == ("id00012/21Uxsk56VDQ/00001", True, "21Uxsk56VDQ.mkv")
    assert (ready.name, ready.cut, ready.video.name) == ("id00012/21Uxsk56VDQ/00002", False, "00002.mp4")


def test_bad_trees_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected VoxCeleb2 below"):
        list_jobs(tmp_path, "voxceleb2")
    touch(tmp_path, "a/id00012/x/1.mp4", "b/id00012/x/1.mp4")
    with pytest.raises(InputError, match="each utterance once"):
        list_jobs(tmp_path, "voxceleb2")
