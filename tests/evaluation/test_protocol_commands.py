import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeModel, FakeTracker, draw, performance, write_clip
from pdfgc.errors import InputError
from pdfgc.evaluation import judges, protocol_commands, sound_lag, studio
from pdfgc.evaluation.datasets import list_test_clips
from pdfgc.face import tracker
from pdfgc.media.video import probe
from pdfgc.priors import identity

MOVING = {"mouth": 0.6, "brow": 0.3, "smile": 0.3, "lids": 0.15, "gaze_x": 0.2, "pitch": 8.0, "yaw": 12.0}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    fake = FakeModel()
    monkeypatch.setitem(sys.modules, "pdfgc.model", SimpleNamespace(load=lambda name: fake))
    monkeypatch.setattr(tracker, "FaceTracker", FakeTracker)
    monkeypatch.setattr(identity, "FaceIdentity", FakeIdentity)
    monkeypatch.setattr(judges, "lpips_distance", lambda: lambda a, b: float(np.abs(a - 1.0 * b).mean()))
    monkeypatch.setattr(judges, "vgg_extractor", lambda: lambda p: p.mean((1, 2)))
    monkeypatch.setattr(studio, "SIDE", 64)
    return fake


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clip(folder / "anna_0.mp4", performance(20, **MOVING))
    write_clip(folder / "bob_0.mp4", performance(16, **{n: 0.6 * a for n, a in MOVING.items()}), sound=False)
    return folder


def _run(verb: Any, data: Path, report: Path, **options: Any) -> dict[str, Any]:
    verb(data=data, report=report, **options)
    results: dict[str, Any] = json.loads((report / "results.json").read_text())
    return results


def _values(results: dict[str, Any], name: str) -> dict[str, Any]:
    (clip,) = (clip for clip in results["clips"] if clip["name"].startswith(name))
    return {metric: result["value"] for metric, result in clip["metrics"].items()}


def test_self_driving_of_a_perfect_puppet(model: FakeModel, data: Path, tmp_path: Path) -> None:
    results = _run(protocol_commands.self_driving, data, tmp_path / "out")
    assert results["protocol"] == "self" and results["settings"]["people"] == 2
    scores = _values(results, "anna_0")
    assert scores["mouth_correlation"] > 0.97 and scores["pose_error"] < 1e-4
    assert scores["lmd"] < 1.0 and scores["lmd_m"] < 1.5
    about = results["clips"][0]["about"]
    assert about["first_scored_frame"] == 1 and about["frames"] == 20
    assert about["drivers"]["audio"] == "anna_0.mp4" and about["portrait"]["frame"] == 0
    assert len(about["truth_crop"]) == 3
    assert results["clips"][1]["about"]["drivers"]["lips"] == "bob_0.mp4"  # no sound: lips by video
    info = probe(tmp_path / "out" / "generated" / "anna_0.mp4")
    assert (info.frames, info.has_audio) == (20, True)
    assert not probe(tmp_path / "out" / "truth" / "bob_0.mp4").has_audio


def test_the_ablation_holds_the_expression(model: FakeModel, data: Path, tmp_path: Path) -> None:
    results = _run(protocol_commands.ablation, data, tmp_path / "out", seconds=0.4)
    assert {clip["name"] for clip in results["clips"]} == {"anna_0__hold", "bob_0__hold"}
    assert results["clips"][0]["about"]["drivers"]["expression"] == "hold"
    assert results["clips"][0]["about"]["frames"] == 10
    assert "expression_error" not in results["summary"] and "lmd_m" in results["summary"]


def test_cross_video_expression_is_judged_by_the_other_clip(
    model: FakeModel, data: Path, tmp_path: Path
) -> None:
    results = _run(protocol_commands.cross, data, tmp_path / "out")
    assert [clip["name"] for clip in results["clips"]] == ["anna_0__bob_0", "bob_0__anna_0"]
    scores = _values(results, "anna_0")
    assert scores["mouth_correlation"] > 0.97 and scores["pose_error"] < 1e-4
    assert "expression_error" in scores and "psnr" not in scores
    assert scores["csim"] == pytest.approx(1, abs=1e-3)


