"""Which points each factor may move."""

from __future__ import annotations

import torch

from pdfgc.face.geometry import MESH_POINTS, canonical_face
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, LIPS_INNER, LIPS_OUTER, RIGHT_EYE, RIGHT_IRIS
from pdfgc.face.regions import region_weights

EYES = (RIGHT_EYE, LEFT_EYE)


def test_weights_are_shares() -> None:
    regions = region_weights()
    assert set(regions) == {"lips", "expression", "blink", "gaze"}
    for weights in regions.values():
        assert weights.shape == (MESH_POINTS,)
        assert weights.min() == 0 and weights.max() == 1


def test_irises_are_the_gazes_alone() -> None:
    irises = [*RIGHT_IRIS, *LEFT_IRIS]
    regions = region_weights()
    assert regions["gaze"][irises].eq(1).all()
    assert regions["gaze"].sum() == len(irises)
    for name in ("lips", "expression", "blink"):
        assert regions[name][irises].eq(0).all(), name


def test_lids_are_the_blinks_and_corners_are_nobodys() -> None:
    regions = region_weights()
    for eye in EYES:
        lids = [point for entry, point in enumerate(eye) if entry not in (0, 8)]
        assert regions["blink"][lids].eq(1).all()
        assert regions["expression"][list(eye)].eq(0).all()
        assert all(weights[[eye[0], eye[8]]].eq(0).all() for weights in regions.values())


def test_the_mouth_is_shared_by_lips_and_expression() -> None:
    regions = region_weights()
    mouth = [*LIPS_OUTER, *LIPS_INNER]
    assert regions["lips"][mouth].eq(1).all() and regions["expression"][mouth].eq(1).all()


def test_lips_fade_out_between_mouth_and_nose() -> None:
    height, lips = canonical_face()["vertices"][:, 1], region_weights()["lips"][:468]
    assert lips[height > 1.0].eq(0).all() and lips[height < -2.0].eq(1).all()
    between = (height > -2.0) & (height < 1.0)
    order = height[between].argsort()
    assert lips[between][order].diff().le(1e-6).all(), "the lower, the more"


def test_beyond_the_eyes_blink_and_expression_share_each_point() -> None:
    regions = region_weights()
    corners = [eye[entry] for eye in EYES for entry in (0, 8)]
    others = torch.ones(468, dtype=torch.bool)
    others[corners] = False
    total = (regions["blink"] + regions["expression"])[:468][others]
    assert torch.allclose(total, torch.ones_like(total))
