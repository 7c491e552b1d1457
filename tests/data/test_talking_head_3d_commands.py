from pathlib import Path
from typing import Any

import pytest

from pdfgc import cli, progress
from pdfgc.data import talking_head_3d


@pytest.mark.parametrize(("words", "said"), [([], "heads: 1 video\n"), (["--quiet"], "")])
def test_heads_say_what_they_made_but_for_quiet(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(output: Path, **settings: Any) -> list[Path]:
        return [output / "a.mp4"]

    monkeypatch.setattr(talking_head_3d, "make_clips", make)
    monkeypatch.setattr(progress, "_quiet", False)  # so that it is loud again for later tests
    assert cli.main(["heads", "-o", "heads", *words]) == 0
    assert capsys.readouterr().out == said
