import cv2
import numpy as np
import pytest
import torch

from pdfgc.evaluation.sync_mouths import BELOW_MOUTH, PIXELS_PER_CM, clock, mouth_picture
from pdfgc.face.geometry import POSE_SCALE, apply_pose, canonical_face


def brightest(picture: np.ndarray) -> tuple[float, float]:
    """x and y of the middle of what is bright."""
    rows, columns = np.nonzero(picture > 0.5 * picture.max())
    return float(columns.mean()), float(rows.mean())


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("roll", [-0.4, 0.0, 0.3])
def test_the_mouth_stands_at_the_same_place_whatever_the_head_does(scale: float, roll: float) -> None:
    pixels_per_cm = 8 * scale
    size = round(400 * scale)
    origin = (170 * scale, 190 * scale)
    pose = np.array([0.0, 0.0, roll, *origin, np.log(pixels_per_cm / POSE_SCALE)])
    vertices = canonical_face()["vertices"]
    mouth = vertices[[78, 13, 308, 14]].mean(0)
    image = np.zeros((size, size, 3), np.uint8)
    for point in (mouth, mouth + torch.tensor([2.0, 0, 0])):
        x, y, _ = apply_pose(point[None], torch.tensor(pose, dtype=torch.float32))[0].tolist()
        cv2.circle(image, (round(x), round(y)), max(round(4 * scale), 1), (255, 255, 255), -1)
    picture = mouth_picture(image, pose)
    assert picture.shape == (48, 72)
    left, right = np.hsplit(picture, [36 + round(PIXELS_PER_CM)])
    row = 24 - BELOW_MOUTH * PIXELS_PER_CM
    assert brightest(left) == pytest.approx((36, row), abs=1.5)
    x, y = brightest(right)
    assert (x + left.shape[1], y) == pytest.approx((36 + 2 * PIXELS_PER_CM, row), abs=1.5)


def test_a_clock_of_25_a_second_takes_the_nearest_frames() -> None:
    moments, nearest, usable = clock(np.arange(31) / 30 + 0.5)
    assert moments == pytest.approx(0.5 + np.arange(26) / 25)
    assert nearest[:6].tolist() == [0, 1, 2, 4, 5, 6]
    assert usable.tolist() == [False, False, *[True] * 22, False, False]


def test_a_gap_without_a_face_spoils_the_moments_about_it() -> None:
    times = np.delete(np.arange(20) / 25, [10])
    _, nearest, usable = clock(times)
    assert len(nearest) == 20
    assert np.flatnonzero(~usable).tolist() == [0, 1, 8, 9, 10, 11, 12, 18, 19]
