import numpy as np

from pdfgc.data.talking_head_3d.raster import rasterise

SQUARE = np.array([(0, 0, 2), (0, 4, 2), (4, 4, 2), (4, 0, 2)], np.float32)
HALVES = np.array([(0, 1, 2), (0, 2, 3)])


def moved(*by: float) -> np.ndarray:
    return SQUARE + np.array(by, np.float32)


def test_a_square_of_two_triangles_fills_its_pixels_once() -> None:
    seen = rasterise(SQUARE, HALVES, 8)
    assert seen.pixel.tolist() == [8 * row + column for row in range(4) for column in range(4)]
    np.testing.assert_allclose(seen.weights.sum(1), 1, rtol=1e-6)
    places = seen.interpolate(HALVES, SQUARE)
    np.testing.assert_allclose(places[:, 0], seen.pixel % 8 + 0.5, atol=1e-5)
    np.testing.assert_allclose(places[:, 1], seen.pixel // 8 + 0.5, atol=1e-5)


def test_backs_are_hidden_unless_asked_for() -> None:
    assert len(rasterise(SQUARE, HALVES[:, ::-1], 8).pixel) == 0
    assert len(rasterise(SQUARE, HALVES[:, ::-1], 8, two_sided=np.array([True, True])).pixel) == 16


def test_the_nearer_triangle_is_seen() -> None:
    points = np.concatenate([SQUARE, moved(2, 0, 1), moved(0, 2, -1)])
    triangles = np.concatenate([HALVES, HALVES + 4, HALVES + 8])
    seen = rasterise(points, triangles, 8)
    shown = dict(zip(seen.pixel.tolist(), (seen.triangle // 2).tolist(), strict=True))
    assert shown[0] == 0
    assert shown[3] == 0  # before the farther one
    assert shown[5] == 1
    assert shown[8 * 3] == 2


def test_interpolation_is_right_under_perspective() -> None:
    # A floor that runs from distance 1 (left) to distance 3 (right): the middle of the picture is at 1.5.
    points = np.array([(0, 0, 1), (0, 2, 1), (10, 2, 3), (10, 0, 3)], np.float32)
    seen = rasterise(points, HALVES, 10)
    depth = seen.interpolate(HALVES, points[:, 2:])[seen.pixel < 10, 0]
    expected = 1 / (1 + (np.arange(10) + 0.5) / 10 * (1 / 3 - 1))
    np.testing.assert_allclose(depth, expected, rtol=1e-4)


def test_what_lies_outside_or_behind_is_left_out() -> None:
    assert len(rasterise(moved(20, 0, 0), HALVES, 8).pixel) == 0
    assert len(rasterise(moved(0, 0, -5), HALVES, 8).pixel) == 0
    assert len(rasterise(moved(-2, -2, 0), HALVES, 8).pixel) == 4


def test_neighbours_leave_no_cracks() -> None:
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-3, 35, 40), np.linspace(-3, 35, 40)), -1)
    grid[1:-1, 1:-1] += random.uniform(-0.3, 0.3, (38, 38, 2))
    points = np.concatenate([grid.reshape(-1, 2), random.uniform(5, 6, (1600, 1))], 1)
    corner = (np.arange(39)[:, None] * 40 + np.arange(39)).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 40, corner + 41], 1), np.stack([corner, corner + 41, corner + 1], 1)]
    )
    assert len(rasterise(points, triangles, 32).pixel) == 32 * 32
