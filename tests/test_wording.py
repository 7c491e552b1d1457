"""Numbers and names as sentences want them."""

from __future__ import annotations

from pdfgc.wording import counted, nearest


def test_one_is_no_plural() -> None:
    assert [counted(number, "clip") for number in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert counted(1, "person", "people") == "1 person"
    assert counted(25, "person", "people") == "25 people"


def test_the_nearest_word() -> None:
    assert nearest("selfie", ["self", "cross"]) == "self"
    assert nearest("boil", ["self", "cross"]) is None
