import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.clips import grey, tone, write_video
from pdfgc.errors import InputError
from pdfgc.evaluation.study import NOTE, QUESTIONS, check_playable, collect, make_study, read_key
from pdfgc.media.audio import read_audio
from pdfgc.media.video import read_frames

SECONDS = 0.4


def film(path: Path, level: int, **changes: object) -> Path:
    """A grey film with a tone, and metadata that give its maker away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"sound": tone(SECONDS, 16_000), **changes}
    return write_video(path, [grey(level + i) for i in range(10)], **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two methods with three clips each; no two clips are alike."""
    root = tmp_path_factory.mktemp("videos")
    for m, method in enumerate(("alphanet", "betanet")):
        for i in range(3):
            film(root / method / f"clip_{i}.mp4", 40 + 100 * m + 20 * i)
    return {method: root / method for method in ("alphanet", "betanet")}


def level(path: Path) -> int:
    """Grey level of the first frame."""
    return round(float(next(iter(read_frames(path))).image.mean()))


def test_the_key_names_every_clip_rightly_and_the_page_names_none(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    study = make_study(collect(folders), tmp_path / "study", seed=7)
    identifier, key = read_key(tmp_path / "study")
    assert identifier == study
    assert sorted(key.values()) == [(m, f"clip_{i}") for m in ("alphanet", "betanet") for i in range(3)]
    for clip, (method, name) in key.items():
        blinded = tmp_path / "study" / "page" / "clips" / f"{clip}.mp4"
        assert level(blinded) == pytest.approx(level(folders[method] / f"{name}.mp4"), abs=1)
    for path in (tmp_path / "study" / "page").rglob("*"):
        if path.is_file():
            contents = path.read_bytes()
            assert not any(word in contents for word in (b"alphanet", b"betanet", b"clip_0")), path


def test_a_blinded_clip_is_bit_for_bit_the_same_film(folders: dict[str, Path], tmp_path: Path) -> None:
    source = tmp_path / "telling" / "one.mp4"
    film(source, 90, fps=Fraction(30000, 1001))
    make_study(collect({"telling": source.parent}), tmp_path / "study", seed=0)
    (blinded,) = (tmp_path / "study" / "page" / "clips").iterdir()
    for old, new in zip(read_frames(source), read_frames(blinded), strict=True):
        assert old.time == new.time
        assert np.array_equal(old.image, new.image)
    assert np.array_equal(read_audio(source, 16_000), read_audio(blinded, 16_000))
    with av.open(str(blinded)) as container:
        assert container.metadata["comment"] == NOTE
        assert "encoder" not in container.metadata


def test_the_same_seed_gives_the_same_study_and_another_seed_another(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    sources = collect(folders)
    same = [make_study(sources, tmp_path / name, seed=1) for name in ("a", "b")]
    assert same[0] == same[1]
    assert read_key(tmp_path / "a") == read_key(tmp_path / "b")
    assert make_study(sources, tmp_path / "c", seed=2) != same[0]
    assert not set(read_key(tmp_path / "a")[1]) & set(read_key(tmp_path / "c")[1])


def test_a_limit_draws_the_same_names_for_every_method(folders: dict[str, Path]) -> None:
    sources = collect(folders, limit=2, seed=3)
    names = {m: [s.name for s in sources if s.method == m] for m in folders}
    assert names["alphanet"] == names["betanet"]
    assert len(names["alphanet"]) == 2


def test_methods_must_have_the_same_names(folders: dict[str, Path], tmp_path: Path) -> None:
    film(tmp_path / "less" / "clip_0.mp4", 50)
    with pytest.raises(InputError, match=r"only one of alphanet and less has 'clip_1'"):
        collect({"alphanet": folders["alphanet"], "less": tmp_path / "less"})
    film(tmp_path / "less" / "clip_0.m4v", 50)
    with pytest.raises(InputError, match="two videos named clip_0"):
        collect({"less": tmp_path / "less"})
    with pytest.raises(InputError, match="at least one method"):
        collect({})


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("a.mp4", {"sound": None}, "no sound"),
        ("a.mp4", {"codec": "mpeg4"}, "mpeg4"),
        ("a.mp4", {"pix_fmt": "yuv444p"}, "yuv444p"),
        ("a.mkv", {}, "but got"),
    ],
)
def test_what_browsers_do_not_play_is_refused(
    name: str, changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    path = film(tmp_path / name, 50, **changes)
    with pytest.raises(InputError, match=words):
        check_playable(path)


def test_a_folder_in_use_is_left_alone_and_a_failed_study_leaves_nothing(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="new or empty"):
        make_study(collect(folders), used, seed=0)
    film(tmp_path / "bad" / "a.mp4", 50, sound=None)
    with pytest.raises(InputError, match="no sound"):
        make_study(collect({"bad": tmp_path / "bad"}), tmp_path / "study", seed=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad", "used"]


@pytest.mark.parametrize("text", ["{", "[]", '{"pdfgc_study": 1}', '{"pdfgc_study": 9}'])
def test_a_damaged_key_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no"):
        read_key(tmp_path)
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(InputError, match="key"):
        read_key(tmp_path)


def test_the_page_asks_what_is_scored() -> None:
    from importlib import resources

    script = (resources.files("pdfgc.evaluation") / "study_page" / "study.js").read_text(encoding="utf-8")
    assert [f'id: "{question}"' in script for question in QUESTIONS] == [True] * len(QUESTIONS)
    assert script.count('id: "') == len(QUESTIONS)
    assert json.dumps([1, 2, 3, 4, 5]) in script
