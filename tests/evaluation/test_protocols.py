import json
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeModel, FakeTracker, draw, performance, write_clip
from pdfgc.evaluation.bench import Bench
from pdfgc.evaluation.cases import Case, names_of
from pdfgc.evaluation.datasets import SourceClip
from pdfgc.evaluation.protocols import ROWS, control_matrix, mouths_in_step, run_cases
from pdfgc.evaluation.report import case_results, case_table, control_results, control_table, write_results
from pdfgc.evaluation.store import ArrayStore

MOVING = {
    "mouth": 0.6, "brow": 0.3, "smile": 0.3, "lids": 0.15, "gaze_x": 0.2, "gaze_y": 0.1,
    "pitch": 8.0, "yaw": 12.0, "roll": 6.0,
}  # fmt: skip


def _bench(folder: Path, model: FakeModel, seconds: float = 2.0, weights: str = "some") -> Bench:
    return Bench(model, weights, FakeTracker(), FakeIdentity(), ArrayStore(folder / "cache"), seconds)


def _control(bench: Bench, videos: Sequence[Path], portraits: list[Path] | None = None) -> Any:
    """The control matrix of videos with their own sound, of as many people."""
    clips = [SourceClip(name, v, v, name) for name, v in zip(names_of(videos), videos, strict=True)]
    return control_matrix(bench, clips, portraits, videos[0].parent)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    quieter = {name: 0.7 * amplitude for name, amplitude in MOVING.items()}
    return [
        write_clip(folder / "a.mp4", performance(**MOVING)),
        write_clip(folder / "b.mp4", performance(30, **quieter), sound=False),
    ]


