"""Preset `small` between a tracked face and its codes, both ways: what `model.py` computes and `export` writes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pdfgc.face.geometry import apply_pose, fit_pose, remove_pose
from pdfgc.motion import FACTORS
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.motion import MeshMotionEncoder

REST_POSE = (0.0, 0.0, 0.0, 0.0, 0.1, 0.0)
"""The pose that pose codes are relative to: facing the camera, where a head usually stands in its crop."""


def face_codes(
    motion: MeshMotionEncoder, heads: Mapping[str, nn.Module], mesh: Tensor, blendshapes: Tensor
) -> dict[str, Tensor]:
    """Motion codes of tracked faces (spec 1).

    Args:
        motion: E_mot.
        heads: one for each factor.
        mesh: `[B, 478, 3]` crop units.
        blendshapes: `[B, 52]`, 0..1.

    Returns:
        `{"lips": [B, 500], "expression": [B, 30], "eyes": [B, 6], "pose": [B, 6]}`. Poses are radians (pitch, yaw,
        roll), crop units and log scale, relative to `REST_POSE`.
    """
    pose = fit_pose(mesh)
    canonical = remove_pose(mesh, pose)
    feature = motion(canonical, blendshapes, pose)
    features = dict.fromkeys(FACTORS, feature) | {"expression": motion.frontal(canonical, blendshapes)}
    codes: dict[str, Tensor] = {factor: heads[factor](features[factor]) for factor in FACTORS}
    return codes | {"pose": codes["pose"] - mesh.new_tensor(REST_POSE)}


def driven_mesh(
    decoder: MeshDecoder,
    canonical: Tensor,
    pose: Tensor,
    own: Mapping[str, Tensor],
    driving: Mapping[str, Tensor],
) -> Tensor:
    """The face that codes ask of a portrait.

    Args:
        decoder: codes to canonical meshes.
        canonical: `[B, 478, 3]` cm, the portrait's (`geometry.remove_pose`).
        pose: `[B, 6]` the portrait's, as the tracker sees it.
        own: the portrait's codes `{factor: [B, D]}`.
        driving: the wanted codes, alike.

    Returns:
        `[B, 478, 3]` crop units. Poses go by their difference, so that a held one is exactly the portrait's.
    """
    rest = torch.tensor(REST_POSE).to(pose)  # the decoder knows poses as the tracker gives them
    before, after = ({**codes, "pose": codes["pose"] + rest} for codes in (own, driving))
    return apply_pose(decoder(canonical, before, after), pose + after["pose"] - before["pose"])
