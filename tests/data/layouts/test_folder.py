"""Any folder of videos, and its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdfgc.data.layouts import list_jobs
from pdfgc.data.layouts.folder import guess_identity
from pdfgc.errors import InputError
from pdfgc.report_folders import make_marked


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    (folder / "eileen").mkdir(parents=True)
    for name in ("eileen/talk.mp4", "eileen/talk.wav", "wall_01.MP4", "notes.txt"):
        (folder / name).touch()
    return folder


def test_names_identities_and_separate_sound(clips: Path) -> None:
    talk, wall = list_jobs(clips)
    assert (talk.name, talk.identity, talk.sound) == ("eileen/talk.mp4", "eileen", clips / "eileen/talk.wav")
    assert (wall.name, wall.identity, wall.sound) == ("wall_01.MP4", "wall", None)


def test_labels_come_from_a_table(clips: Path, tmp_path: Path) -> None:
    table = tmp_path / "clips.tsv"
    table.write_text("file\tidentity\tlicence\temotion\neileen/talk.mp4\tCollins\tpublic domain\t\n")
    talk, wall = list_jobs(clips, "folder", table, licence="CC0")
    assert (talk.identity, talk.labels) == ("Collins", {"licence": "public domain"})
    assert (wall.identity, wall.labels) == ("wall", {"licence": "CC0"})
    table.write_text("name,who\n")
    with pytest.raises(InputError, match="columns file and identity"):
        list_jobs(clips, "folder", table)
    with pytest.raises(InputError, match="there is none"):
        list_jobs(clips, "folder", tmp_path / "nothing.tsv")


def test_a_table_as_a_spreadsheet_writes_it(clips: Path, tmp_path: Path) -> None:
    table = tmp_path / "clips.tsv"
    table.write_text("file\tidentity\nwall_01.MP4\tJosé\n", encoding="utf-8-sig")
    assert list_jobs(clips, "folder", table)[1].identity == "José"


def test_damaged_tables_are_said(clips: Path, tmp_path: Path) -> None:
    table = tmp_path / "clips.tsv"
    table.write_bytes("file\tidentity\nwall_01.MP4\tJosé\n".encode("latin-1"))
    with pytest.raises(InputError, match="expected a table in UTF-8"):
        list_jobs(clips, "folder", table)
    table.write_text("file\tidentity\nwall_01.MP4\tanna\nx.mp4\tanna\tjoy\tmore\n")
    with pytest.raises(InputError, match=r"at most 2 entries .* line 3 has more"):
        list_jobs(clips, "folder", table)


def test_what_a_report_made_is_no_clip(clips: Path) -> None:
    make_marked(clips / "out" / "generated")
    (clips / "out" / "generated" / "talk.mp4").touch()
    assert [job.name for job in list_jobs(clips)] == ["eileen/talk.mp4", "wall_01.MP4"]
    assert [job.name for job in list_jobs(clips / "out" / "generated")] == ["talk.mp4"], "it was named itself"


def test_unfinished_videos_are_passed_over(clips: Path) -> None:
    (clips / "eileen" / ".talk.mp4.123.part.mp4").touch()
    assert [job.name for job in list_jobs(clips)] == ["eileen/talk.mp4", "wall_01.MP4"]


def test_who_speaks_by_name() -> None:
    assert guess_identity("anna_003.mp4") == "anna"
    assert guess_identity("anna_maria.mp4") == "anna_maria"
    assert guess_identity("m012/happy_3.mp4") == "m012"


def test_bad_input_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected videos below"):
        list_jobs(tmp_path)
    with pytest.raises(InputError, match="expected a folder of videos"):
        list_jobs(tmp_path / "nothing")
    with pytest.raises(InputError, match="expected a layout"):
        list_jobs(tmp_path, "imagenet")  # type: ignore[arg-type]
