import numpy as np
import pytest

from pdfgc.evaluation.metrics.frechet import frechet, frechet_distance


def test_distance_of_two_normals_in_one_dimension() -> None:
    one, other = np.array([[-1.0], [1.0]]), np.array([[2.0], [6.0]])  # mean 0, sd sqrt 2; mean 4, sd sqrt 8
    assert frechet_distance(one, other) == pytest.approx(16 + 2)


def test_distance_of_dependent_features() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3))
    turned = rows @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows, rows + np.array([1, 2, 2])) == pytest.approx(9)
    a, b = np.cov(rows, rowvar=False), np.cov(turned, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(a @ b).real).sum()
    mean = ((rows.mean(0) - turned.mean(0)) ** 2).sum()
    assert frechet_distance(rows, turned) == pytest.approx(mean + np.trace(a) + np.trace(b) - 2 * root)


def test_few_frames_are_said_to_be_few() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8))
    result = frechet("fid_vgg", rows, rows, {"network": "any"})
    assert result.value == pytest.approx(0, abs=1e-9)
    assert "biased" in result.settings["caution"]
    assert frechet("fid", rows[:1], rows, {}).value is None