def test_cross_identity_keeps_the_portraits_person(model: FakeModel, data: Path, tmp_path: Path) -> None:
    Image.fromarray(draw(person=0.5)).save(tmp_path / "eve.png")
    results = _run(protocol_commands.cross_identity, data, tmp_path / "out", portraits=tmp_path / "eve.png")
    assert {clip["name"] for clip in results["clips"]} == {"eve__anna_0", "eve__bob_0"}
    assert results["summary"]["csim"]["value"] == pytest.approx(1, abs=1e-3)
    assert 'alt="portrait"' in (tmp_path / "out" / "report.html").read_text()
    assert "lmd" not in results["summary"] and results["summary"]["pose_error"]["value"] < 1e-4


def test_a_portrait_out_of_a_clip_goes_by_that_clips_whole_name(
    model: FakeModel, data: Path, tmp_path: Path
) -> None:
    """In VoxCeleb2 every other file is called 00001.mp4."""
    for who in ("anna", "bob"):
        (data / who).mkdir()
        (data / f"{who}_0.mp4").rename(data / who / "00001.mp4")
    results = _run(protocol_commands.cross_identity, data, tmp_path / "out", metrics="csim")
    assert {clip["name"] for clip in results["clips"]} == {"bob_00001__anna_00001", "anna_00001__bob_00001"}


def test_self_driving_of_another_portrait_compares_motion_alone(
    model: FakeModel, data: Path, tmp_path: Path
) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    (faces / "a torn one.JPG").write_bytes(b"half a picture")
    Image.fromarray(draw(person=0.5)).save(faces / "eve.png")
    for verb, ending in ((protocol_commands.self_driving, ""), (protocol_commands.ablation, "__hold")):
        results = _run(verb, data, tmp_path / f"out{ending}", portraits=faces)
        assert {clip["name"] for clip in results["clips"]} == {
            f"eve__{who}_0{ending}" for who in ("anna", "bob")
        }
        assert [entry["name"] for entry in results["skipped"]] == ["a torn one.JPG"]
        assert results["summary"]["csim"]["value"] == pytest.approx(1, abs=1e-3)
        assert results["summary"]["pose_error"]["value"] < 1e-4
        assert not {"psnr", "lmd", "lmd_m"} & set(results["summary"])
        assert ("expression_error" in results["summary"]) == (ending == "")


def test_a_clip_that_cannot_be_crossed_with_gives_way_to_another(
    model: FakeModel, data: Path, tmp_path: Path
) -> None:
    for name in ("eve", "wall_1", "wall_2"):
        pictures = performance(8, **MOVING) if name == "eve" else [draw(present=0.0)] * 3
        write_clip(data / f"{name}.mp4", pictures)
    for verb in (protocol_commands.cross, protocol_commands.cross_identity):
        results = _run(verb, data, tmp_path / str(id(verb)), metrics="lmd_m,pose_error,csim", seed=4)
        assert len(results["clips"]) == 3
        assert {entry["name"] for entry in results["skipped"]} == {"wall_1", "wall_2"}
    with pytest.raises(InputError, match="at least two clips"):
        protocol_commands.cross(data=data / "eve.mp4", report=tmp_path / "alone")


def test_a_killed_run_goes_on_and_new_weights_start_anew(
    model: FakeModel, data: Path, tmp_path: Path
) -> None:
    import torch

    _run(protocol_commands.self_driving, data, tmp_path / "out", limit=1)
    assert model.avatars == 1
    _run(protocol_commands.self_driving, data, tmp_path / "out", limit=1)
    assert model.avatars == 1
    with torch.no_grad():
        model.generator.weight += 1
    _run(protocol_commands.self_driving, data, tmp_path / "out", limit=1)
    assert model.avatars == 2


