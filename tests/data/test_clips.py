"""Reading prepared clips, and sets of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pdfgc.data.clips import Clip, ClipInfo, ClipSet, open_clip, write_clip
from pdfgc.errors import InputError
from synthetic import write_clip_set, write_talking_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("clip") / "anna.safetensors"
    write_talking_clip(path, identity="anna", seed=1)
    return open_clip(path)


def test_shapes_and_ranges(clip: Clip) -> None:
    assert len(clip) == 30 and clip.identity == "anna"
    assert clip.mesh().shape == (30, 478, 3) and clip.mesh().dtype == np.float32
    assert clip.blendshapes(slice(2, 5)).shape == (3, 52)
    assert clip.matrices(slice(0, 1)).shape == (1, 4, 4)
    assert clip.times()[:3] == pytest.approx([0, 0.04, 0.08])
    assert clip.seconds == pytest.approx(29 / 25)
    assert clip.frame_numbers().tolist() == list(range(30))
    assert clip.pictures([3, 29, 3]).shape == (3, 32, 32, 3)
    assert clip.picture(3).dtype == np.uint8


def test_a_slice_is_the_part_of_the_whole(clip: Clip) -> None:
    assert np.array_equal(clip.mesh(slice(7, 12)), clip.mesh()[7:12])
    assert np.array_equal(clip.audio(100, 300), clip.audio()[100:300])
    assert np.array_equal(clip.pictures([4, 5])[1], clip.picture(5))


def test_sound_follows_the_mouth(clip: Clip) -> None:
    loudness = np.abs(clip.audio()).reshape(30, -1).mean(1)
    opening = clip.mesh()[:, 14, 1] - clip.mesh()[:, 13, 1]
    assert np.abs(clip.audio()).max() <= 1
    assert np.corrcoef(loudness, opening)[0, 1] > 0.8


def test_the_mel_spectrum_follows_from_the_sound(clip: Clip) -> None:
    import torch

    from pdfgc.networks.mel import log_mel, paper_filters, paper_window, to_rms

    mel = clip.mel()
    assert mel.shape == (80, 120 + 7) and mel.dtype == np.float32
    assert mel.min() >= 0 and mel.max() <= 1
    wave = to_rms(torch.from_numpy(clip.audio()))
    assert np.array_equal(mel, log_mel(wave[None], paper_filters(), paper_window())[0].numpy())
    assert mel[:, 20:100].mean(1).argmax() < 10, "a tone of 220 Hz lies low"


def test_old_files_have_the_new_fields_at_rest(clip: Clip) -> None:
    tree = clip.info.to_json()
    for name in ("framing", "sync", "sound_late", "sync_fit", "sound_fault"):
        del tree[name]
    info = ClipInfo.from_json(tree)
    assert (info.framing, info.sync, info.sound_late, info.sound_fault) == ("head", "", 0.0, "")
    assert info == clip.info


def test_clips_in_step_can_be_chosen(clip: Clip) -> None:
    verdicts = ("in step", "shifted", "unsure", "")
    clips = ClipSet(Clip(clip.path, replace(clip.info, sync=verdict)) for verdict in verdicts)
    assert [found.info.sync for found in clips.where(in_step=True)] == ["in step", "shifted"]
    assert [found.info.sync for found in clips.where(in_step=False)] == ["unsure", ""]
    assert len(clips.where(sound=True)) == 4


def test_no_pictures_is_said(tmp_path: Path) -> None:
    write_talking_clip(tmp_path / "a.safetensors", identity="a", seed=0, pictures=False)
    with pytest.raises(InputError, match="prepared without"):
        open_clip(tmp_path / "a.safetensors").picture(0)


def test_a_clip_without_sound_has_an_empty_one(clip: Clip, tmp_path: Path) -> None:
    tensors = {**load_file(clip.path), "audio": np.zeros(0, np.int16)}
    write_clip(tmp_path / "mute.safetensors", replace(clip.info, samples=0), tensors)
    mute = open_clip(tmp_path / "mute.safetensors")
    for audio in (mute.audio(), mute.audio(0, 640), mute.audio(640, 1280)):
        assert audio.shape == (0,) and audio.dtype == np.float32
    assert len(mute.mesh()) == 30


def test_ticks_are_the_times_in_whole_numbers(clip: Clip) -> None:
    assert clip.ticks().dtype == np.int64
    assert np.allclose(clip.ticks(slice(2, 4)) * float(clip.info.time_base), [0.08, 0.12])


def test_other_files_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    for name, said in (
        ("none", "there is none"),
        ("other", "another safetensors"),
        ("text", "cannot be read"),
    ):
        with pytest.raises(InputError, match=said):
            open_clip(tmp_path / f"{name}.safetensors")


def test_info_survives_json() -> None:
    info = ClipInfo(
        "a",
        "a.mp4",
        Fraction(1001, 30000),
        (1.5, 2.0, 3.0),
        (640, 480),
        256,
        9,
        True,
        5,
        Fraction(1, 3),
        {"x": "y"},
    )
    assert ClipInfo.from_json(info.to_json()) == info


def test_same_contents_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_talking_clip(tmp_path / name / "clip.safetensors", identity="a", seed=3)
    assert (tmp_path / "a/clip.safetensors").read_bytes() == (tmp_path / "b/clip.safetensors").read_bytes()


def test_sets_split_and_filter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = write_clip_set(tmp_path, identities=3, clips=2, frames=12)
    assert clips.identities == ("person_0", "person_1", "person_2") and len(clips) == 6
    kept, held_out = clips.split(["person_[12]", "nobody"])
    assert kept.identities == ("person_0",) and held_out.identities == ("person_1", "person_2")
    assert "nobody" in caplog.text
    assert len(clips.where(pictures=True, sound=True, min_frames=12)) == 6
    assert len(clips.where(min_frames=13)) == len(clips.where(sound=False)) == 0


def test_people_are_drawn_alike_however_many_clips_they_have() -> None:
    def clip_of(identity: str, number: int) -> Clip:
        info = ClipInfo(identity, "", Fraction(1), (0, 0, 1), (1, 1), 1, 1, False, 0)
        return Clip(Path(f"{identity}{number}"), info)

    clips = ClipSet([clip_of("many", number) for number in range(50)] + [clip_of("one", 0)])
    random = np.random.default_rng(0)
    drawn = [clips.draw(random).identity for _ in range(400)]
    assert 150 < drawn.count("one") < 250
    with pytest.raises(InputError, match="there are none"):
        ClipSet([]).draw(random)


def test_a_damaged_index_is_said(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(InputError, match="is damaged"):
        ClipSet.open(tmp_path)


def test_a_clip_that_was_cut_short_is_said(clip: Clip, tmp_path: Path) -> None:
    short = tmp_path / "short.safetensors"
    short.write_bytes(clip.path.read_bytes()[:2000])
    for path in (short, tmp_path / "none.safetensors"):
        with pytest.raises(InputError, match=f"expected a prepared clip, but {path} cannot be read"):
            Clip(path, clip.info).mesh()
