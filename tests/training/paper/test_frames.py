"""Frames of clips as the paper's networks take them: places, poses, sound, augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pdfgc.config_paper import Augmentation
from pdfgc.data.clips import Clip, ClipSet
from pdfgc.errors import InputError
from pdfgc.face.crop import CropBox
from pdfgc.face.geometry import fit_pose
from pdfgc.face.paper_view import VIEW_DOWN, VIEW_SIDE, head_mesh, view_box, view_mesh
from pdfgc.networks.speech_mel import MelHearing, mel_patches
from pdfgc.training.paper.eye_swap import swap_eyes
from pdfgc.training.paper.frames import Moment, PaperClips, far_pair, window_of
from synthetic import talking_meshes, write_clip_set

SIZE = 64


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    return write_clip_set(tmp_path_factory.mktemp("shards"), identities=2, clips=1, frames=60, size=128)


def test_view_and_head_crop_agree_on_places() -> None:
    box = view_box(CropBox(0.0, 0.0, 256.0))
    assert box.side == pytest.approx(256 * VIEW_SIDE)
    middle = np.tile([0.0, 2 * VIEW_DOWN, 0.5], (478, 1))
    assert view_mesh(middle)[0] == pytest.approx([0, 0, 0.5 / VIEW_SIDE])
    assert box.top + box.side / 2 == pytest.approx(128 + 256 * VIEW_DOWN)
    random = np.random.default_rng(0).standard_normal((478, 3)).astype(np.float32)
    assert np.allclose(head_mesh(view_mesh(random)), random, atol=1e-6)


def test_a_clip_stored_as_the_view_is_taken_as_it_is(clips: ClipSet) -> None:
    clip = clips.clips[0]
    stored = Clip(clip.path, replace(clip.info, framing="voxceleb"))
    paper = PaperClips(ClipSet([stored]), 128)
    moment = Moment(stored, np.array([3]))
    assert (
        np.abs(paper.pictures(moment)[0].permute(1, 2, 0).numpy() - stored.picture(3).astype(int)).max() <= 1
    )
    assert np.allclose(paper.meshes(moment)[0], stored.mesh()[3])
    assert torch.allclose(paper.poses(moment)[0], fit_pose(torch.from_numpy(head_mesh(stored.mesh()[3]))))


def test_pictures_show_the_view_of_the_head_crop(clips: ClipSet) -> None:
    paper = PaperClips(clips, SIZE)
    clip = paper.clips.clips[0]
    moment = Moment(clip, np.array([5, 2]))
    shown = paper.pictures(moment)
    assert shown.shape == (2, 3, SIZE, SIZE) and shown.dtype == torch.uint8
    import cv2

    box = view_box(CropBox(0.0, 0.0, 128.0))
    rows = slice(round(box.top), round(box.top + box.side))
    columns = slice(round(box.left), round(box.left + box.side))
    small = cv2.resize(cv2.blur(clip.picture(5), (9, 9))[rows, columns], (SIZE, SIZE))
    close = np.corrcoef(small.ravel(), cv2.blur(shown[0].permute(1, 2, 0).numpy(), (5, 5)).ravel())[0, 1]
    assert close > 0.8
    assert paper.meshes(moment).shape == (2, 478, 3)
    assert torch.allclose(paper.poses(moment)[1], fit_pose(torch.from_numpy(clip.mesh()[2])), atol=1e-6)


def test_augmentation_changes_each_frame_and_nothing_when_it_is_off(clips: ClipSet) -> None:
    paper = PaperClips(clips, SIZE)
    moment = window_of(paper.clips.clips[0], 0, 3)
    assert moment.frames.tolist() == [0, 0, 1]
    plain = paper.pictures(moment)
    assert torch.equal(paper.augmented(moment, Augmentation(), np.random.default_rng(0)), plain)
    changed = paper.augmented(moment, Augmentation(rotate=0.3, colour=0.2), np.random.default_rng(0))
    assert not torch.equal(changed[0], changed[1]), "the same frame twice, changed apart"
    again = paper.augmented(moment, Augmentation(rotate=0.3, colour=0.2), np.random.default_rng(0))
    assert torch.equal(changed, again)


def test_a_patch_is_the_mel_of_its_own_moment(clips: ClipSet) -> None:
    paper = PaperClips(clips, SIZE)
    clip = paper.clips.clips[0]
    patches = paper.patches(Moment(clip, np.array([10, 40])))
    assert patches.shape == (2, 80, 20)
    hearing = MelHearing()
    whole = hearing(hearing.set_level(torch.from_numpy(clip.audio()))[None])
    expected = mel_patches(whole, torch.tensor(clip.times()[[10, 40]], dtype=torch.float32)[None])[0]
    assert torch.allclose(patches, expected, atol=0.02), "but for the level, which is set by the sound nearby"


def test_draws_stay_within_their_span_and_apart_by_their_gap(clips: ClipSet) -> None:
    paper = PaperClips(clips, SIZE, sound=True)
    random = np.random.default_rng(0)
    for _ in range(20):
        moment = paper.draw(random, 4, span=0.5)
        times = moment.clip.times()[moment.frames]
        assert times.max() - times.min() <= 0.5 + 1e-6 and len(set(moment.frames)) == 4
        pair = paper.draw_pair(random, gap=0.8)
        assert abs(np.diff(pair.clip.times()[pair.frames])[0]) >= 0.8 - 1e-9
    assert far_pair(clips.clips[0]).frames[1] > 0


def test_clips_without_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="pictures"):
        PaperClips(ClipSet([]), SIZE)


def test_eyes_of_another_picture_land_on_the_eyes() -> None:
    """A white face with grey-blue eyes gets none of it elsewhere; the exchange with itself changes nothing."""
    meshes, _ = talking_meshes(2, np.random.default_rng(1))
    random = np.random.default_rng(0)
    face, other = random.integers(0, 255, (2, 128, 128, 3), np.uint8)
    same = swap_eyes(face, meshes[0], face, meshes[0])
    assert np.abs(same.astype(int) - face).max() <= 2
    mixed = swap_eyes(face, meshes[0], other, meshes[1])
    changed = (mixed != face).any(2)
    assert 0.01 < changed.mean() < 0.2
    rows, columns = np.nonzero(changed)
    eyes = (meshes[0][[33, 133, 362, 263], :2] + 1) * 64
    assert rows.min() > eyes[:, 1].min() - 20 and rows.max() < eyes[:, 1].max() + 20
    assert columns.min() < eyes[:, 0].min() and columns.max() > eyes[:, 0].max()


def test_pictures_much_too_small_are_told_of(clips: ClipSet, caplog: pytest.LogCaptureFixture) -> None:
    PaperClips(clips, 64).warn_of_small_pictures()
    assert not caplog.text
    PaperClips(clips, 224).warn_of_small_pictures()
    assert "2 clips of 2 hold pictures too small for 224 pixels (the smallest has 95)" in caplog.text
