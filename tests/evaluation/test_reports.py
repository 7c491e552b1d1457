import json
import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeModel, FakeTracker, draw, performance, write_clip
from pdfgc.evaluation import judges
from pdfgc.evaluation.bench import Bench
from pdfgc.evaluation.cases import Case
from pdfgc.evaluation.charts import WIDTH, Curves, draw_curves
from pdfgc.evaluation.control_report import control_markdown, write_cases_page, write_control_page
from pdfgc.evaluation.datasets import SourceClip
from pdfgc.evaluation.judges import Judges
from pdfgc.evaluation.protocols import ROWS, control_matrix, run_cases
from pdfgc.evaluation.publication import write_report
from pdfgc.evaluation.published import TABLE_1_VOXCELEB2, TABLE_2_POSE, TABLES_OF
from pdfgc.evaluation.report import case_results, control_results
from pdfgc.evaluation.scores import METRICS
from pdfgc.evaluation.scoring import match_by_name, score_trials, video_trials
from pdfgc.evaluation.store import ArrayStore
from pdfgc.evaluation.strips import PICTURES, SIDE, chosen_frames, join, keep, lone_picture, thumbnail
from pdfgc.evaluation.tables import badness, number, published_rows, worst_first

HEAD = {
    "date": "2026-01-01T00:00:00+00:00",
    "pdfgc": "0",
    "settings": {"seconds": 2.0},
    "instruments": {"mesh": "the tracker", "missing": "the recogniser"},
}


