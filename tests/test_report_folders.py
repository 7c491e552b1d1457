"""Folders that reports keep their pictures in."""

from __future__ import annotations

from pathlib import Path

from pdfgc.report_folders import MARK, is_made, make_marked, outside_reports


def test_a_folder_of_somebodys_own_files_is_not_marked(tmp_path: Path) -> None:
    clip = tmp_path / "clips" / "a.mp4"
    clip.parent.mkdir()
    clip.touch()
    make_marked(clip.parent)
    assert not (clip.parent / MARK).exists()
    assert outside_reports([clip], tmp_path) == [clip]


def test_a_new_or_empty_folder_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        make_marked(tmp_path / name)
        make_marked(tmp_path / name)
        assert is_made(tmp_path / name)
        assert outside_reports([tmp_path / name / "a.mp4"], tmp_path) == []
