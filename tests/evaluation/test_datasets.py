from pathlib import Path

import pytest

from pdfgc.errors import InputError
from pdfgc.evaluation.datasets import SourceClip, list_test_clips, partners, place, spread


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def _names(clips: list[SourceClip]) -> list[str]:
    return [clip.name for clip in clips]


def test_a_plain_folder_knows_people_by_names(tmp_path: Path) -> None:
    clips = list_test_clips(
        _touch(tmp_path, "anna_000.mp4", "anna_001.mp4", "bob.mp4"), "folder", None, None, 0
    )
    assert [(c.name, c.identity) for c in clips] == [
        ("anna_000", "anna"),
        ("anna_001", "anna"),
        ("bob", "bob"),
    ]
    assert clips[0].sound == clips[0].video


def test_files_are_recorded_by_their_path_in_the_data(tmp_path: Path) -> None:
    root = _touch(tmp_path / "vox", "id00017/aaa/00001.mp4", "list.txt")
    assert place(root / "id00017/aaa/00001.mp4", root) == "id00017/aaa/00001.mp4"
    assert place(str(root / "id00017/aaa/00001.mp4"), root / "list.txt") == "id00017/aaa/00001.mp4"
    assert place("/elsewhere/a.mp4", root) == "/elsewhere/a.mp4" and place("hold", root) == "hold"


def test_voxceleb2_by_a_list_of_utterances_and_people(tmp_path: Path) -> None:
    root = _touch(
        tmp_path / "vox",
        "mp4/id00017/aaa/00001.mp4",
        "mp4/id00017/aaa/00002.mp4",
        "mp4/id00061/bbb/00001.mp4",
        "aac/id00061/bbb/00001.m4a",
    )
    listed = tmp_path / "test.txt"
    listed.write_text("# the test set\nid00017/aaa/00002.mp4 1\nmp4/id00061/bbb/00001\n")
    clips = list_test_clips(root, "voxceleb2", listed, None, 0)
    assert _names(clips) == ["id00017_aaa_00002", "id00061_bbb_00001"]
    assert clips[1].identity == "id00061" and clips[1].sound == root / "aac/id00061/bbb/00001.m4a"
    listed.write_text("id00017\n")
    assert _names(list_test_clips(root, "voxceleb2", listed, None, 0)) == [
        "id00017_aaa_00001",
        "id00017_aaa_00002",
    ]
    listed.write_text("id00099/aaa/00001\n")
    with pytest.raises(InputError, match=r"id00099/aaa/00001, which is not in the dataset"):
        list_test_clips(root, "voxceleb2", listed, None, 0)


def test_mead_by_a_list_with_its_sound_apart(tmp_path: Path) -> None:
    root = _touch(
        tmp_path / "mead",
        "M003/video/front/angry/level_1/001.mp4",
        "M003/audio/angry/level_1/001.m4a",
        "W009/video/front/sad/level_2/003.mp4",
    )
    listed = tmp_path / "test.txt"
    listed.write_text("M003_front_angry_level_1_001\nW009/video/front/sad/level_2/003.mp4\n")
    clips = list_test_clips(root, "mead", listed, None, 0)
    assert _names(clips) == ["M003_front_angry_level_1_001", "W009_front_sad_level_2_003"]
    assert clips[0].sound == root / "M003/audio/angry/level_1/001.m4a"
    assert [clip.identity for clip in clips] == ["M003", "W009"]


def test_a_limit_spreads_over_people_and_keeps_to_its_seed() -> None:
    clips = [SourceClip(f"{who}{i}", Path(f"{who}{i}.mp4"), None, who) for who in "abc" for i in range(5)]
    chosen = spread(clips, 4, seed=3)
    assert len(chosen) == 4 and {clip.identity for clip in chosen} == set("abc")
    assert chosen == spread(clips, 4, seed=3)
    assert any(chosen != spread(clips, 4, seed=seed) for seed in range(4, 9))
    assert spread(clips, 99, seed=0) == clips


def test_partners_are_other_people_where_there_are_any() -> None:
    clips = [SourceClip(f"{who}{i}", Path(f"{who}{i}.mp4"), None, who) for who in "ab" for i in range(3)]
    tried = [partners(clips, index, seed=1) for index in range(6)]
    assert all(
        {p.name[0] for p in own} == ({"a", "b"} - {c.identity}) for c, own in zip(clips, tried, strict=True)
    )
    assert all(len(own) == 3 for own in tried) and tried[0] == partners(clips[:1] + clips[3:], 0, seed=1)
    assert any(tried[0] != partners(clips, 0, seed=seed) for seed in range(2, 9))
    assert partners(clips[:3], 1, seed=0)[0] in (clips[0], clips[2])
    assert partners(clips[:1], 0, seed=0) == []


def test_clips_of_one_name_are_told_apart(tmp_path: Path) -> None:
    _touch(tmp_path, "one/a.mp4", "two/a.mp4", "b c.MP4")
    assert _names(list_test_clips(tmp_path, "folder", None, None, 0)) == ["b c", "one_a", "two_a"]
    (tmp_path / "list.txt").write_text("one/a.mp4\ntwo/a.mp4\none/a.mp4\n")
    assert _names(list_test_clips(tmp_path / "list.txt", "folder", None, None, 0)) == ["one_a", "two_a"]
    (tmp_path / "one/a.mov").touch()
    assert _names(list_test_clips(tmp_path / "one", "folder", None, None, 0)) == ["a.mov", "a.mp4"]
