import numpy as np

from pdfgc.data.talking_head_3d.surface import normals, openness

TETRAHEDRON = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32)
OUTWARDS = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])


def test_normals_of_a_corner_point_away() -> None:
    normal = normals(TETRAHEDRON, OUTWARDS)
    np.testing.assert_allclose(normal[0], -np.ones(3) / np.sqrt(3), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, rtol=1e-6)


def test_what_is_inside_gets_no_light_and_what_is_outside_all() -> None:
    outer = (TETRAHEDRON - 0.25) * 40
    inner = (TETRAHEDRON - 0.25) * 4
    points = np.concatenate([outer, inner])
    light = openness(points, np.concatenate([OUTWARDS, OUTWARDS + 4]))
    assert light[1:4].min() > 0.9
    assert light[5:8].max() < 0.1
