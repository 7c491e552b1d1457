"""Progress bars are for terminals and keep out of the way everywhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from pdfgc import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    yield
    progress.set_quiet(False)


def test_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track(range(3), description="count")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(progress.track(iter("ab"), 2, "count")) == ["a", "b"]
    assert "count" in terminal.getvalue()


def test_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress.set_quiet(True)
    assert list(progress.track([1], description="count")) == [1]
    assert terminal.getvalue() == ""


def test_results_are_said_but_for_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    progress.say("made")
    progress.set_quiet(True)
    progress.say("hidden")
    assert capsys.readouterr() == ("made\n", "")


def test_reads_lazily() -> None:
    numbers = iter(range(10))
    assert next(progress.track(numbers)) == 0
    assert next(numbers) == 1
