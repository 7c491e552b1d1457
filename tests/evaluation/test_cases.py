from pathlib import Path

import pytest

from pdfgc.errors import InputError
from pdfgc.evaluation.cases import is_filmed, list_clips, list_portraits, names_of, read_cases
from pdfgc.report_folders import make_marked


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_clips_of_a_folder_a_list_and_one_file(tmp_path: Path) -> None:
    _touch(tmp_path, "b.mp4", "a.MOV", "d.mpeg", "notes.md", "x/c.mp4")
    assert [p.relative_to(tmp_path).as_posix() for p in list_clips(tmp_path)] == [
        "a.MOV", "b.mp4", "d.mpeg", "x/c.mp4",
    ]  # fmt: skip
    assert list_clips(tmp_path / "b.mp4") == [tmp_path / "b.mp4"]
    (tmp_path / "list.txt").write_text("# held out\nx/c.mp4\n\nb.mp4\n")
    assert [p.name for p in list_clips(tmp_path / "list.txt")] == ["c.mp4", "b.mp4"]
    (tmp_path / "list.tsv").write_text("file\tidentity\nb.mp4\tone\n")
    assert [p.name for p in list_clips(tmp_path / "list.tsv")] == ["b.mp4"]


def test_videos_of_reports_are_no_clips(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4", "now/truth/a.mp4", "earlier/results.json", "earlier/generated/a.mp4", "x/b.mp4")
    assert [p.name for p in list_clips(tmp_path, tmp_path / "now")] == ["a.mp4", "b.mp4"]
    _touch(tmp_path, "results.json", "truth/a.mp4")
    assert [p.name for p in list_clips(tmp_path, tmp_path)] == [
        "a.mp4",
        "a.mp4",
        "b.mp4",
    ]  # now/ is not named
    assert [p.name for p in list_clips(tmp_path / "truth", tmp_path / "out")] == ["a.mp4"]


def test_what_an_unfinished_report_made_is_no_clip(tmp_path: Path) -> None:
    """Wherever it lies: a killed run's report below the clips, one in the clips' own folder, a cache of its own."""
    _touch(tmp_path, "a.mp4", "anna/b.mp4")
    for made in ("out/generated", "anna/truth", "kept"):
        make_marked(tmp_path / made)
        _touch(tmp_path / made, "a.mp4", "a.png", "frames/1.png")
    assert [p.name for p in list_clips(tmp_path, tmp_path / "other")] == ["a.mp4", "b.mp4"]
    assert [p.name for p in list_portraits(tmp_path)] == ["a.mp4", "b.mp4"]
    assert [p.name for p in list_clips(tmp_path / "out" / "generated")] == ["a.mp4"], "it was named"


def test_names_are_as_long_as_they_must_be() -> None:
    paths = [Path("x/one/a.mp4"), Path("x/two/a.mp4"), Path("x/two/b.mp4"), Path("y/two/a.mp4")]
    assert names_of(paths) == ["one/a.mp4", "x/two/a.mp4", "b.mp4", "y/two/a.mp4"]


def test_portraits_may_be_pictures_or_videos(tmp_path: Path) -> None:
    _touch(tmp_path, "b.mp4", "a.jpg", "c.txt")
    assert [p.name for p in list_portraits(tmp_path)] == ["a.jpg", "b.mp4"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("missing", None, "nothing is there"),
        ("empty.txt", "# nothing\n", "at least one video"),
        ("gone.txt", "gone.mp4\n", "gone.mp4"),
        ("bad.tsv", "path\nb.mp4\n", "column 'file'"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        list_clips(tmp_path / name)


def test_cases_in_yaml_json_and_tsv(tmp_path: Path) -> None:
    _touch(tmp_path, "face.png", "say.mp3", "pose/0001.jpg")
    (tmp_path / "c.yaml").write_text(
        "cases:\n- {name: one, portrait: face.png, audio: say.mp3, pose: pose, eyes: idle}\n"
        "- {portrait: face.png}\n"
    )
    first, second = read_cases(tmp_path / "c.yaml")
    assert first.name == "one" and second.name == "case 2"
    assert first.portrait == tmp_path / "face.png"
    assert first.drivers == {
        "audio": str(tmp_path / "say.mp3"),
        "pose": str(tmp_path / "pose"),
        "eyes": "idle",
    }
    assert set(first.files()) == {"audio", "pose"}
    assert is_filmed(tmp_path / "pose") and not is_filmed(tmp_path / "say.mp3")
    (tmp_path / "c.json").write_text('{"cases": [{"name": "one", "portrait": "face.png", "pose": "pose"}]}')
    assert read_cases(tmp_path / "c.json")[0].drivers == {"pose": str(tmp_path / "pose")}
    (tmp_path / "c.tsv").write_text("name\tportrait\taudio\tpose\none\tface.png\t\tpose\n")
    assert read_cases(tmp_path / "c.tsv")[0].drivers == {"pose": str(tmp_path / "pose")}


def test_a_root_other_than_the_files_own_folder(tmp_path: Path) -> None:
    _touch(tmp_path, "data/face.png")
    (tmp_path / "c.yaml").write_text("cases: [{portrait: face.png}]")
    assert read_cases(tmp_path / "c.yaml", tmp_path / "data")[0].portrait == tmp_path / "data/face.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cases: [{portrait: face.png, nose: a}]", "unknown field 'nose'"),
        ("cases: [{name: a}]", "names no portrait"),
        ("cases: [{portrait: none.png}]", "does not exist"),
        ("cases: []", "a list of cases"),
        ("cases: [", "YAML"),
    ],
)
def test_cases_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    _touch(tmp_path, "face.png")
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_cases(tmp_path / "c.yaml")
    with pytest.raises(InputError, match="cannot read"):
        read_cases(tmp_path / "absent.yaml")
