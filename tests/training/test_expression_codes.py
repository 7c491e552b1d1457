"""Measures of faces that the codes are trained by."""

from __future__ import annotations

import numpy as np
import torch

from pdfgc.face.geometry import fit_pose, remove_pose
from pdfgc.face.mesh import brow_raise, mouth_opening, smile
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.motion import BLENDSHAPES, FactorHead, MeshMotionEncoder
from pdfgc.networks.speech_kinds import make_hearing, make_speech_network
from pdfgc.training.code_moments import SPEECH_SECONDS, lip_gaps
from pdfgc.training.expression_codes import ExpressionCodes, gestures
from pdfgc.training.memory_bank import MemoryBank
from synthetic import talking_meshes


def test_gestures_and_gaps_are_those_of_the_evaluation() -> None:
    meshes, _ = talking_meshes(12, np.random.default_rng(0))
    points = torch.from_numpy(meshes)
    canonical = remove_pose(points, fit_pose(points))
    wanted = np.stack([smile(meshes), brow_raise(meshes)], 1)
    assert np.allclose(gestures(canonical).numpy(), wanted, atol=1e-4)
    gaps = lip_gaps(canonical).abs().mean(1).numpy()
    assert np.corrcoef(gaps, mouth_opening(meshes))[0, 1] > 0.99


def _learning() -> ExpressionCodes:
    torch.manual_seed(0)
    wide = {"feature": 16, "hidden": 16}
    decoder = MeshDecoder(lips=8, expression=4, hidden=8)
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return ExpressionCodes(
        MeshMotionEncoder(**wide).requires_grad_(False),
        FactorHead(**wide, code=8),
        FactorHead(**wide, code=6).requires_grad_(False),
        make_speech_network("mel", hidden=8, feature=16, code=8),
        FactorHead(**wide, code=4),
        decoder,
        MemoryBank(8, expression=4, speech=16),
        MemoryBank(8, expression=4, others=12),
        apart_from_speech=False,
        apart_from_others=False,
    )


def _moments(*, single_frame: bool) -> dict[str, torch.Tensor]:
    meshes = torch.from_numpy(talking_meshes(20, np.random.default_rng(1))[0])
    faces = remove_pose(meshes, fit_pose(meshes))
    windows = faces.view(4, 5, 478, 3)
    scores = torch.rand(4, 5, BLENDSHAPES, generator=torch.Generator().manual_seed(2))
    rate = make_hearing("mel").rate
    return {
        "portrait": windows[:, 0],
        "target": windows[:, 2],
        "neutral": windows[:, 1],
        "own": windows[:, 0],
        "own_blendshapes": scores[:, 0],
        "own_pose": torch.zeros(4, 6),
        "canonical": windows,
        "blendshapes": scores,
        "pose": torch.zeros(4, 5, 6),
        "features": torch.zeros(4, round(SPEECH_SECONDS * rate), 80),
        "times": torch.full((4,), SPEECH_SECONDS / 2),
        "heard": torch.zeros(4, dtype=torch.bool),
        "by_ear": torch.zeros(4, dtype=torch.bool),
        "single_frame": torch.full((4,), single_frame),
    }


def _reach(*, single_frame: bool) -> tuple[float, float]:
    """How strongly the loss `gestures` depends on the frames about the driving one, and on the decoder."""
    learning, moments = _learning(), _moments(single_frame=single_frame)
    moments["blendshapes"].requires_grad_(True)
    learning.losses(moments)["gestures"].backward()
    decoder = [p.grad for p in learning.decoder.factors["expression"].parameters() if p.grad is not None]
    frames = moments["blendshapes"].grad
    assert frames is not None
    return float(frames[:, [0, 1, 3, 4]].abs().sum()), sum(float(grad.abs().sum()) for grad in decoder)


def test_a_frames_own_expression_teaches_the_decoder_but_not_the_code() -> None:
    averaged, alone = _reach(single_frame=False), _reach(single_frame=True)
    assert averaged[0] > 0 and averaged[1] > 0
    assert alone[0] == 0 and alone[1] > 0