def test_a_run_that_is_killed_ends_as_one_that_is_not(data: Path, tmp_path: Path) -> None:
    """`kill -9` amid the second clip's frames, in a process of its own, with the report among the clips."""
    program = f"""
import os, sys, torch
from types import SimpleNamespace
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from evaluation import fakes
from pdfgc.evaluation import studio
from pdfgc.face import tracker
from pdfgc.priors import identity
torch.manual_seed(0)  # the same weights in every process
fatal, rendered = int(sys.argv.pop()), 0
def animate(self, _animate=fakes.FakeAvatar.animate, **drivers):
    global rendered
    for frame in _animate(self, **drivers):
        if rendered == fatal:
            os.kill(os.getpid(), 9)
        rendered += 1
        yield frame
fakes.FakeAvatar.animate = animate
tracker.FaceTracker, identity.FaceIdentity, studio.SIDE = fakes.FakeTracker, fakes.FakeIdentity, 64
sys.modules["pdfgc.model"] = SimpleNamespace(load=lambda name: fakes.FakeModel())
from pdfgc.cli import main
code = main()
print(rendered)
sys.exit(code)
"""

    def call(report: Path, fatal: int) -> tuple[int, int]:
        """The exit status, and how many frames were rendered where it ended well."""
        words = ["evaluate", "self", "--data", data, "--report", report, "--metrics", "lmd,psnr,csim", fatal]
        command = [sys.executable, "-c", program, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, int(done.stdout.split()[-1]) if done.returncode == 0 else 0

    assert call(tmp_path / "whole", -1) == (0, 36)
    assert call(data / "killed", 25)[0] == -9
    assert (data / "killed" / "generated" / "anna_0.mp4").exists()
    # A video of so few frames waits in the coder whole; of a longer one, the kill leaves what was written.
    (data / "killed" / "generated" / ".bob_0.mp4.123.part.mp4").write_bytes(b"half")
    assert {clip.name for clip in list_test_clips(data, "folder", None, None, 0, data / "other")} == {
        "anna_0",
        "bob_0",
    }, "what the killed run made is no clip"
    assert call(data / "killed", -1) == (0, 16), "the first clip was finished"
    assert not list((data / "killed").rglob(".*.part*"))
    whole, killed = (
        json.loads((folder / "results.json").read_text()) | {"date": None}
        for folder in (tmp_path / "whole", data / "killed")
    )
    assert whole == killed


def test_one_process_at_a_time_works_on_a_report(model: FakeModel, data: Path, tmp_path: Path) -> None:
    report = tmp_path / "out"
    (report / "generated").mkdir(parents=True)
    held = report / "generated" / ".anna_0.mp4.123.part.mp4"
    held.touch()
    program = (
        "import sys; from pathlib import Path; from pdfgc.lock import locked\n"
        "with locked(Path(sys.argv[1]), '', ''): print('locked', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(report)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match=rf"process {other.pid} on \S+ is evaluating into .*--report"):
            protocol_commands.self_driving(data=data, report=report, metrics="psnr")
        assert held.exists(), "the other process may be writing it"
        other.communicate("")


def test_what_cannot_be_used_is_left_out_with_its_reason(
    model: FakeModel, data: Path, tmp_path: Path
) -> None:
    write_clip(data / "wall.mp4", [draw(present=0.0)] * 5)
    results = _run(protocol_commands.self_driving, data, tmp_path / "out", metrics="lmd")
    assert [entry["name"] for entry in results["skipped"]] == ["wall"]
    assert "found no face" in results["skipped"][0]["reason"]
    (tmp_path / "alone").mkdir()
    (data / "wall.mp4").rename(tmp_path / "alone" / "wall.mp4")
    with pytest.raises(InputError, match=r"nothing could be evaluated.*found no face"):
        protocol_commands.self_driving(data=tmp_path / "alone", report=tmp_path / "other")


def test_the_sounds_offset_is_recorded_and_taken_out(
    model: FakeModel, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"seconds": 0.08, "fit": 0.9, "verdict": "shifted"}
    monkeypatch.setattr(sound_lag, "offsets", lambda folder: lambda video, sound: found)
    results = _run(protocol_commands.self_driving, data, tmp_path / "out", sound_offset=True)
    assert results["clips"][0]["about"]["sound_offset"] == found
    in_step = results["clips"][0]["metrics"]["mouth_correlation_in_step"]
    assert in_step["settings"]["sound_late_seconds"] == 0.08
    assert (
        in_step["value"] < _values(results, "anna_0")["mouth_correlation"]
    )  # the puppet was in step already
    assert results["clips"][1]["about"]["sound_offset"]["seconds"] == 0  # no sound
    assert results["summary"]["mouth_correlation_in_step"]["samples"] == 2


def test_a_dry_run_lists_the_clips(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    protocol_commands.self_driving(data=data, report=tmp_path / "out", dry_run=True, limit=1)
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match="taken is a file"):
        protocol_commands.self_driving(data=data, report=tmp_path / "taken" / "out")
    with pytest.raises(InputError, match="above 0"):
        protocol_commands.self_driving(data=data, report=tmp_path / "out", seconds=0)


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    words = ["evaluate", "cross", "--data", "absent", "--report", "out"]
    command = [sys.executable, "-m", "pdfgc.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 2
    assert "nothing is there" in done.stderr and len(done.stderr.splitlines()) == 1
