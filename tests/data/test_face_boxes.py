"""VoxCeleb's annotation files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from pdfgc.data.face_boxes import read_annotation
from pdfgc.errors import InputError

HEADER = "Identity  : \tid00012\nReference : \t21Uxsk56VDQ\nOffset    : \t-3\nFV Conf   : \t18.366\t(1)\n"


def write(path: Path, rows: str, header: str = HEADER) -> Path:
    path.write_text(f"{header}ASD Conf  : \t4.505\n\nFRAME \tX \tY \tW \tH \n{rows}")
    return path


def test_a_file_of_the_dataset(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "000050 \t0.5 \t0.25 \t0.2 \t0.4 \n000051 \t0.6 \t0.25 \t0.2 \t0.4 \n")
    found = read_annotation(path)
    assert (found.identity, found.reference) == ("id00012", "21Uxsk56VDQ")
    assert found.labels == {
        "stated_offset": "-3",
        "identity_confidence": "18.366",
        "speaker_confidence": "4.505",
    }
    assert (found.start, found.end) == (Fraction(2), Fraction(52, 25))
    assert found.box_at(Fraction(2), 100, 200) == pytest.approx([50, 50, 20, 80])
    assert found.box_at(Fraction(9), 100, 200) == pytest.approx([60, 50, 20, 80])


def test_pixels_stay_pixels(tmp_path: Path) -> None:
    found = read_annotation(write(tmp_path / "a.txt", "000010 \t223 \t80 \t130 \t130\n"))
    assert found.box_at(Fraction(0), 640, 360) == pytest.approx([223, 80, 130, 130])


def test_other_files_are_refused(tmp_path: Path) -> None:
    for rows, header, said in (
        ("", HEADER, "Identity and rows"),
        ("000050 \t0.5 \t0.25 \t0.2 \t0.4\n", "", "Identity and rows"),
        ("000050 \t0.5 \t0.25\n", HEADER, "five numbers"),
        ("000050 \t0.5 \t0.25 \twide \t0.4\n", HEADER, "five numbers"),
        ("000051 \t0.5 \t0.2 \t0.2 \t0.4\n000050 \t0.5 \t0.2 \t0.2 \t0.4\n", HEADER, "rising frame numbers"),
    ):
        with pytest.raises(InputError, match=said):
            read_annotation(write(tmp_path / "a.txt", rows, header))
    with pytest.raises(InputError, match="cannot be read"):
        read_annotation(tmp_path / "none.txt")
