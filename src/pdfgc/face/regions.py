"""Soft regions of the face mesh: which points a factor may move."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from pdfgc.face.geometry import MESH_POINTS, canonical_face
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

_LID_REACH = (0.3, 1.1)
"""Centimetres from the eye's opening within which a lid is wholly, and at all, the blink's to move."""

_MOUTH_TOP = (1.0, -2.0)
"""Heights in cm above the origin of the head: above the first no point belongs to the lips' factor, below the
second all do; in between lies the nose and the upper cheek."""


@cache
def region_weights() -> dict[str, Tensor]:
    """How much each factor may move each point: `{"lips", "expression", "blink", "gaze"}` -> `[478]`, 0..1.

    The irises belong to the gaze alone and the lids to the blink alone; lips own the face from the nose down, and
    expression everything but eyes, so the mouth is the one place that two factors share.
    """
    vertices = canonical_face()["vertices"]
    iris = torch.zeros(MESH_POINTS)
    iris[[*RIGHT_IRIS, *LEFT_IRIS]] = 1.0
    rims = vertices[[*RIGHT_EYE, *LEFT_EYE]]
    distance = torch.full((MESH_POINTS,), float("inf"))
    distance[: len(vertices)] = torch.cdist(vertices, rims).amin(1)
    near, far = _LID_REACH
    lids = ((far - distance) / (far - near)).clamp(0, 1)
    expression = (1 - lids) * (1 - iris)
    lids[[eye[entry] for eye in (RIGHT_EYE, LEFT_EYE) for entry in (0, 8)]] = (
        0  # the corners stay where they are
    )
    high, low = _MOUTH_TOP
    lips = torch.zeros(MESH_POINTS)
    lips[: len(vertices)] = ((high - vertices[:, 1]) / (high - low)).clamp(0, 1)
    return {"lips": lips, "expression": expression, "blink": lids * (1 - iris), "gaze": iris}
