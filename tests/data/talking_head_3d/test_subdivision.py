import numpy as np
import pytest
import torch

from pdfgc.data.talking_head_3d.subdivision import catmull_clark

CUBE = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
CUBE_QUADS = np.array(
    [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)], np.int64
)


def test_a_cube_becomes_what_the_rules_say() -> None:
    operator, quads = catmull_clark(CUBE_QUADS, 8)
    fine = (operator @ torch.from_numpy(CUBE)).numpy()
    assert fine.shape == (8 + 12 + 6, 3)
    np.testing.assert_allclose(fine[:8], CUBE * 5 / 9, atol=1e-6)
    edges = np.sort(np.abs(fine[8:20]), 1)
    np.testing.assert_allclose(edges, np.tile((0, 0.75, 0.75), (12, 1)), atol=1e-6)
    np.testing.assert_allclose(np.sort(np.abs(fine[20:]), 1), np.tile((0, 0, 1), (6, 1)), atol=1e-6)
    assert quads.shape == (24, 4)


def test_faces_keep_their_sense() -> None:
    operator, quads = catmull_clark(CUBE_QUADS, 8)
    fine = (operator @ torch.from_numpy(CUBE)).numpy()
    a, b, c = (fine[quads[:, i]] for i in range(3))
    old = np.cross(
        CUBE[CUBE_QUADS[:, 1]] - CUBE[CUBE_QUADS[:, 0]], CUBE[CUBE_QUADS[:, 2]] - CUBE[CUBE_QUADS[:, 0]]
    )
    new = np.cross(b - a, c - a)
    assert ((new * np.repeat(old, 4, 0)).sum(1) > 0).all()


def test_borders_are_curves_of_their_own() -> None:
    square = torch.tensor([(0.0, 0), (8, 0), (8, 8), (0, 8)])
    operator, _ = catmull_clark(np.array([(0, 1, 2, 3)]), 4)
    fine = operator @ square
    assert fine[0].tolist() == [1, 1]  # 3/4 of itself, 1/8 of both neighbours
    assert sorted(fine[4:8].tolist()) == [[0, 4], [4, 0], [4, 8], [8, 4]]
    assert fine[8].tolist() == pytest.approx([4, 4])
