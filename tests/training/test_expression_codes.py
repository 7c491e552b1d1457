"""Measures of faces that the codes are trained by."""

from __future__ import annotations

import numpy as np
import torch

from pdfgc.face.geometry import fit_pose, remove_pose
from pdfgc.face.mesh import mouth_opening, smile
from pdfgc.training.code_moments import lip_gaps
from pdfgc.training.expression_codes import smiles
from synthetic import talking_meshes


def test_smiles_and_gaps_are_those_of_the_evaluation() -> None:
    meshes, _ = talking_meshes(12, np.random.default_rng(0))
    points = torch.from_numpy(meshes)
    canonical = remove_pose(points, fit_pose(points))
    assert np.allclose(smiles(canonical).numpy(), smile(meshes), atol=1e-4)
    gaps = lip_gaps(canonical).abs().mean(1).numpy()
    assert np.corrcoef(gaps, mouth_opening(meshes))[0, 1] > 0.99
