"""The acted drivers of the demo move what they are meant to move, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import make_demo_drivers as drivers
from pdfgc.face.crop import crop_mesh, head_box
from pdfgc.face.geometry import fit_pose
from pdfgc.face.mesh import brow_raise, eye_opening, gaze, mouth_opening, smile
from pdfgc.face.tracker import Face

MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pitch": lambda mesh: np.degrees(fit_pose(torch.from_numpy(mesh))[:, 0].numpy()),
    "yaw": lambda mesh: np.degrees(fit_pose(torch.from_numpy(mesh))[:, 1].numpy()),
    "roll": lambda mesh: np.degrees(fit_pose(torch.from_numpy(mesh))[:, 2].numpy()),
    "eyes": lambda mesh: np.mean(eye_opening(mesh), 0),
    "gaze": lambda mesh: gaze(mesh)[0],
    "smile": smile,
    "brows": brow_raise,
    "mouth": mouth_opening,
}
"""Degrees, eye widths, and cm."""

LEAST = {"pitch": 8, "yaw": 20, "roll": 5, "eyes": 0.2, "gaze": 0.15, "smile": 0.6, "brows": 0.3}
"""How far each must range where it is acted."""

MOST = {
    "pitch": 1,
    "yaw": 1,
    "roll": 1,
    "eyes": 0.05,
    "gaze": 0.02,
    "smile": 0.05,
    "brows": 0.05,
    "mouth": 0.2,
}
"""How far each may range where it is not."""


@pytest.mark.parametrize(
    ("name", "acted"),
    [("nod", {"pitch", "yaw", "roll"}), ("look", {"eyes", "gaze"}), ("smile", {"smile", "brows"})],
)
def test_each_moves_its_own(name: str, acted: set[str], astronaut_face: Face) -> None:
    mesh = crop_mesh(astronaut_face.mesh, head_box([astronaut_face]))
    acting = drivers.ACTS[name](mesh, astronaut_face.blendshapes)
    assert acting.meshes.shape == (len(drivers.frame_times()), 478, 3)
    assert acting.blendshapes.min() >= 0
    assert acting.blendshapes.max() <= 1
    np.testing.assert_allclose(acting.meshes[0], mesh, atol=1e-3)
    for measure, look_at in MEASURES.items():
        extent = np.ptp(look_at(acting.meshes))
        if measure in acted:
            assert extent > LEAST[measure], measure
        else:
            assert extent < MOST[measure], measure
