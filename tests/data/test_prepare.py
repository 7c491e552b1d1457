"""Folders of videos to prepared folders."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pdfgc.data import prepare as module
from pdfgc.data.clips import ClipSet
from pdfgc.data.jobs import Job
from pdfgc.data.prepare import prepare
from pdfgc.data.rejection import Rejection
from pdfgc.data.settings import PrepareSettings
from pdfgc.errors import InputError
from pdfgc.face.crop import HEAD_SIDE, LIFT
from pdfgc.face.geometry import POSE_SCALE, fit_pose
from pdfgc.face.mesh import FACE_HEIGHT
from synthetic import prepared_bytes, write_face_video

SETTINGS = PrepareSettings(size=64, shortest=4, voice=0.0, listener="")


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "eileen").mkdir()
    write_face_video(folder / "eileen" / "talk.mp4", frames=12)
    write_face_video(folder / "wall_01.mp4", frames=6, face=False)
    (folder / "broken_02.mp4").write_bytes(b"not a video")
    return folder


@pytest.fixture(scope="module")
def prepared(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "out"
    summary = prepare(videos, folder, licence="CC0", settings=SETTINGS)
    assert (summary.clips, summary.identities) == (1, 1)
    assert summary.rejected == {"no face": 1, "unreadable": 1}
    assert (summary.sync, summary.licences) == ({"not checked": 1}, {"CC0": 1})
    assert str(summary) == (
        "1 clip, 0.0 minutes, 1 person; rejected: 1 no face, 1 unreadable; sound: 1 not checked"
    )
    return folder


def test_a_clip_has_all_its_parts(prepared: Path) -> None:
    (clip,) = ClipSet.open(prepared)
    assert (clip.identity, clip.info.source) == ("eileen", "eileen/talk.mp4")
    assert clip.info.labels == {"licence": "CC0"}
    assert len(clip) == 12 and clip.info.video_size == (256, 256)
    assert clip.times() == pytest.approx(np.arange(12) / 25)
    assert clip.info.time_base == Fraction(1, 25)
    assert clip.pictures(range(12)).shape == (12, 64, 64, 3)
    assert abs(clip.info.samples - 12 * 640) <= 1
    assert np.abs(clip.audio()).max() > 0.1


def test_the_crop_frames_the_head(prepared: Path) -> None:
    import torch

    (clip,) = ClipSet.open(prepared)
    mesh = clip.mesh()
    middle = (mesh[:, :468].min(1) + mesh[:, :468].max(1)) / 2
    assert np.median(middle[:, 0]) == pytest.approx(0, abs=1e-3)
    assert np.median(middle[:, 1]) == pytest.approx(2 * LIFT / HEAD_SIDE, abs=1e-3)
    scale = fit_pose(torch.tensor(mesh))[:, 5].exp().median().item() * POSE_SCALE  # crop units per centimetre
    assert scale * FACE_HEIGHT * HEAD_SIDE == pytest.approx(2, rel=0.01)
    left, top, side = clip.info.crop
    assert 100 < side < 300 and -100 < left < 200 and -100 < top < 200


def test_the_index_says_why(prepared: Path) -> None:
    index = json.loads((prepared / "index.json").read_text())
    assert {entry["source"]: entry["reason"] for entry in index["rejected"]} == {
        "wall_01.mp4": "no face",
        "broken_02.mp4": "unreadable",
    }
    assert index["counts"]["clips"] == 1
    assert index["counts"]["licences"] == {"CC0": 1}
    assert not list(prepared.rglob("*.part*"))


def test_a_second_call_does_only_what_is_missing(
    prepared: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = prepared_bytes(prepared)
    worked: list[str] = []
    whole = module.prepare_job

    def note(job: Job, target: Path, settings: PrepareSettings) -> list[Rejection]:
        worked.append(job.name)
        return whole(job, target, settings)

    monkeypatch.setattr(module, "prepare_job", note)
    prepare(videos, prepared, licence="CC0", settings=SETTINGS)
    assert worked == []
    # Killed before the record of this video was written: it is done again, to the same bytes.
    (prepared / "records" / "eileen" / "talk.mp4.json").unlink()
    (prepared / "index.json").unlink()
    (prepared / "clips" / "eileen" / ".talk.mp4.safetensors.123.part.safetensors").write_bytes(b"half")
    prepare(videos, prepared, licence="CC0", settings=SETTINGS)
    assert worked == ["eileen/talk.mp4"]
    assert prepared_bytes(prepared) == files


def test_other_settings_need_another_folder(prepared: Path, videos: Path) -> None:
    with pytest.raises(InputError, match=r"other settings \(size\); use another output folder"):
        prepare(videos, prepared, settings=replace(SETTINGS, size=32))


def test_a_changed_video_is_prepared_again(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    write_face_video(clips / "anna_1.mp4", frames=6)
    prepare(clips, tmp_path / "out", settings=SETTINGS)
    write_face_video(clips / "anna_1.mp4", frames=8)
    prepare(clips, tmp_path / "out", settings=SETTINGS)
    (clip,) = ClipSet.open(tmp_path / "out")
    assert len(clip) == 8


def test_a_long_video_gives_several_clips(videos: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, longest=8)
    clips = tmp_path / "one"
    clips.mkdir()
    shutil.copy(videos / "eileen" / "talk.mp4", clips / "anna_1.mp4")
    prepare(clips, tmp_path / "out", settings=settings)
    first, second = ClipSet.open(tmp_path / "out")
    assert [path.name for path in (first.path, second.path)] == [
        "anna_1.mp4.safetensors",
        "anna_1.mp4-001.safetensors",
    ]
    assert (len(first), len(second)) == (8, 4)
    assert second.info.start == Fraction(8, 25) and second.times()[0] == 0
    assert second.frame_numbers().tolist() == [8, 9, 10, 11]
    assert (first.info.samples, abs(second.info.samples - 4 * 640) <= 1) == (8 * 640, True)
    # The second decoding must have gone on where the first part ended: the heads fill their crops alike.
    assert np.abs(first.picture(7).astype(float) - second.picture(0)).mean() < 40


def test_without_pictures(videos: Path, tmp_path: Path) -> None:
    prepare(videos / "eileen", tmp_path, settings=replace(SETTINGS, pictures=False))
    (clip,) = ClipSet.open(tmp_path)
    assert not clip.info.has_pictures and len(clip.mesh()) == 12
    assert clip.identity == "talk"


def test_layouts_label_their_clips(videos: Path, tmp_path: Path) -> None:
    take = tmp_path / "M003" / "video" / "front" / "angry" / "level_3"
    take.mkdir(parents=True)
    shutil.copy(videos / "eileen" / "talk.mp4", take / "001.mp4")
    prepare(tmp_path, tmp_path / "mead", layout="mead", settings=SETTINGS)
    (clip,) = ClipSet.open(tmp_path / "mead")
    assert clip.identity == "M003"
    assert (clip.info.labels["emotion"], clip.info.labels["level"]) == ("angry", "3")
    utterance = tmp_path / "vox" / "mp4" / "id00012" / "21Uxsk56VDQ"
    utterance.mkdir(parents=True)
    shutil.copy(videos / "eileen" / "talk.mp4", utterance / "00001.mp4")
    (utterance / "00001.txt").write_text(
        "Identity : id00012\nOffset : -2\n\nFRAME X Y W H\n7 0.1 0.1 0.2 0.2\n"
    )
    prepare(tmp_path / "vox", tmp_path / "shards", layout="voxceleb2", settings=SETTINGS)
    (clip,) = ClipSet.open(tmp_path / "shards")
    assert (clip.identity, len(clip), clip.info.labels["stated_offset"]) == ("id00012", 12, "-2")
    assert clip.path.relative_to(tmp_path).as_posix() == "shards/clips/id00012/21Uxsk56VDQ/00001.safetensors"


def test_utterances_are_cut_out_of_whole_films(videos: Path, tmp_path: Path) -> None:
    films, texts = tmp_path / "vox" / "films", tmp_path / "vox" / "txt" / "id00012" / "21Uxsk56VDQ"
    films.mkdir(parents=True)
    texts.mkdir(parents=True)
    shutil.copy(videos / "eileen" / "talk.mp4", films / "21Uxsk56VDQ.mp4")
    for number, frames in ((1, range(5)), (2, range(6, 12))):
        rows = "".join(f"{frame:06d} \t0.2 \t0.1 \t0.6 \t0.7 \n" for frame in frames)
        (texts / f"{number:05d}.txt").write_text(f"Identity  : \tid00012\n\nFRAME \tX \tY \tW \tH \n{rows}")
    prepare(tmp_path / "vox", tmp_path / "shards", layout="voxceleb2", settings=SETTINGS)
    first, second = ClipSet.open(tmp_path / "shards")
    assert (len(first), first.info.start) == (5, Fraction(0))
    assert (len(second), second.info.start, second.identity) == (6, Fraction(6, 25), "id00012")
    assert second.frame_numbers().tolist() == [0, 1, 2, 3, 4, 5]


def test_bad_input_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected videos below"):
        prepare(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="expected a folder of videos"):
        prepare(tmp_path / "nothing", tmp_path / "out")


@pytest.mark.slow
def test_two_workers_make_the_same_bytes(videos: Path, prepared: Path, tmp_path: Path) -> None:
    prepare(videos, tmp_path, workers=2, licence="CC0", settings=SETTINGS)
    assert prepared_bytes(tmp_path) == prepared_bytes(prepared)


@pytest.mark.slow
def test_a_ray_cluster_makes_the_same_bytes(
    videos: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install '.[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    prepare(videos, tmp_path, workers=1, engine="ray", licence="CC0", settings=SETTINGS)
    assert prepared_bytes(tmp_path) == prepared_bytes(prepared)


@pytest.mark.slow
def test_a_killed_run_loses_one_clip_at_most(tmp_path: Path) -> None:
    """kill -9 in the middle of a video; what was finished is kept untouched, and the end is the same to the byte."""
    clips, killed = tmp_path / "clips", tmp_path / "killed"
    clips.mkdir()
    for number in range(2):
        write_face_video(clips / f"anna_{number}.mp4", frames=40)
    settings = replace(SETTINGS, longest=8)
    program = (
        "import sys\nfrom dataclasses import replace\nfrom pdfgc.data.prepare import prepare\n"
        "from pdfgc.data.settings import PrepareSettings\n"
        f"prepare({str(clips)!r}, sys.argv[1], settings={settings!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(killed)])
    deadline = time.monotonic() + 120
    while len(list((killed / "clips").glob("anna*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in (killed / "clips").glob("anna*")}
    record = json.loads((killed / "records" / "anna_0.mp4.json").read_text())
    assert not record["complete"] and 1 <= len(before) < 5
    summary = prepare(clips, killed, settings=settings)
    assert summary.clips == 10
    after = {path.name: path.stat().st_mtime_ns for path in (killed / "clips").glob("anna*")}
    redone = Counter(after[name] != time_written for name, time_written in before.items())
    assert redone[True] <= 1
    prepare(clips, tmp_path / "whole", settings=settings)
    assert prepared_bytes(killed) == prepared_bytes(tmp_path / "whole")
