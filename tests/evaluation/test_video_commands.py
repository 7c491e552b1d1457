import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeTracker, draw, performance, write_clip
from pdfgc.errors import InputError
from pdfgc.evaluation import judges, video_commands
from pdfgc.evaluation.scores import IN_STEP, METRICS, choose_metrics
from pdfgc.evaluation.scoring import match_by_name
from pdfgc.evaluation.session import split_names
from pdfgc.evaluation.syncnet import SyncNet
from pdfgc.face import tracker
from pdfgc.priors import identity
from pdfgc.report_folders import make_marked

MOVING = {"mouth": 0.6, "yaw": 12.0, "lids": 0.15, "smile": 0.3}


class CountingTracker(FakeTracker):
    """Counts the looks of all trackers together."""

    looks = 0

    def detect(self, image: np.ndarray) -> list[Any]:
        CountingTracker.looks += 1
        return super().detect(image)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "FaceTracker", CountingTracker)
    monkeypatch.setattr(identity, "FaceIdentity", FakeIdentity)
    monkeypatch.setattr(judges, "lpips_distance", lambda: lambda a, b: float(np.abs(a - 1.0 * b).mean()))
    monkeypatch.setattr(judges, "vgg_extractor", lambda: lambda p: p.mean((1, 2)))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    write_clip(theirs / "a.mp4", performance(30, **MOVING))
    write_clip(ours / "a.mp4", performance(30, **MOVING))
    write_clip(theirs / "b.mp4", performance(20, **MOVING), sound=False)
    write_clip(ours / "b.mp4", [draw(person=0.5)] * 20, sound=False)
    write_clip(ours / "only.mp4", [draw()] * 3)
    return ours, theirs


def _evaluate(folders: tuple[Path, Path], report: Path, **options: Any) -> dict[str, Any]:
    video_commands.videos(generated=folders[0], truth=folders[1], report=report, **options)
    results: dict[str, Any] = json.loads((report / "results.json").read_text())
    return results


def test_copies_score_perfectly_and_a_still_stranger_does_not(
    faked: None,
    folders: tuple[Path, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = _evaluate(folders, tmp_path / "out")
    copy, stranger = ({n: r["value"] for n, r in c["metrics"].items()} for c in results["clips"])
    assert copy["psnr"] == 100 and copy["ssim"] == pytest.approx(1) and copy["lpips"] == 0
    assert copy["lmd"] == copy["lmd_m"] == copy["pose_error"] == copy["gaze_error"] == 0
    assert copy["csim"] == copy["mouth_correlation"] == pytest.approx(1)
    assert copy["jitter"] == pytest.approx(1)
    assert stranger["psnr"] < 40 and stranger["lmd_m"] > 0.5 and stranger["pose_error"] > 0.001
    assert stranger["csim"] == pytest.approx(np.cos(0.5), abs=0.01)
    assert stranger["jitter"] == pytest.approx(0)
    assert stranger["mouth_correlation"] is None
    assert results["summary"]["lmd"]["settings"]["clips"] == 2
    assert "generated" in results["clips"][0]["metrics"]["blink_rate_error"]["settings"]
    assert "coefficients" in results["summary"]["pose_error"]["settings"]
    assert (
        "mean_absolute_degrees" not in results["summary"]["pose_error"]["settings"]
    )  # differs from clip to clip
    assert results["summary"]["fid_vgg"]["value"] > 0 and "caution" not in results["summary"]["fid_vgg"]
    assert results["unmatched"] == [f"{folders[0] / 'only.mp4'} has no video of that name in {folders[1]}"]
    assert "only.mp4 has no video of that name" in caplog.text
    assert "LMD_m" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "row"), [("Wav2Lip", "Wav2Lip"), ("", "ours")])
def test_the_papers_tables_stand_beside_the_named_videos(
    faked: None, folders: tuple[Path, Path], tmp_path: Path, given: str, row: str
) -> None:
    """`ours` is here the name of the folder."""
    _evaluate(folders, tmp_path / "out", metrics="lmd,lmd_m,psnr", name=given)
    text = (tmp_path / "out" / "report.md").read_text()
    page = (tmp_path / "out" / "report.html").read_text()
    for shown in (text, page):
        assert "as published: on VoxCeleb2 and MEAD test clips that this project does not have" in shown
        assert "What drove the videos is not known here" in shown
        assert f"{row}, other clips" in shown and "Table 1, MEAD" in shown
        assert "Table 2" not in shown, "neither pose nor expression was asked for"
    assert "| MakeItTalk | 68.35 | 3.50 | 0.524 | 2.68 | 2.56 |" in text