@pytest.fixture(scope="module")
def control(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("report")
    comparisons, skipped = _control(_bench(folder, FakeModel(leak=0.5)), clips)
    return control_results(comparisons) | {"skipped": skipped}


def test_the_diagonal_follows_the_driver(control: dict[str, Any]) -> None:
    for row in ROWS:
        for measure in row.own:
            cell = control["matrix"][row.name][measure]
            assert cell["wanted"]
            if not measure.startswith(("shift", "zoom")):  # the drawn head stands still
                assert cell["correlation"]["value"] > 0.97, (row.name, measure)
    assert control["matrix"]["pose"]["yaw"]["error"]["value"] < 0.6
    assert control["matrix"]["pose"]["yaw"]["error"]["unit"] == "degrees"
    assert control["matrix"]["pose"]["shift_x"]["correlation"]["value"] is None


def test_leakage_is_found_where_it_is_and_nowhere_else(control: dict[str, Any]) -> None:
    spoken = control["matrix"]["lips by audio"]
    assert spoken["brow"]["movement"]["value"] == pytest.approx(0.5, abs=0.05)
    assert control["largest_unwanted"]["lips by audio"]["measure"] == "brow"
    for row in ("lips by video", "gaze", "blink", "expression", "pose"):
        assert control["largest_unwanted"][row]["movement"] < 0.12, row


def test_the_driver_itself_is_a_perfect_result(control: dict[str, Any]) -> None:
    cells = control["matrix"]["driver itself"]
    for measure in ("mouth", "brow", "smile", "blink", "gaze_x", "gaze_y", "pitch", "yaw", "roll"):
        assert cells[measure]["correlation"]["value"] > 0.97, measure
        assert cells[measure]["movement"]["value"] == pytest.approx(1, abs=0.1), measure
    assert control["rows"]["driver itself"]["frames_per_second"]["value"] is None


def test_nothing_driven_shows_the_noise_alone(control: dict[str, Any]) -> None:
    movements = {m: c["movement"]["value"] for m, c in control["matrix"]["nothing"].items()}
    assert all(v is None or v < 0.05 for v in movements.values()), movements
    assert movements["yaw"] > 0


def test_rows_that_need_sound_leave_out_the_silent_clip(control: dict[str, Any]) -> None:
    assert [(s["pair"], s["row"]) for s in control["skipped"]] == [
        ("b.mp4 -> b.mp4", "lips by audio"),
        ("b.mp4 -> b.mp4", "all"),
    ]
    assert control["skipped"][0]["reason"] == "the clip has no sound"
    assert control["mouth_against_speaker"]["0"]["value"] > 0.97
    assert control["mouth_against_speaker"]["0"]["settings"]["clips"] == 1
    assert control["mouth_against_speaker"]["1"]["value"] < control["mouth_against_speaker"]["0"]["value"]


def test_every_row_has_its_overall_numbers(control: dict[str, Any]) -> None:
    for row, overall in control["rows"].items():
        assert overall["found_faces"]["value"] == 1
        assert overall["identity"]["value"] == pytest.approx(1, abs=1e-4)
        assert row == "driver itself" or overall["frames_per_second"]["value"] > 0
    lengths = {(p["pair"], p["frames"]) for p in control["pairs"]}
    assert lengths == {("a.mp4 -> a.mp4", 40), ("b.mp4 -> b.mp4", 30)}


def test_the_table_and_the_file(control: dict[str, Any], tmp_path: Path) -> None:
    table = control_table(control)
    lines = table.splitlines()
    assert lines[0].split()[:3] == ["driven", "mouth", "smile"]
    assert [line.split("  ")[0] for line in lines[1:10]] == [row.name for row in ROWS]
    assert "mouth against the speaker at +0 frames: r" in table
    path = write_results(control, tmp_path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(control))


def test_a_killed_run_goes_on(clips: list[Path], tmp_path: Path) -> None:
    first = FakeModel()
    _control(_bench(tmp_path, first), clips[:1])
    assert first.avatars == 1
    again = FakeModel()
    _control(_bench(tmp_path, again), clips[:1])
    assert again.avatars == 0
    other = FakeModel()
    _control(_bench(tmp_path, other, weights="other"), clips[:1])
    assert other.avatars == 1


def test_other_peoples_portraits_and_clips_of_one_name(clips: list[Path], tmp_path: Path) -> None:
    Image.fromarray(draw(person=0.5)).save(tmp_path / "face.png")
    (tmp_path / "deeper").mkdir()
    both = [clips[0], Path(shutil.copy(clips[0], tmp_path / "deeper" / clips[0].name))]
    comparisons, skipped = _control(_bench(tmp_path, FakeModel()), both, [tmp_path / "face.png"])
    ends = {f"{clip.parent.name}/a.mp4 -> face.png" for clip in both}
    assert {c.pair for c in comparisons} == ends and skipped == []
    results = control_results(comparisons)
    assert results["matrix"]["pose"]["yaw"]["correlation"]["value"] > 0.97


def test_a_clip_of_no_use_is_left_out_once(clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "torn.mp4").write_bytes(b"half a film")
    given = [write_clip(tmp_path / "wall.mp4", [draw(present=0.0)] * 5), tmp_path / "torn.mp4", clips[0]]
    comparisons, skipped = _control(_bench(tmp_path, FakeModel(), 0.8), given)
    assert [entry["name"] for entry in skipped] == ["wall.mp4", "torn.mp4"]
    assert "found no face" in skipped[0]["reason"] and len(comparisons) == len(ROWS)


def test_cases_compare_each_factor_with_its_own_file(clips: list[Path], tmp_path: Path) -> None:
    Image.fromarray(draw()).save(tmp_path / "face.png")
    (tmp_path / "torn.png").write_bytes(b"half a picture")
    frames = tmp_path / "pose"
    frames.mkdir()
    for i, picture in enumerate(performance(25, yaw=10.0, pitch=5.0)):
        Image.fromarray(picture).save(frames / f"{i:04d}.png")
    drivers = {"audio": str(clips[0]), "pose": str(frames), "eyes": str(clips[1]), "expression": "hold"}
    case = Case("one", tmp_path / "face.png", drivers)
    broken = Case("two", tmp_path / "torn.png", {"pose": str(frames)})
    run, skipped = run_cases(_bench(tmp_path, FakeModel(), 60), [broken, case], Fraction(25))
    assert [entry["name"] for entry in skipped] == ["two"]
    results = case_results([comparison for _, comparison in run])
    measured = results["cases"][0]["measures"]
    assert results["cases"][0]["frames"] == 40  # longer than the pose: it runs to and fro
    assert {"mouth", "yaw", "blink", "gaze_x"} <= set(measured) and "brow" not in measured
    assert measured["yaw"]["correlation"]["value"] > 0.98
    assert measured["yaw"]["error"]["value"] < 0.6
    assert measured["roll"]["correlation"]["reason"].endswith("the driver does not move this measure")
    table = case_table(results)
    assert table.startswith("one: 40 frames, found_faces 1.00, open_eyes 1.00, identity 1.00")


def test_the_mouth_is_judged_at_the_sounds_own_lag(clips: list[Path], tmp_path: Path) -> None:
    comparisons, _ = _control(_bench(tmp_path, FakeModel()), clips[:1])
    right = mouths_in_step(comparisons, lambda video, sound: {"seconds": 0.0})
    wrong = mouths_in_step(comparisons, lambda video, sound: {"seconds": 0.12})
    assert right["mouth_in_step"]["value"] > 0.97 > wrong["mouth_in_step"]["value"] + 0.1
    assert wrong["sound_offsets"] == {"a.mp4": {"seconds": 0.12}}
    assert wrong["mouth_in_step"]["settings"]["sound_late_seconds"] == 0.12
