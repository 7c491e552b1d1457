"""Videos to prepared clips."""

from __future__ import annotations

import dataclasses
import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pdfgc.data.clips import ClipSet
from pdfgc.data.prepare import guess_identity, list_jobs, prepare
from pdfgc.data.tracking import Rejection, Tracked, TrackingSettings, judge
from pdfgc.errors import InputError
from pdfgc.face.crop import HEAD_SIDE, LIFT
from pdfgc.face.geometry import POSE_SCALE, fit_pose
from pdfgc.face.mesh import FACE_HEIGHT
from pdfgc.face.tracker import Face
from synthetic import talking_meshes, write_face_video

SETTINGS = TrackingSettings(size=64, shortest=4)


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
    summary = prepare(videos, folder, settings=SETTINGS)
    assert (summary.clips, summary.identities) == (1, 1)
    assert summary.rejected == {"no face": 1, "unreadable": 1}
    assert str(summary) == "1 clips, 0.0 minutes, 1 people; rejected: 1 no face, 1 unreadable"
    return folder


def test_a_clip_has_all_its_parts(prepared: Path) -> None:
    (clip,) = ClipSet.open(prepared)
    assert (clip.identity, clip.info.source) == ("eileen", "eileen/talk.mp4")
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
    assert not list(prepared.rglob("*.part*"))


def test_a_second_call_does_only_what_is_missing(
    prepared: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pdfgc.data import prepare as module

    files = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    worked: list[str] = []
    whole = module._prepare_job

    def note(job: module.Job, *rest: object) -> list[Rejection]:
        worked.append(job.name)
        return whole(job, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_prepare_job", note)
    prepare(videos, prepared, settings=SETTINGS)
    assert worked == []
    # Killed before the record of this video was written: it is done again, to the same bytes.
    (prepared / "records" / "eileen" / "talk.mp4.json").unlink()
    (prepared / "index.json").unlink()
    prepare(videos, prepared, settings=SETTINGS)
    assert worked == ["eileen/talk.mp4"]
    assert {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()} == files


def test_other_settings_need_another_folder(prepared: Path, videos: Path) -> None:
    with pytest.raises(InputError, match="another output folder"):
        prepare(videos, prepared, settings=dataclasses.replace(SETTINGS, size=32))


def test_a_long_video_gives_several_clips(videos: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, longest=8)
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
    prepare(videos / "eileen", tmp_path, settings=dataclasses.replace(SETTINGS, pictures=False))
    (clip,) = ClipSet.open(tmp_path)
    assert not clip.info.has_pictures and len(clip.mesh()) == 12
    assert clip.identity == "talk"


def test_labels_come_from_a_table(videos: Path, tmp_path: Path) -> None:
    table = tmp_path / "clips.tsv"
    table.write_text("file\tidentity\tlicence\neileen/talk.mp4\tCollins\tpublic domain\n")
    jobs = {job.name: job for job in list_jobs(videos, table)}
    assert (jobs["eileen/talk.mp4"].identity, jobs["eileen/talk.mp4"].labels) == (
        "Collins",
        {"licence": "public domain"},
    )
    assert jobs["wall_01.mp4"].identity == "wall"
    table.write_text("name,who\n")
    with pytest.raises(InputError, match="columns file and identity"):
        list_jobs(videos, table)


def test_who_speaks_by_name() -> None:
    assert guess_identity("anna_003.mp4") == "anna"
    assert guess_identity("anna_maria.mp4") == "anna_maria"
    assert guess_identity("m012/happy_3.mp4") == "m012"


def test_bad_input_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected videos below"):
        prepare(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="expected a folder of videos"):
        prepare(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(InputError, match="at least 1 worker"):
        prepare(tmp_path, tmp_path / "out", workers=0)


def test_judging_by_hand() -> None:
    meshes, _ = talking_meshes(20, np.random.default_rng(0))

    def frames(scale: float = 100.0, jump: float = 0.0, lost: int = 0) -> list[Tracked]:
        result = []
        for number, mesh in enumerate(meshes):
            pixels = mesh * scale
            pixels[:, 0] += jump if number >= 10 else 0
            face = Face(pixels.astype(np.float32), np.zeros(52, np.float32), np.eye(4, dtype=np.float32))
            result.append(Tracked(number, Fraction(number, 25), (256, 256), face if number >= lost else None))
        return result

    settings = TrackingSettings()
    assert judge(frames(), settings) is None
    assert judge(frames(lost=4), settings) is None
    for part, reason in (
        (frames(lost=5), "no face"),
        (frames()[:9], "too short"),
        (frames(scale=10.0), "tiny face"),
        (frames(jump=80.0), "cut"),
    ):
        rejection = judge(part, settings)
        assert rejection is not None and rejection.reason == reason


@pytest.mark.slow
def test_two_workers_make_the_same_bytes(videos: Path, prepared: Path, tmp_path: Path) -> None:
    prepare(videos, tmp_path, workers=2, settings=SETTINGS)
    for path in prepared.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(prepared)).read_bytes() == path.read_bytes()
