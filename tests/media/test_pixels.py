"""Colours, turns and pixel shapes, by hand."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from media.clips import corners, grey, quarters
from pdfgc.media.pixels import apply_display_matrix, bt709_frame, upright_rgb

ONE = 1 << 16


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((ONE, 0, 0, ONE), "wrgb"),
        ((-ONE, 0, 0, -ONE), "bgrw"),  # half a turn
        ((0, ONE, -ONE, 0), "gwbr"),  # x goes down, y goes left: a quarter turn clockwise
        ((0, -ONE, ONE, 0), "rbwg"),  # and counter-clockwise
        ((-ONE, 0, 0, ONE), "rwbg"),  # left and right exchanged
        ((ONE, 0, 0, -ONE), "gbwr"),  # top and bottom exchanged
        ((0, ONE, ONE, 0), "wgrb"),  # transposed
        ((ONE, 0, 0, 0), "wrgb"),
    ],
)
def test_display_matrices(matrix: tuple[int, int, int, int], seen: str) -> None:
    turned = apply_display_matrix(quarters(), matrix)
    assert corners(turned) == seen
    assert turned.shape[:2] == ((64, 48) if matrix[0] == 0 else (48, 64))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize("matrix", [None, (0, 0, 0, 0)])
def test_no_matrix_leaves_pictures_alone(matrix: tuple[int, int, int, int] | None) -> None:
    picture = quarters()
    assert apply_display_matrix(picture, matrix) is picture


@pytest.mark.parametrize(
    ("aspect", "width"),
    [(None, 64), (Fraction(1), 64), (Fraction(2), 128), (Fraction(1, 2), 32), (Fraction(16), 64)],
    ids=["unstated", "square", "wide", "narrow", "absurd"],
)
def test_pixels_become_square(aspect: Fraction | None, width: int) -> None:
    frame = av.VideoFrame.from_ndarray(grey(100), format="rgb24")
    assert upright_rgb(frame, aspect, VideoReformatter()).shape == (48, width, 3)


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_grey_survives_the_way_to_yuv_and_back(level: int) -> None:
    frame = bt709_frame(grey(level), VideoReformatter())
    assert frame.format.name == "yuv420p"
    luma = frame.to_ndarray()[:48]
    assert np.abs(luma - (16 + level * 219 / 255)).max() <= 1, "limited range (BT.709)"
    assert np.abs(upright_rgb(frame, None, VideoReformatter()).astype(int) - level).max() <= 1


@pytest.mark.parametrize(
    ("width", "height", "red"),
    [(320, 240, (81, 90, 240)), (1280, 720, (63, 102, 240))],
    ids=["BT.601 below HD", "BT.709 for HD"],
)
def test_untagged_colours_follow_the_size(width: int, height: int, red: tuple[int, int, int]) -> None:
    """The YCbCr values of pure red in either matrix, limited range."""
    planes = [
        np.full((height, width), red[0], np.uint8),
        np.full((height // 4, width), red[1], np.uint8),
        np.full((height // 4, width), red[2], np.uint8),
    ]
    frame = av.VideoFrame.from_ndarray(np.concatenate(planes), format="yuv420p")
    seen = upright_rgb(frame, None, VideoReformatter()).reshape(-1, 3)
    assert np.abs(seen.astype(int) - (255, 0, 0)).max() <= 3