class Outline(HTMLParser):
    """Checks that elements close in order and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in ("meta", "img", "br", "i"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if tag != "i":
            assert self.open.pop() == tag


def _outline(path: Path) -> dict[str, int]:
    text = path.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)  # one file, nothing fetched
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    return outline.count


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[Any]]:
    monkeypatch.setattr(judges, "lpips_distance", lambda: lambda a, b: float(np.abs(a - 1.0 * b).mean()))
    monkeypatch.setattr(judges, "vgg_extractor", lambda: lambda p: p.mean((1, 2)))
    for side, scale in (("ours", 0.5), ("theirs", 1.0)):
        (tmp_path / side).mkdir()
        write_clip(tmp_path / side / "good.mp4", performance(12, mouth=0.5, yaw=9.0))
        write_clip(tmp_path / side / "bad.mp4", performance(12, mouth=scale, yaw=9 * scale, smile=scale))
    looking = Judges(FakeTracker(), FakeIdentity(), ArrayStore(tmp_path / "cache"))
    trials = video_trials(match_by_name(tmp_path / "ours", tmp_path / "theirs")[0], looking)
    results = {"protocol": "self", **HEAD, **score_trials(trials, METRICS)}
    return results, trials


def _bench(folder: Path, model: FakeModel, seconds: float) -> Bench:
    return Bench(model, "some", FakeTracker(), FakeIdentity(), ArrayStore(folder / "cache"), seconds)


def test_a_report_of_videos(scored: tuple[dict[str, Any], list[Any]], tmp_path: Path) -> None:
    results, trials = scored
    path = write_report("Self-driving", "a <clip> against itself", results, trials, tmp_path)
    count = _outline(path)
    assert count["section"] == 2 and count["img"] == 4 and count["svg"] == 14
    text = path.read_text()
    assert text.index("<h3>bad</h3>") < text.index("<h3>good</h3>")
    assert "a &lt;clip&gt; against itself" in text and "Table 1, VoxCeleb2" in text
    summary = (tmp_path / "report.md").read_text()
    for written in (text, summary):
        assert "mesh: the tracker; missing: the recogniser" in written
    assert "| PD-FGC | 12.99 | 7.26 | 0.012 | 1.15 | 1.93 |" in summary
    assert "needs SyncNet's weights" in summary and "as published" in summary
    assert json.loads((tmp_path / "results.json").read_text())["protocol"] == "self"


def test_a_report_of_the_control_matrix(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", performance(15, mouth=0.6, yaw=12.0, brow=0.3))
    bench = _bench(tmp_path, FakeModel(leak=0.5), 1.0)
    comparisons, skipped = control_matrix(bench, [SourceClip("a", clip, clip, "a")], None, tmp_path)
    assert all(c.output.strip is not None for c in comparisons)
    again, _ = control_matrix(bench, [SourceClip("a", clip, clip, "a")], None, tmp_path)
    assert [c.output.strip for c in again] == [c.output.strip for c in comparisons]
    results = HEAD | control_results(comparisons) | {"skipped": skipped}
    count = _outline(write_control_page(results, comparisons, tmp_path))
    assert count["img"] == len(ROWS)
    assert count["b"] == 9 * len(ROWS)  # cells of the heat map
    assert "| lips by audio | **1.00" in (tmp_path / "report.md").read_text()
    few = HEAD | control_results(comparisons, ("mouth", "zoom")) | {"skipped": skipped}
    assert set(few["matrix"]["pose"]) == set(few["pairs"][0]["measures"]) == {"mouth", "zoom"}
    assert "| driven | mouth | zoom | SFace |" in control_markdown(few)


def test_a_report_of_cases_shows_every_driver(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", performance(20, mouth=0.6))
    pose = write_clip(tmp_path / "b.mp4", performance(9, yaw=12.0))
    Image.fromarray(draw()).save(tmp_path / "face.png")
    bench = _bench(tmp_path, FakeModel(), 5.0)
    drivers = {"audio": str(clip), "pose": str(pose), "expression": "hold"}
    cases = [Case("one", tmp_path / "face.png", drivers)]
    run, skipped = run_cases(bench, cases, Fraction(25))
    results = HEAD | case_results([comparison for _, comparison in run]) | {"skipped": skipped}
    page = write_cases_page(results, run, lambda p: bench.clip(p).times, tmp_path)
    assert _outline(page)["img"] == 3  # sound's speaker, pose, result
    assert "| yaw | 1.00 |" in (tmp_path / "report.md").read_text()


def test_curves_keep_to_their_frame_and_leave_gaps() -> None:
    wave = np.sin(np.arange(30.0))
    holes = wave.copy()
    holes[10:12] = np.nan
    drawn = draw_curves(
        Curves(np.arange(30) / 25, {"yaw": wave, "mouth": np.full(30, np.nan)}, {"yaw": holes})
    )
    assert drawn.count("<svg") == 2 and drawn.count("<path") == 2 and "no face" in drawn
    paths = re.findall(r'd="([^"]+)"', drawn)
    assert [path.count("M") for path in paths] == [1, 2]
    x = [float(v) for v in re.findall(r"[ML]([\d.]+) ", paths[0])]
    assert len(x) == 30 and x == sorted(x) and x[-1] <= WIDTH


def test_strips_are_spread_over_the_video() -> None:
    assert chosen_frames(0) == [] and chosen_frames(3) == [0, 1, 2]
    numbers = chosen_frames(100)
    assert len(numbers) == PICTURES and numbers[0] == 0 and numbers[-1] == 99
    kept: list[np.ndarray] = []
    frames = [(i / 25, np.full((40, 60, 3), i, np.uint8)) for i in range(100)]
    assert list(keep(frames, 100, kept)) == frames
    assert [int(picture.mean()) for picture in kept] == numbers
    assert join(kept).shape == (SIDE, PICTURES * SIDE, 3)
    assert thumbnail(frames[7][1]).shape == (SIDE, SIDE, 3)


def test_a_lone_picture_is_no_larger_than_those_of_a_row(tmp_path: Path) -> None:
    Image.new("RGB", (90, 60), (9, 9, 9)).save(tmp_path / "a.png")
    row = lone_picture(tmp_path / "a.png")
    assert row.shape == (SIDE, PICTURES * SIDE, 3)
    assert (row[:, :SIDE] == 9).all() and (row[:, SIDE:] == 255).all()


def test_the_papers_numbers_stand_beside_ours() -> None:
    ours = {"settings": {}, "summary": {"lmd": {"value": 2.5}, "lse_c": {"value": None}}}
    rows = published_rows(TABLE_1_VOXCELEB2, ours)
    assert rows[-2] == ["PD-FGC", "12.99", "7.26", "0.012", "1.15", "1.93"]
    assert rows[1] == ["Ground truth", "-", "7.35", "0", "0", "0"]
    assert rows[-3][:2] == ["EAMM Emo", "27.20"], "with the digits that the paper prints"
    assert rows[-1] == ["ours, other clips", "-", "-", "-", "-", "2.50"]
    named = ours | {"settings": {"name": "Wav2Lip"}}
    assert published_rows(TABLE_1_VOXCELEB2, named)[-1][0] == "Wav2Lip, other clips"
    pose: dict[str, Any] = {"pose_error": {"value": 0.5, "settings": {}}}
    assert published_rows(TABLE_2_POSE, {"settings": {}, "summary": pose})[-1][1] == "0.500 †"
    pose["pose_error"]["settings"] = {"weights_sha256": "abc"}
    assert published_rows(TABLE_2_POSE, {"settings": {}, "summary": pose})[-1][1] == "0.500"
    for tables in TABLES_OF.values():
        for table in tables:
            assert all(len(values) == len(table.columns) == len(table.metrics) for _, values in table.rows)


def test_numbers_and_the_worst_first() -> None:
    assert [number(v) for v in (None, 0.0, 12.345, 0.1234, 0.00456, 0.0001234)] == [
        "-", "0.000", "12.35", "0.123", "0.0046", "1.2e-04",
    ]  # fmt: skip
    assert [badness(b, 3.0) for b in ("higher", "lower", "one")] == [-3, 3, 2]
    clips = [
        {"name": n, "metrics": {"lmd": {"value": lmd}, "csim": {"value": csim}, "psnr": {"value": None}}}
        for n, lmd, csim in (("a", 1.0, 0.9), ("b", 3.0, 0.2), ("c", 2.0, 0.5))
    ]
    assert [clip["name"] for clip in worst_first(clips)] == ["b", "c", "a"]
