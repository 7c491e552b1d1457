"""The head crop and its way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pdfgc.face.crop import (
    HEAD_SIDE,
    CropBox,
    crop,
    crop_mesh,
    head_box,
    paste_back,
    paste_mask,
    visible_square,
)
from pdfgc.face.geometry import POSE_SCALE, apply_pose, canonical_face
from pdfgc.face.tracker import Face, FaceTracker


def smooth_picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + channel) + np.cos(y / 23 - channel) for channel in range(3)]
    return (127 + 60 * np.stack(waves, -1)).astype(np.uint8)


def face_of_scale(pixels_per_cm: float, x: float, y: float) -> Face:
    vertices = canonical_face()["vertices"]
    points = torch.cat([vertices, torch.zeros(10, 3)])
    pose = torch.tensor([0.0, 0.0, 0.0, x, y, np.log(pixels_per_cm / POSE_SCALE)])
    return Face(apply_pose(points, pose).numpy().astype(np.float32), np.zeros(52, np.float32), np.eye(4))


def test_the_head_box_goes_by_the_face_height_and_is_lifted_by_a_tenth() -> None:
    box = head_box([face_of_scale(10, 300, 200)])
    mesh = face_of_scale(10, 300, 200).mesh[:468]
    middle = (mesh.min(0) + mesh.max(0)) / 2
    assert box.side == pytest.approx(HEAD_SIDE * 181, rel=2e-3)  # 18.1 cm of 10 pixels
    assert box.left + box.side / 2 == pytest.approx(middle[0], abs=0.1)
    assert box.top + box.side / 2 == pytest.approx(middle[1] - 18.1, abs=0.2)


def test_the_head_box_takes_medians_over_the_clip() -> None:
    usual, far = face_of_scale(10, 300, 200), face_of_scale(20, 900, 700)
    one, three = head_box([usual]), head_box([usual, usual, far])
    assert (three.left, three.top, three.side) == pytest.approx((one.left, one.top, one.side))
    with pytest.raises(ValueError, match="at least one face"):
        head_box([])


def test_crop_of_its_own_size_is_the_picture() -> None:
    picture = smooth_picture(64, 64)
    assert np.array_equal(crop(picture, CropBox(0, 0, 64), 64), picture)


def test_crop_repeats_the_edge() -> None:
    picture = smooth_picture(64, 64)
    cut = crop(picture, CropBox(-16, 0, 64), 64)
    assert np.array_equal(cut[:, 16:], picture[:, :48])
    assert np.array_equal(cut[:, :16], np.repeat(picture[:, :1], 16, 1))


@pytest.mark.parametrize("size", [32, 100, 128, 512])
def test_crop_keeps_pixel_centres(size: int) -> None:
    """A ramp stays that ramp at any size: pixel i of the crop is (i + 0.5) / k - 0.5 of the picture."""
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None], 3, -1)
    cut = crop(ramp, CropBox(0, 0, 256), size)[size // 2, 4:-4, 0]
    expected = ((np.arange(size) + 0.5) * 256 / size - 0.5)[4:-4]
    assert np.abs(cut - expected).max() <= 1.0


def test_shrinking_averages() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (crop(stripes, CropBox(0, 0, 400), 100) == 100).all()


def test_crop_mesh_is_in_crop_units() -> None:
    mesh = np.array([[10.0, 20.0, 4.0], [60.0, 45.0, 0.0]])
    assert crop_mesh(mesh, CropBox(10, 20, 50)).tolist() == [
        [-1.0, -1.0, pytest.approx(0.16)],
        [1.0, 0.0, 0.0],
    ]


def test_mesh_and_picture_agree_in_the_crop(
    tracker: FaceTracker, astronaut: np.ndarray, astronaut_face: Face
) -> None:
    box = head_box([astronaut_face])
    again = tracker.detect(crop(astronaut, box, 512))[0]
    pixels = (crop_mesh(astronaut_face.mesh, box)[:, :2] + 1) / 2 * 512
    assert np.abs(again.mesh[:, :2] - pixels).mean() < 2.5


@pytest.mark.parametrize("box", [CropBox(50.3, 20.7, 120.5), CropBox(-40, -30, 200), CropBox(10, 10, 30)])
@pytest.mark.parametrize("size", [64, 256])
def test_pasting_the_crop_itself_changes_next_to_nothing(box: CropBox, size: int) -> None:
    picture = smooth_picture(150, 200)
    back = paste_back(picture, crop(picture, box, size), box)
    assert np.abs(back.astype(int) - picture).max() <= 8
    assert np.abs(back.astype(int) - picture).mean() < 0.6


def test_pasting_leaves_the_rest_exactly_alone() -> None:
    picture = smooth_picture(150, 200)
    before = picture.copy()
    back = paste_back(picture, np.zeros((64, 64, 3), np.uint8), CropBox(60, 30, 80))
    assert np.array_equal(picture, before)
    outside = np.ones(picture.shape[:2], bool)
    outside[30:110, 60:140] = False
    assert np.array_equal(back[outside], picture[outside])
    assert back[70, 100].max() == 0, "the middle is all new"


def test_a_box_beside_the_picture_pastes_nothing() -> None:
    picture = smooth_picture(50, 50)
    assert np.array_equal(paste_back(picture, np.zeros((8, 8, 3), np.uint8), CropBox(80, 80, 20)), picture)


def test_an_own_mask_is_used() -> None:
    picture = smooth_picture(50, 50)
    white = np.full((20, 20, 3), 255, np.uint8)
    assert np.array_equal(paste_back(picture, white, CropBox(5, 5, 20), np.zeros((20, 20))), picture)
    assert (paste_back(picture, white, CropBox(5, 5, 20), np.ones((20, 20)))[5:25, 5:25] == 255).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300))
def test_the_mask_is_zero_at_the_border_and_full_in_the_middle(size: int) -> None:
    mask = paste_mask(size)
    assert mask.shape == (size, size) and mask.dtype == np.float32
    assert mask.min() == 0 and (size < 8 or mask[size // 2, size // 2] == 1)
    assert np.array_equal(mask, mask[::-1, ::-1]) and np.array_equal(mask, mask.T)


def test_only_what_the_picture_has_is_shown() -> None:
    inside = CropBox(10, 10, 50)
    assert visible_square(inside, 100, 100) == inside
    tight = visible_square(CropBox(-20, -30, 140), 100, 100)
    assert (tight.left, tight.top, tight.side) == (0, 0, 100)
    wide = visible_square(CropBox(-10, -30, 100), 200, 200)
    assert (wide.left, wide.top, wide.side) == (5, 0, 70)
    barely = CropBox(-50, -50, 100)
    assert visible_square(barely, 200, 200) == barely, "too little would be left"