def test_no_table_of_the_paper_answers_to_other_metrics(
    faked: None, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    _evaluate(folders, tmp_path / "out", metrics="psnr")
    assert "Beside the paper" not in (tmp_path / "out" / "report.md").read_text()
    assert "Beside the paper" not in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(InputError, match="--name to be one line of text"):
        _evaluate(folders, tmp_path / "out", name="two\nlines")


def test_what_needs_weights_says_so(faked: None, folders: tuple[Path, Path], tmp_path: Path) -> None:
    results = _evaluate(folders, tmp_path / "out", metrics="fid,lse_c,nlse_c")
    assert list(results["summary"]) == ["lse_c", "nlse_c", "fid"]
    for name, weights in (("fid", "Inception"), ("lse_c", "SyncNet"), ("nlse_c", "SyncNet")):
        assert results["summary"][name]["value"] is None
        assert f"needs {weights}'s weights" in results["summary"][name]["reason"]


def test_networks_that_cannot_be_had_cost_their_own_metrics_alone(
    faked: None, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> Any:
        raise InputError("its weights are not here")

    for module, name in ((judges, "lpips_distance"), (judges, "vgg_extractor"), (identity, "FaceIdentity")):
        monkeypatch.setattr(module, name, absent)
    asked = "psnr,lpips,csim,lmd,fid_vgg"
    results = _evaluate(folders, tmp_path / "out", metrics=asked)
    assert set(results["instruments"]) == {"mesh", "missing"}
    assert "SFace" in results["instruments"]["missing"]
    summary = results["summary"]
    assert summary["psnr"]["value"] and summary["lmd"]["value"] is not None
    for name in ("lpips", "fid_vgg", "csim"):
        assert summary[name]["value"] is None and "its weights are not here" in summary[name]["reason"]
    monkeypatch.undo()
    monkeypatch.setattr(tracker, "FaceTracker", CountingTracker)
    monkeypatch.setattr(identity, "FaceIdentity", FakeIdentity)
    monkeypatch.setattr(judges, "lpips_distance", lambda: lambda a, b: 0.5)
    results = _evaluate(folders, tmp_path / "out", metrics="lpips,csim")
    assert set(results["instruments"]) == {"mesh", "identity"}
    later = results["summary"]
    assert later["lpips"]["value"] == 0.5 and later["csim"]["value"] is not None


def test_networks_are_loaded_only_for_the_metrics_that_need_them(
    faked: None, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def lpips_distance() -> Any:
        loaded.append("lpips")
        return lambda a, b: 0.5

    monkeypatch.setattr(judges, "lpips_distance", lpips_distance)
    results = _evaluate(folders, tmp_path / "out", metrics="psnr,ssim")
    assert results["summary"]["psnr"]["value"] and not loaded
    assert "identity" not in results["instruments"], "nobody's likeness was asked for"
    for _ in range(2):  # the second time all is known
        results = _evaluate(folders, tmp_path / "out", metrics="psnr,lpips")
        assert results["summary"]["lpips"]["value"] == 0.5
        assert loaded == ["lpips"]


def test_what_is_compared_is_said_and_odd_videos_cost_no_others(
    faked: None, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    for side in folders:
        write_clip(side / "tiny one.mp4", [draw()[:32, :32]] * 3)
        write_clip(side / "wall.mp4", [draw(present=0.0)] * 12, sound=False)
        (side / "torn.mp4").write_bytes((side / "a.mp4").read_bytes()[:900])
    write_clip(folders[0] / "short.mp4", performance(10, **MOVING), fps=30)
    write_clip(folders[1] / "short.mp4", performance(30, **MOVING))
    results = _evaluate(folders, tmp_path / "out")
    clips = {clip["name"]: clip for clip in results["clips"]}
    assert set(clips) == {"a", "b", "short", "tiny one", "wall"}
    assert [entry["name"] for entry in results["skipped"]] == ["torn"]
    assert clips["short"]["about"]["frames_of_pair"] == {"generated": 10, "truth": 30, "compared": 10}
    assert "different rates" in clips["short"]["metrics"]["jitter"]["reason"]
    assert "too small" in clips["tiny one"]["metrics"]["lpips"]["reason"]
    wall = clips["wall"]["metrics"]
    assert wall["psnr"]["value"] == 100 and all(
        wall[name]["value"] is None and wall[name]["reason"]
        for name in wall
        if name not in ("psnr", "ssim", "lpips")
    )


def test_sync_with_weights_by_path(faked: None, folders: tuple[Path, Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(SyncNet().state_dict(), tmp_path / "syncnet_v2.model")
    results = _evaluate(
        folders, tmp_path / "out", metrics="lse_c,lse_d,nlse_c", syncnet=tmp_path / "syncnet_v2.model"
    )
    scored, silent = (clip["metrics"]["lse_c"] for clip in results["clips"])
    assert scored["value"] >= 0 and scored["samples"] == 25  # 30 frames less the window of five
    assert len(scored["settings"]["weights_sha256"]) == 64
    assert "S3FD" in scored["settings"]["faces"], "not the published pipeline's boxes"
    assert silent["value"] is None and "sound" in silent["reason"]
    assert results["summary"]["nlse_c"]["value"] == pytest.approx(0, abs=1e-3)
    assert "truth" in results["summary"]["nlse_c"]["settings"]["reference"]


@pytest.mark.parametrize("given", ["syncnet", "inception", "emoca"])
def test_weights_that_are_none_are_refused_before_anything_is_seen(
    faked: None, folders: tuple[Path, Path], tmp_path: Path, given: str
) -> None:
    (tmp_path / "junk").write_bytes(bytes(range(256)) * 9)
    seen = CountingTracker.looks
    with pytest.raises(InputError, match="junk"):
        _evaluate(folders, tmp_path / "out", metrics="lmd", **{given: tmp_path / "junk"})
    assert CountingTracker.looks == seen
    assert not (tmp_path / "out" / "results.json").exists()


def test_sound_that_cannot_be_read_is_not_taken_for_none(
    faked: None, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(path: Path) -> np.ndarray:
        raise InputError(f"{path} is damaged")

    monkeypatch.setattr("pdfgc.media.audio.read_audio", damaged)
    with pytest.raises(InputError, match="is damaged"):
        _evaluate(folders, tmp_path / "out", metrics="sync_small_c")


def test_a_killed_run_goes_on(faked: None, folders: tuple[Path, Path], tmp_path: Path) -> None:
    first = _evaluate(folders, tmp_path / "out", metrics="lmd,psnr")
    seen = CountingTracker.looks
    again = _evaluate(folders, tmp_path / "out", metrics="lmd,psnr,csim")
    assert CountingTracker.looks == seen > 0
    assert again["summary"]["lmd"] == first["summary"]["lmd"]
    write_clip(folders[0] / "a.mp4", performance(25, **MOVING))
    _evaluate(folders, tmp_path / "out", metrics="lmd")
    assert CountingTracker.looks == seen + 25


def test_other_framing_is_compared_by_faces_alone(faked: None, tmp_path: Path) -> None:
    for side, width in (("ours", 64), ("theirs", 96)):
        (tmp_path / side / "a").mkdir(parents=True)
        for i, picture in enumerate(performance(12, mouth=0.5)):
            padded = np.zeros((64, width, 3), np.uint8)
            padded[:, :64] = picture
            Image.fromarray(padded).save(tmp_path / side / "a" / f"{i}.png")
    folders = tmp_path / "ours", tmp_path / "theirs"
    results = _evaluate(folders, tmp_path / "out", metrics="psnr,lmd,sync_small_c")
    assert results["summary"]["lmd"]["value"] == 0
    assert "64 x 64 and 96 x 64" in results["clips"][0]["metrics"]["psnr"]["reason"]
    assert "no sound" in results["clips"][0]["metrics"]["sync_small_c"]["reason"]


def test_names_that_do_not_match(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / f"{name}.mp4", [draw()] * 2)
    with pytest.raises(InputError, match="none of the 1 here is among the 1 there"):
        match_by_name(tmp_path / "one", tmp_path / "two")
    with pytest.raises(InputError, match="expected a folder of videos"):
        match_by_name(tmp_path / "absent", tmp_path / "one")


def test_sub_folders_count_and_shared_names_are_told_of(tmp_path: Path) -> None:
    for side in ("ours", "theirs"):
        for name in ("anna/001.MP4", "b b.mp4", "bob/frames/0.png"):
            (tmp_path / side / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / side / name).touch()
    make_marked(tmp_path / "theirs" / "out" / "generated")
    (tmp_path / "theirs" / "out" / "generated" / "001.mp4").touch()
    (tmp_path / "ours" / "b b.mov").touch()
    matched, told = match_by_name(tmp_path / "ours", tmp_path / "theirs")
    assert [name for name, _, _ in matched] == ["anna/001", "bob/frames"]
    assert matched[1][1] == tmp_path / "ours" / "bob" / "frames"
    assert "b b.mov and" in told[0] and "share a name" in told[0]
    assert len(told) == 2, "what a report made is no video of the truth"
    assert told[1] == f"{tmp_path / 'theirs' / 'b b.mp4'} has no video of that name in {tmp_path / 'ours'}"


def test_metrics_are_chosen_by_name() -> None:
    assert split_names("LSE-C, lmd_m,") == ["lse_c", "lmd_m"]
    assert choose_metrics([], sound_offset=True) == METRICS
    assert set(METRICS) - set(choose_metrics([])) == {IN_STEP}
    assert choose_metrics(["lmd", "psnr"]) == ("psnr", "lmd")
    with pytest.raises(InputError, match=r"got 'lpipz'; did you mean lpips\?"):
        choose_metrics(["lpipz"])


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    words = ["evaluate", "videos", "--generated", "absent", "--truth", ".", "--report", "out"]
    command = [sys.executable, "-m", "pdfgc.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 2
    assert "expected a folder of videos" in done.stderr and len(done.stderr.splitlines()) == 1
