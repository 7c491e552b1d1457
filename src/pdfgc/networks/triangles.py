"""Triangles of lips, lids and eyes: where the flow has to break.

The flow of `flow.py` is smooth over some pixels. Where a mouth shuts over teeth or a lid over an eye, the truth is not:
the two lips meet in a line, and what lay between them is gone. There every triangle of the mesh carries its pixels
from the portrait exactly (a piecewise affine warp). Inside an eye, where the iris moves and the lids do not,
triangles are laid over rings of points about the iris (`eye_rings`). The inside of the mouth has none.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.face.geometry import canonical_face, cross, lid_gap
from pdfgc.face.mesh import FACE_OVAL, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_EYE
from pdfgc.networks.eye_rings import eye_triangles, eyes_hold, ring_places, with_rings, within_lids

_LID_RINGS = 2
"""Rings of triangles about an eye's opening: the lids and their creases."""

_INSET = 0.15
"""How far inside a parted lip its edge is read when the lips are to meet, as a part of the lip's height: the tracker's
edge lies a pixel or so off the true one, and beyond it there are teeth."""

_PARTED_INSET = 0.15
"""The same of a mouth that opens over shut lips: between those lies a dark line, which is no part of a lip."""

_LID_INSET = 0.35
"""The same of lids that shut, as a part of the way to the next points of the mesh: what is drawn out over the eyeball
is skin and lashes, not the shadow and the rim of the eye."""

_SUBPIXEL_BITS = 4
_LEAST_GAP = 0.017
"""Opening of a mouth over the height of the face, 2.5 pixels of a 256 px crop, that counts as parted lips."""

_LEAST_LID_GAP = 0.1
"""Opening of an eye over its width that counts as open."""

_LEAST_HEIGHT = 0.002
"""Height in crop units, a quarter of a pixel of 256, under which a triangle is seen edge-on: it would be drawn a pixel
wide, and read far outside itself."""


@cache
def seam_triangles() -> np.ndarray:
    """`[T, 3]` corners, out of those of `corners_of`: `eye_triangles`, then `skin_triangles`."""
    return np.concatenate([eye_triangles(), skin_triangles()])


@cache
def skin_triangles() -> np.ndarray:
    """`[T, 3]` mesh points of the triangles of both lips and about both eyes; front faces turn clockwise in pictures
    (y down)."""
    triangles = canonical_face()["triangles"].long().numpy()
    lips = _within(triangles, _lip_points(triangles)) & ~_within(triangles, set(LIPS_INNER))
    lids = np.zeros(len(triangles), bool)
    for eye in (RIGHT_EYE, LEFT_EYE):
        lids |= _within(triangles, _grown(triangles, set(eye), _LID_RINGS)) & ~_within(triangles, set(eye))
    return np.ascontiguousarray(triangles[lips | lids][:, ::-1])  # the file's run the other way about


def _within(triangles: np.ndarray, points: set[int]) -> np.ndarray:
    return np.asarray(np.isin(triangles, list(points)).all(1))


def _grown(triangles: np.ndarray, points: set[int], rings: int) -> set[int]:
    """The points, and those that so many rings of triangles connect with them."""
    for _ in range(rings):
        points = points | set(triangles[np.isin(triangles, list(points)).any(1)].flat)
    return points


def _lip_points(triangles: np.ndarray) -> set[int]:
    """The points of the lips: those that rings from the inner loop reach before they pass the outer one."""
    outer, points = set(LIPS_OUTER), set(LIPS_INNER)
    while True:
        edge = points - outer
        reached = triangles[np.isin(triangles, list(edge)).any(1)]
        grown = points | set(reached.flat)
        if grown == points:
            return points
        points = grown


def _doubled_areas(points: np.ndarray) -> np.ndarray:
    """Twice the signed areas of triangles `[..., 3, >=2]`."""
    a, b, c = (points[..., i, :2] for i in range(3))
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (
        c[..., 0] - a[..., 0]
    )


