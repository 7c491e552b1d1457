"""The paint of a face: a frontal picture, laid on the mean face and carried along by whoever's face it is."""

from __future__ import annotations

import cv2
import numpy as np

from pdfgc.data.talking_head_3d.look import Look
from pdfgc.data.talking_head_3d.model import HeadModel
from pdfgc.face.mesh import LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE

SIDE = 512
REACH = 13.0
"""The picture shows x and y of the mean face from -`REACH` to `REACH` cm."""

_PER_CM = SIDE / (2 * REACH)
_LID_LINE = 0.09  # cm


def paint_face(model: HeadModel, look: Look) -> np.ndarray:
    """Colours of the skin, linear, and in the last channel how glossy: `[SIDE, SIDE, 4]` float32."""
    random = np.random.default_rng(look.hair_seed)
    face = np.empty((SIDE, SIDE, 4), np.float32)
    face[..., :3] = look.skin
    face[..., 3] = look.gloss
    blotches = _noise(random, 40) * 0.03 + _noise(random, 4) * 0.015
    face[..., :3] *= 1 + blotches[..., None]
    if model.landmarks is None:
        return face
    points = landmark_places(model)
    _freckle(face, points, look, random)
    _blush(face, points, look)
    _stubble(face, points, look, random)
    lids = _outline(points, RIGHT_EYE) + _outline(points, LEFT_EYE)
    _tint(face, 0.35 * _soft(np.minimum(lids, 1), 0.5), look.skin * (0.55, 0.42, 0.42))
    lashes = _outline(points, RIGHT_EYE[:9], closed=False) + _outline(points, LEFT_EYE[:9], closed=False)
    _tint(face, np.minimum(_soft(lashes + 0.35 * lids, 0.03), 0.9), look.brows * 0.6)
    for brow in (RIGHT_BROW, LEFT_BROW):
        _tint(face, _brow(points, brow, look, random), look.brows)
    lips = np.maximum(
        _fill(points, [*LIPS_OUTER[:11], *LIPS_INNER[10::-1]]),
        _fill(points, [*LIPS_OUTER[10:], LIPS_OUTER[0], LIPS_INNER[0], *LIPS_INNER[:9:-1]]),
    )
    lips = _soft(np.maximum(lips, _outline(points, LIPS_INNER)), 0.06)
    lines = 1 + 0.12 * _noise(random, 1.5)
    _tint(face, 0.9 * lips, look.lips * lines[..., None])
    face[..., 3] += 0.3 * lips
    return face.clip(0, 1)


def landmark_places(model: HeadModel) -> np.ndarray:
    """The face points on the mean face at rest `[468, 3]`, cm.

    Raises:
        ValueError: for a model without landmarks.
    """
    if model.landmarks is None:
        raise ValueError("expected a head with landmarks")
    corners = model.fine(model.vertices)[model.landmarks.corners]
    return (corners * model.landmarks.weights[..., None]).sum(1)


def sample(paint: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Paint at places `[P, 2]` (x, y in cm on the mean face): `[P, 4]`."""
    x = ((places[:, 0] + REACH) * _PER_CM).astype(np.float32)
    y = ((REACH - places[:, 1]) * _PER_CM).astype(np.float32)
    column = np.clip(x, 0, SIDE - 1).astype(np.int64)
    row = np.clip(y, 0, SIDE - 1).astype(np.int64)
    return paint[row, column]


def _tint(face: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    face[..., :3] += share[..., None] * (colour - face[..., :3])


def _pixels(points: np.ndarray, loop: list[int] | tuple[int, ...]) -> np.ndarray:
    x, y = points[list(loop), 0], points[list(loop), 1]
    return np.rint(np.stack([x + REACH, REACH - y], -1) * _PER_CM * 16).astype(np.int32)


def _fill(points: np.ndarray, loop: list[int] | tuple[int, ...]) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [_pixels(points, loop)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _outline(points: np.ndarray, loop: tuple[int, ...], *, closed: bool = True) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    width = max(1, round(_LID_LINE * _PER_CM))
    cv2.polylines(mask, [_pixels(points, loop)], closed, 255, width, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _soft(mask: np.ndarray, centimetres: float) -> np.ndarray:
    return cv2.GaussianBlur(mask, (0, 0), centimetres * _PER_CM)


def _brow(points: np.ndarray, loop: tuple[int, ...], look: Look, random: np.random.Generator) -> np.ndarray:
    """Hairs within a brow's outline, thinned at its border."""
    upper, lower = points[list(loop[:5])], points[list(loop[:4:-1])]
    middle = (upper + lower) / 2
    shape = np.concatenate(
        [middle + (upper - middle) * look.brow_width, (middle + (lower - middle) * look.brow_width)[::-1]]
    )
    mask = _soft(_fill(shape, list(range(10))), 0.12)
    hairs = np.clip(0.9 + 0.1 * _noise(random, 1.5), 0, 1)
    return np.clip(1.25 * mask, 0, 0.92) * hairs


def _blush(face: np.ndarray, points: np.ndarray, look: Look) -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / _PER_CM - REACH
    for index, reach in ((50, 2.0), (280, 2.0), (1, 1.2)):  # cheeks, nose
        spot = np.exp(-((x - points[index, 0]) ** 2 + (-y - points[index, 1]) ** 2) / (2 * reach**2))
        _tint(face, 0.6 * look.blush * spot, look.skin * (1.05, 0.7, 0.7))


def _freckle(face: np.ndarray, points: np.ndarray, look: Look, random: np.random.Generator) -> None:
    spots = _soft((random.random((SIDE, SIDE)) < 0.004).astype(np.float32), 0.04)
    _tint(face, np.minimum(spots * 6, 1) * look.freckles, look.skin * (0.6, 0.45, 0.4))


def _stubble(face: np.ndarray, points: np.ndarray, look: Look, random: np.random.Generator) -> None:
    cheeks = [93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323,
              410, 322, 164, 92, 186]  # fmt: skip
    low = points.copy()
    low[[176, 148, 152, 377, 400], 1] -= 2.0  # under the chin too
    mask = _soft(_fill(low, cheeks), 0.5)
    _tint(face, look.beard * mask * np.clip(0.75 + 0.5 * _noise(random, 1.0), 0, 1), look.brows * 1.3)


def _noise(random: np.random.Generator, pixels: float) -> np.ndarray:
    """Smooth noise of unit variance with features of so many pixels."""
    small = max(4, round(SIDE / pixels))
    grain = cv2.GaussianBlur(random.normal(size=(small, small)).astype(np.float32), (0, 0), 0.7)
    noise: np.ndarray = cv2.resize(grain, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return noise / noise.std()
