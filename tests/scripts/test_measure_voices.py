"""What is measured of voices, on mouths that are made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import measure_voices as script
from measure_voices import STEP, Phone, Said
from pdfgc.errors import InputError

RATE = 16_000


def tone(seconds: float, loudness: float) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)


def test_levels_are_those_about_each_step_and_end_at_a_floor() -> None:
    level = script.levels(np.concatenate([tone(1, 0.5), tone(1, 0.05), np.zeros(RATE)]), RATE, 150)
    at = [25, 75, 125]
    np.testing.assert_allclose(level[at] - level[25], [0, -20, -script.FLOOR_DB], atol=0.1)


@pytest.mark.parametrize("late", [-0.06, 0.0, 0.08])
def test_the_lag_of_a_mouth_that_follows_late_or_early(late: float) -> None:
    level = np.random.default_rng(1).normal(size=400)
    r, lag = script.best_lag(level, np.roll(level, round(late / STEP)))
    assert r == pytest.approx(1)
    assert lag == pytest.approx(late)


def test_a_still_mouth_follows_nothing() -> None:
    assert script.best_lag(np.random.default_rng(1).normal(size=100), np.zeros(100)) == (0, 0)


def test_pauses_are_long_and_are_counted_without_their_edges() -> None:
    level = np.zeros(200)
    level[:20] = level[60:65] = level[100:130] = -40
    expected = np.zeros(200, bool)
    expected[:15] = expected[105:125] = True
    np.testing.assert_array_equal(script.pauses(level), expected)


def test_chance_and_certainty() -> None:
    low, high = np.arange(6.0), np.arange(6.0) + 10
    assert script.area_under_curve(low, high) == 1
    assert script.area_under_curve(high, low) == 0
    assert script.area_under_curve(low, low) == 0.5
    assert script.area_under_curve(low[:4], high) is None


def speaker(late: float) -> Said:
    """Says `ma` fifteen times; the lips meet in each m, `late` seconds after it is heard."""
    phones = [
        Phone(n * 0.2, n * 0.2 + length, name) for n in range(30) for name, length in [("am"[n % 2], 0.2)]
    ]
    opening = np.repeat([0.0 if phone.name == "m" else 1.0 for phone in phones], round(0.2 / STEP))
    return Said(np.zeros(len(opening)), np.roll(opening, round(late / STEP)), phones)


def test_lips_that_meet_at_m() -> None:
    found = script.contrast([speaker(0.0)])
    assert found is not None
    assert (found.auc, found.closures, found.vowels, found.shut) == (1, 0, 1, 1)


def test_phones_are_moved_to_where_the_lips_are() -> None:
    plain, best = script.contrast([speaker(0.2)]), script.best_contrast([speaker(0.2)], about=0.2)
    assert plain is not None
    assert best is not None
    assert plain.auc == 0
    assert best.auc == 1
    assert best.shift == pytest.approx(0.2, abs=script.FARTHEST_LAG)


def test_a_row_without_phones_or_pauses_says_so() -> None:
    level, opening = np.random.default_rng(2).normal(size=(2, 100))
    cells = script.row("hum", [Said(level, opening)])
    assert len(cells) == len(script.HEADER)
    assert cells[script.HEADER.index("pauses, cm")] == "-"
    assert cells[script.HEADER.index("AUC")] == "-"


def test_phones_and_the_speakers_own_mouth_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("start\tend\tphone\n0.1\t0.2\tm\n0.2\t0.4\taɪ\n", encoding="utf-8")
    (tmp_path / "a.mouth.tsv").write_text("seconds\tcm\n0\t0\n0.1\t1\n")
    assert script.read_phones(tmp_path / "a.tsv") == [Phone(0.1, 0.2, "m"), Phone(0.2, 0.4, "aɪ")]
    assert script.read_phones(tmp_path / "none.tsv") == []
    np.testing.assert_allclose(script.read_mouth(tmp_path / "a.mouth.tsv", 50), np.arange(6) / 5)


def test_sounds_of_a_folder_share_a_row(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    for name in ("one.wav", "people/a.flac", "people/b.flac", "people/b.tsv"):
        (tmp_path / name).touch()
    found = script.groups(tmp_path)
    assert {name: [path.name for path in paths] for name, paths in found.items()} == {
        "one": ["one.wav"],
        "people": ["a.flac", "b.flac"],
    }
    with pytest.raises(InputError, match="expected sounds in"):
        script.groups(tmp_path / "people" / "empty")
