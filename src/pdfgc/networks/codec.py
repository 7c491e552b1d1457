"""Preset `small` between a tracked face and its codes, both ways: what `model.py` computes and `export` writes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pdfgc.face.geometry import apply_pose, fit_pose, lid_gap, remove_pose
from pdfgc.face.mesh import LEFT_EYE, RIGHT_EYE
from pdfgc.motion import FACTORS
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.motion import MeshMotionEncoder

REST_POSE = (0.0, 0.0, 0.0, 0.0, 0.1, 0.0)
"""The pose that pose codes are relative to: facing the camera, where a head usually stands in its crop."""

_SHUT, _NEARLY_SHUT = 0.1, 0.15
"""Openings over the width of an eye: the tracker's lids stay as far apart as the first when they are shut, and at the
second they begin to be drawn together."""

_CLOSING = 0.3
"""Part of the portrait's opening that lids must have closed by to count as closing."""

_MEETING = 0.3
"""Where lids meet, from the lower to the upper one: an upper lid does most of the way."""


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
    face = meet_lids(decoder(canonical, before, after), canonical)
    return apply_pose(face, pose + after["pose"] - before["pose"])


def meet_lids(driven: Tensor, portrait: Tensor) -> Tensor:
    """Lets shut lids meet, between which tracked ones leave a slit.

    Only lids that close from open are drawn together; a portrait whose own are nearly shut keeps its slit.

    Args:
        driven, portrait: `[B, 478, 3]` canonical meshes.

    Returns:
        `driven`, its lids moved.
    """
    moved = driven.clone()
    for eye in (RIGHT_EYE, LEFT_EYE):
        before, after = (lid_gap(mesh, eye) for mesh in (portrait, driven))
        shut = ((_NEARLY_SHUT - after) / (_NEARLY_SHUT - _SHUT)).clamp(0, 1)
        opened = ((before - _SHUT) / (_NEARLY_SHUT - _SHUT)).clamp(0, 1)
        closing = opened * ((before - after) / (_CLOSING * before.clamp(min=1e-6))).clamp(0, 1)
        upper, lower = list(eye[1:8]), list(eye[:8:-1])
        meeting = torch.lerp(driven[:, lower], driven[:, upper], _MEETING)
        for lid in (upper, lower):
            moved[:, lid] = torch.lerp(driven[:, lid], meeting, (shut * closing)[:, None, None])
    return moved