def draw_triangles(meshes: np.ndarray, size: int) -> np.ndarray:
    """Which of `seam_triangles` every pixel shows.

    Args:
        meshes: `[T, 478, 3]` points in crop units, z smaller towards the camera.
        size: side of the drawing in pixels.

    Returns:
        `[T, size, size]` int16: 1 + the number of the nearest triangle that faces the camera, 0 where there is none.
        Those of the lids lie over those of the eyes.
    """
    drawn = np.zeros((len(meshes), size, size), np.int16)
    every = corners_of(torch.from_numpy(np.asarray(meshes, np.float32)))
    for points, canvas in zip(every.double().numpy(), drawn, strict=True):
        _draw(points, canvas)
    return drawn


def corners_of(driving: Tensor) -> Tensor:
    """What the triangles are drawn between: `[B, 478, 3]` meshes and the rings about their irises, `[B, 542, 3]`."""
    return with_rings(driving, ring_places(driving))


def _draw(points: np.ndarray, canvas: np.ndarray) -> None:
    size = len(canvas)
    corners = points[seam_triangles()]
    pixels = (corners[..., :2] + 1) * (size / 2) - 0.5
    fixed = np.round(np.clip(pixels, -4 * size, 4 * size) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    front = np.flatnonzero(_doubled_areas(corners) > 0)
    depth = corners[front, :, 2].mean(1)
    of_skin = front >= len(eye_triangles())
    for number in front[np.lexsort((-depth, of_skin))]:  # the nearest last
        cv2.fillConvexPoly(canvas, fixed[number], int(number) + 1, cv2.LINE_8, _SUBPIXEL_BITS)


def triangle_maps(source: Tensor, driving: Tensor) -> Tensor:
    """The affine map of every triangle from the driving frame back to the portrait.

    Args:
        source, driving: `[B, 478, 3]` float32 crop meshes.

    Returns:
        `[B, 1 + T, 7]`, the row 0 for pixels without a triangle: six numbers `a b c d e f` with offset
        `(a x + b y + c, d x + e y + f)` in crop units, and 1 if the portrait shows the triangle, else 0.
    """
    to, come = _corners(source, driving)
    origin, first, second = to[:, :, 0], to[:, :, 1] - to[:, :, 0], to[:, :, 2] - to[:, :, 0]
    area = cross(first, second)
    broad = area > _LEAST_HEIGHT * _longest_side(first, second)
    safe = torch.where(broad, area, torch.full_like(area, torch.inf))[
        ..., None
    ]  # what is thin goes with its origin
    moved_first = come[:, :, 1] - come[:, :, 0] - first
    moved_second = come[:, :, 2] - come[:, :, 0] - second
    # p = origin + u first + v second; u, v by Cramer's rule; offset = (come - to)(origin) + u moved_1 + v moved_2
    along_x = (moved_first * second[..., 1:] - moved_second * first[..., 1:]) / safe
    along_y = (moved_second * first[..., :1] - moved_first * second[..., :1]) / safe
    rest = come[:, :, 0] - origin - along_x * origin[..., :1] - along_y * origin[..., 1:]
    seen = cross(come[:, :, 1] - come[:, :, 0], come[:, :, 2] - come[:, :, 0]) > 0
    # Inside an eye thin and folded ones are shown, too: else a dot of the iris would be left in the white.
    inside_eyes = len(eye_triangles())
    hold = (eyes_hold(source) & eyes_hold(driving)).repeat_interleave(inside_eyes // 2, 1)
    shown = torch.cat([hold, (seen & broad)[:, inside_eyes:]], 1).to(source.dtype)
    maps = torch.stack([along_x, along_y, rest], -1).flatten(-2)  # [B, T, 2 x 3]: of x, then of y
    return F.pad(torch.cat([maps, shown[..., None]], -1), (0, 0, 1, 0))


def _corners(source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
    """Corners of every triangle in the driving frame and in the portrait, `[B, T, 3, 2]`."""
    kinds = (eye_triangles(), skin_triangles())
    eyes, skin = (torch.from_numpy(numbers).to(source.device) for numbers in kinds)
    places = ring_places(driving)
    skin_of_source = _inset_lids(_inset_lips(source, driving), driving)
    to = with_rings(driving, places)[:, torch.cat([eyes, skin]), :2]
    rings = with_rings(source, within_lids(places, source))
    come = torch.cat([rings[:, eyes, :2], skin_of_source[:, skin, :2]], 1)
    return to, come


def _inset_lips(source: Tensor, driving: Tensor) -> Tensor:
    """The portrait's mesh, its lips' edges drawn back as far as the mouth is to shut, or to open from shut."""
    before, after = (_lip_gap(mesh) for mesh in (source, driving))
    shuts = ((before - after) / before.clamp(min=_LEAST_GAP)).clamp(0, 1)
    parts = ((after - before) / _LEAST_GAP).clamp(0, 1) * (1 - before / _LEAST_GAP).clamp(min=0)
    back = (_INSET * shuts + _PARTED_INSET * parts)[:, None, None]
    inner, outer = list(LIPS_INNER), list(LIPS_OUTER)
    moved = source.clone()
    moved[:, inner] = source[:, inner] + back * (source[:, outer] - source[:, inner])
    return moved


def _inset_lids(source: Tensor, driving: Tensor) -> Tensor:
    """The portrait's mesh with the edges of its lids drawn back as far as the eyes are to shut."""
    moved = source.clone()
    for eye in (RIGHT_EYE, LEFT_EYE):
        before, after = (lid_gap(mesh, eye) for mesh in (source, driving))
        shut = ((before - after) / before.clamp(min=_LEAST_LID_GAP)).clamp(0, 1)[:, None, None]
        edge, beyond = list(eye), list(_beyond(eye))
        moved[:, edge] = source[:, edge] + _LID_INSET * shut * (source[:, beyond] - source[:, edge])
    return moved


@cache
def _beyond(loop: tuple[int, ...]) -> tuple[int, ...]:
    """For every point of a loop the nearest neighbour outside it."""
    face = canonical_face()
    triangles, vertices = face["triangles"].long().numpy(), face["vertices"].numpy()
    found = []
    for point in loop:
        outside = sorted(_grown(triangles, {point}, 1) - set(loop))
        found.append(min(outside, key=lambda other: float(np.linalg.norm(vertices[other] - vertices[point]))))
    return tuple(found)


def _lip_gap(mesh: Tensor) -> Tensor:
    """`[B]` the mouth's opening over the height of the face: `[B, 478, 3]` of any turn and size."""
    top, chin = FACE_OVAL[0], FACE_OVAL[18]
    opening = (mesh[:, LIPS_INNER[15]] - mesh[:, LIPS_INNER[5]]).norm(dim=-1)
    return opening / (mesh[:, chin] - mesh[:, top]).norm(dim=-1)


def _longest_side(first: Tensor, second: Tensor) -> Tensor:
    """Of triangles with two sides `[..., 2]` from one corner."""
    return torch.stack([first, second, second - first]).norm(dim=-1).amax(0)


def triangle_flow(drawn: Tensor, maps: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The flow inside the triangles.

    Args:
        drawn: `[B, h, w]` from `draw_triangles`, any integer type.
        maps: `[B, 1 + T, 7]` from `triangle_maps`.
        pixels: `[h, w, 2]` x, y of the pixels in crop units.

    Returns:
        Offsets `[B, 2, h, w]` in crop units, and `[B, 1, h, w]` bool: there is a triangle, and the portrait shows it.
    """
    batch, rows = maps.shape[0], maps.shape[1]
    first = rows * torch.arange(batch, device=maps.device)[:, None, None]
    a, b, c, d, e, f, shown = F.embedding(drawn.long() + first, maps.flatten(0, 1)).unbind(-1)
    x, y = pixels[..., 0], pixels[..., 1]
    return torch.stack([a * x + b * y + c, d * x + e * y + f], 1), shown[:, None] > 0.5
