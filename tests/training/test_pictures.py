"""Portraits and the frames that drive them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError
from pdfgc.face.mesh import mouth_opening
from pdfgc.training.pictures import PictureTable, _draw_frames, augmented, draw_pictures, mirrored_points
from synthetic import write_clip_set


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    return write_clip_set(tmp_path_factory.mktemp("shards"), identities=2, clips=2, frames=40, size=64)


def test_the_table_knows_lips_and_lids_of_every_frame(clips: ClipSet) -> None:
    table = PictureTable.load(clips)
    assert len(table.clips) == 4 and table.people == [[0, 1], [2, 3]]
    assert np.allclose(table.lips[1], mouth_opening(table.clips[1].mesh()))
    assert all(len(lids) == 40 for lids in table.lids)
    shut = table.lids[0] >= 0.5
    assert table.gaze[0].shape == (40, 2) and np.array_equal(np.isnan(table.gaze[0]).all(1), shut)


def test_no_pictures_is_an_error_with_a_sentence() -> None:
    with pytest.raises(InputError, match="clips with pictures"):
        PictureTable.load(ClipSet([]))


@pytest.mark.parametrize("feature", ["lips", "gaze"])
def test_drivers_are_farther_from_the_portrait_than_chance(clips: ClipSet, feature: str) -> None:
    table = PictureTable.load(clips)
    # where synthetic eyes look is made up here, with frames that do not tell
    gaze = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    gaze[5:9] = np.nan
    table = replace(table, gaze=(gaze, *table.gaze[1:]))
    values = getattr(table, feature)[0].reshape(40, -1)
    random = np.random.default_rng(0)
    drawn = [_draw_frames(table, 0, random, 4) for _ in range(200)]
    chosen = np.nanmean([np.abs(values[frames[1:]] - values[frames[0]]).mean(1) for frames in drawn])
    by_chance = np.nanmean(np.abs(values[:, None] - values[None]))
    assert chosen > 1.15 * by_chance


def test_one_augmentation_for_all_frames_and_the_sketches_follow(clips: ClipSet) -> None:
    item = draw_pictures(PictureTable.load(clips), np.random.default_rng(3), drivers=2, size=32)
    assert {name: tuple(value.shape) for name, value in item.items()} == {
        "pictures": (3, 3, 32, 32),
        "meshes": (3, 478, 3),
        "sketches": (3, 6, 32, 32),
        "triangles": (2, 32, 32),
    }
    plain, mirrored = (augmented(clips.clips[0], np.array([4]), 64, mirror=flag) for flag in (False, True))
    assert np.array_equal(mirrored["pictures"].numpy(), plain["pictures"].numpy()[..., ::-1])
    expected = plain["meshes"].numpy()[:, mirrored_points()] * np.array([-1, 1, 1], np.float32)
    assert np.allclose(mirrored["meshes"].numpy(), expected)


def test_the_usual_face_is_the_mean_of_what_is_drawn(clips: ClipSet) -> None:
    table, random = PictureTable.load(clips), np.random.default_rng(0)
    drawn = [draw_pictures(table, random, drivers=1, size=32)["meshes"][1].numpy() for _ in range(200)]
    assert np.abs(np.mean(drawn, 0) - table.usual_face())[:, :2].mean() < 0.02


def test_a_zoom_moves_picture_and_mesh_alike(clips: ClipSet) -> None:
    shift = np.array([3.0, -2.0])
    moved = augmented(clips.clips[0], np.array([0]), 64, shift=shift)
    plain = augmented(clips.clips[0], np.array([0]), 64)
    assert np.array_equal(moved["pictures"].numpy()[..., :-2, 3:], plain["pictures"].numpy()[..., 2:, :-3])
    assert np.allclose(moved["meshes"].numpy()[..., :2] - plain["meshes"].numpy()[..., :2], shift * 2 / 64)
