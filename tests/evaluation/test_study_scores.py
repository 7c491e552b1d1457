import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdfgc.errors import InputError
from pdfgc.evaluation.study import FORMAT, QUESTIONS
from pdfgc.evaluation.study_scores import mean_score, score_study, score_table, student_t

CLIPS = {"aa": ("ours", "x"), "bb": ("theirs", "x"), "cc": ("ours", "y"), "dd": ("theirs", "y")}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The key of a study of two methods."""
    clips = {clip: {"method": m, "name": n, "path": f"{m}/{n}.mp4"} for clip, (m, n) in CLIPS.items()}
    tree = {"pdfgc_study": FORMAT, "study": "s1", "seed": 0, "clips": clips}
    (tmp_path / "key.json").write_text(json.dumps(tree))
    return tmp_path


def answers(folder: Path, response: str, scores: dict[str, int], **changes: Any) -> Path:
    """A participant's file: the same score for all questions of a clip."""
    rows = [
        {"clip": c, "plays": 1, "unplayable": False, "scores": dict.fromkeys(QUESTIONS, s)}
        for c, s in scores.items()
    ]
    tree = {"pdfgc_study": FORMAT, "study": "s1", "response": response, "answers": rows, **changes}
    path = folder / f"answers-{response}.json"
    path.write_text(json.dumps(tree))
    return path


@pytest.mark.parametrize(
    ("freedom", "confidence", "quantile"),
    [(1, 0.95, 12.7062), (2, 0.95, 4.3027), (4, 0.95, 2.7764), (30, 0.95, 2.0423), (9, 0.99, 3.2498)],
)
def test_student_t_as_in_the_tables(freedom: int, confidence: float, quantile: float) -> None:
    assert student_t(freedom, confidence) == pytest.approx(quantile, abs=2e-4)


def test_an_interval_by_hand() -> None:
    result = mean_score("lip_sync", [[1, 3], [3, 3, 3], [4]])  # participants' means 2, 3, 4: s = 1
    half = 4.30265 / 3**0.5
    assert result.value == pytest.approx(3)
    assert result.settings["interval"] == pytest.approx([3 - half, 3 + half], abs=1e-4)
    assert (result.samples, result.settings["participants"]) == (6, 3)


def test_one_participant_gives_a_mean_without_an_interval_and_none_gives_nothing() -> None:
    one = mean_score("lip_sync", [[2, 4], []])
    assert (one.value, one.settings["interval"], one.settings["participants"]) == (3, None, 1)
    nobody = mean_score("lip_sync", [[], []])
    assert nobody.value is None and nobody.reason == "nobody rated it"


def test_scores_go_to_the_method_that_the_key_names(study: Path) -> None:
    files = [
        answers(study, "r1", {"aa": 5, "bb": 1, "cc": 4, "dd": 2}),
        answers(study, "r2", {"dd": 1, "aa": 4, "bb": 1, "cc": 4}),
    ]
    scores = score_study(study, files)
    assert {m: r["naturalness"].value for m, r in scores.items()} == {"ours": 4.25, "theirs": 1.25}
    assert scores["ours"]["lip_sync"].samples == 4
    half = 12.7062 * 0.25  # participants' means 4.5 and 4: s / sqrt(2) = 0.25
    assert scores["ours"]["lip_sync"].settings["interval"] == pytest.approx(
        [4.25 - half, 4.25 + half], abs=1e-3
    )
    assert "4.25 +- 3.18" in score_table(scores)


def test_a_clip_that_did_not_play_is_not_counted(study: Path) -> None:
    rows = [
        {"clip": "aa", "plays": 0, "unplayable": True, "scores": {}},
        {"clip": "bb", "plays": 1, "unplayable": False, "scores": dict.fromkeys(QUESTIONS, 2)},
    ]
    scores = score_study(study, [answers(study, "r1", {}, answers=rows)])
    assert scores["ours"]["expression"].value is None
    assert scores["theirs"]["expression"].value == 2
    assert score_table(scores).splitlines()[1].split() == ["ours", "-", "-", "-"]


def test_answers_that_do_not_fit_are_refused(study: Path) -> None:
    good = answers(study, "r1", {"aa": 5})
    cases: list[tuple[Path, str]] = [
        (answers(study, "r2", {"aa": 5}, study="s2"), r"answers another study \(s2\).*\(s1\)"),
        (answers(study, "r3", {"zz": 5}), "the clip zz"),
        (answers(study, "r4", {"aa": 6}), "got 6"),
        (answers(study, "r5", {}, answers=[{"clip": "aa"}]), "damaged"),
        (answers(study, "r6", {}, pdfgc_study=99), "other JSON"),
        (answers(study, "r7", {}, answers=_twice()), "the same clip twice"),
        (study / "missing.json", "cannot read"),
    ]
    for path, words in cases:
        with pytest.raises(InputError, match=words):
            score_study(study, [good, path])
    broken = study / "broken.json"
    broken.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        score_study(study, [broken])
    copy = study / "copy.json"
    copy.write_bytes(good.read_bytes())
    with pytest.raises(InputError, match="same participant's answers"):
        score_study(study, [good, copy])
    with pytest.raises(InputError, match="at least one file"):
        score_study(study, [])


def _twice() -> list[dict[str, Any]]:
    row = {"clip": "aa", "plays": 1, "unplayable": False, "scores": dict.fromkeys(QUESTIONS, 3)}
    return [row, row]


def test_the_command_writes_the_results_and_refuses_another_study_in_one_sentence(study: Path) -> None:
    good = answers(study, "r1", {"aa": 5, "bb": 3})
    command = [sys.executable, "-m", "pdfgc.cli", "study", "score", str(study)]
    done = subprocess.run([*command, str(good)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ours" in done.stdout
    results = json.loads((study / "scores.json").read_text())
    assert results["methods"]["ours"]["lip_sync"]["value"] == 5
    other = answers(study, "r2", {"aa": 5}, study="s2")
    done = subprocess.run([*command, str(good), str(other)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "answers another study" in done.stderr
