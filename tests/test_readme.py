"""Every command of the README is one that exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pdfgc import cli
from pdfgc.arguments import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("pdfgc ")])
def test_pdfgc_commands_are_understood(line: str) -> None:
    call = parse("pdfgc", "", cli.VERBS, words(line)[1:], "0")
    assert callable(call.function)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for line in COMMANDS if line.startswith("make ") for word in words(line)[1:]}
    assert named
    assert named <= targets


def test_files_it_names_exist() -> None:
    for name in (
        "LICENSE",
        "NOTICE",
        "demo/astronaut.jpg",
        "demo/speech.flac",
        "src/pdfgc/presets/small.yaml",
    ):
        assert (ROOT / name).is_file()


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in README
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
