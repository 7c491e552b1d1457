"""Codes and meshes: what is held stays, and a factor moves only its own region."""

from __future__ import annotations

import pytest
import torch

from pdfgc.face.geometry import MESH_POINTS, canonical_face
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, LIPS_INNER, RIGHT_EYE
from pdfgc.face.regions import region_weights
from pdfgc.networks.codec import meet_lids
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.motion import FactorHead, MeshMotionEncoder, PoseHead


@pytest.fixture(scope="module")
def decoder() -> MeshDecoder:
    torch.manual_seed(0)
    decoder = MeshDecoder(hidden=16)
    for name, parameter in decoder.named_parameters():
        if name.endswith("points.weight"):  # so that every factor moves visibly
            torch.nn.init.normal_(parameter)
    return decoder


def _codes(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(2, size, generator=generator)
        for name, size in (("lips", 500), ("expression", 30), ("eyes", 6), ("pose", 6))
    }


@torch.no_grad()
def test_own_codes_leave_the_portrait_as_it_is(decoder: MeshDecoder) -> None:
    portrait = torch.randn(2, MESH_POINTS, 3)
    own = _codes(1)
    assert torch.allclose(decoder(portrait, own, own), portrait, atol=1e-5)


@pytest.mark.parametrize(
    ("factor", "region"), [("lips", ["lips"]), ("expression", ["expression"]), ("eyes", ["blink", "gaze"])]
)
@torch.no_grad()
def test_a_factor_moves_its_region_and_nothing_else(
    decoder: MeshDecoder, factor: str, region: list[str]
) -> None:
    portrait, own = torch.randn(2, MESH_POINTS, 3), _codes(1)
    driving = {**own, factor: _codes(2)[factor]}
    moved = (decoder(portrait, own, driving) - portrait).norm(dim=-1).amax(0)
    allowed = torch.stack([region_weights()[name] for name in region]).sum(0) > 0
    assert moved[allowed].max() > 0.1
    assert moved[~allowed].max() < 1e-5


@torch.no_grad()
def test_gaze_entries_move_irises_only(decoder: MeshDecoder) -> None:
    portrait, own = torch.randn(2, MESH_POINTS, 3), _codes(1)
    eyes = own["eyes"].clone()
    eyes[:, 2:4] += 1
    moved = (decoder(portrait, own, {**own, "eyes": eyes}) - portrait).norm(dim=-1).amax(0)
    assert moved[list(LEFT_IRIS)].min() > 0
    assert moved[list(RIGHT_EYE)].max() < 1e-5


def _with_eyes_open(share: float) -> torch.Tensor:
    """The mean face, its right eye's lids brought together: `share` of the opening is left."""
    vertices = canonical_face()["vertices"]
    face = torch.cat([vertices, vertices[:1].expand(MESH_POINTS - len(vertices), -1)])[None].clone()
    upper, lower = list(RIGHT_EYE[1:8]), list(RIGHT_EYE[:8:-1])
    face[:, upper] = torch.lerp(face[:, lower], face[:, upper], share)
    return face


def _right_gap(mesh: torch.Tensor) -> float:
    return float((mesh[0, RIGHT_EYE[4]] - mesh[0, RIGHT_EYE[12]]).norm())


def test_lids_that_shut_meet_and_move_nothing_else() -> None:
    portrait, shut = _with_eyes_open(1), _with_eyes_open(0.25)
    met = meet_lids(shut, portrait)
    assert _right_gap(met) < 1e-5 < 0.1 * _right_gap(portrait) < _right_gap(shut)
    moved = (met - shut)[0].norm(dim=-1) > 1e-6
    assert set(moved.nonzero().flatten().tolist()) <= set(RIGHT_EYE) - {RIGHT_EYE[0], RIGHT_EYE[8]}
    assert torch.equal(met[:, list(LEFT_EYE)], portrait[:, list(LEFT_EYE)])


def test_lids_that_stay_open_and_a_portraits_own_narrow_eyes_stay() -> None:
    portrait, half, narrow = (_with_eyes_open(share) for share in (1, 0.9, 0.25))
    assert torch.equal(meet_lids(half, portrait), half)
    assert torch.equal(meet_lids(narrow, narrow), narrow)
    assert torch.equal(meet_lids(portrait, narrow), portrait)  # opening
    assert torch.equal(meet_lids(_with_eyes_open(0.2), narrow), _with_eyes_open(0.2))  # hardly a movement


def test_regions_are_disjoint_where_they_must_be() -> None:
    regions = region_weights()
    assert regions["expression"][list(RIGHT_EYE)].max() == 0
    assert regions["lips"][list(LIPS_INNER)].min() == 1
    assert regions["lips"][list(RIGHT_EYE)].max() == 0
    assert torch.equal(regions["gaze"] > 0, torch.arange(MESH_POINTS) >= 468)


def test_heads_have_the_sizes_of_the_spec() -> None:
    head = FactorHead(feature=32, hidden=32, code=30).eval()
    features = torch.randn(64, 32)
    assert head.contrast(features).shape == (64, 32)
    assert PoseHead(feature=32, hidden=32)(features).shape == (64, 6)


def test_motion_encoder_sees_the_same_face_in_any_crop() -> None:
    torch.manual_seed(0)
    encoder = MeshMotionEncoder(feature=16, hidden=16).eval()
    canonical = torch.randn(4, MESH_POINTS, 3)
    encoder.set_statistics(canonical)
    features = encoder(canonical, torch.rand(4, 52), torch.zeros(4, 6))
    assert features.shape == (4, 16)
    assert torch.isfinite(features).all()
