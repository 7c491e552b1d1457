"""Points on two rings about each iris, so that triangles can carry the inside of an eye.

An iris moves under the lids as a whole, and the white gives way on either side. The mesh has five points for it, of
which lids hide some; so two rings of points are laid about the middle of the iris, a point for each one of the lids'
loop and in its direction: the inner ring within the iris, which is seldom hidden, and the outer one past its rim.
Triangles from the middle over both rings to the lids (`eye_triangles`) then carry the iris without bending it. Where a
lid covers it, rings end before the lid, and what the portrait hides is drawn out from what it shows.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from pdfgc.face.geometry import MESH_POINTS, cross
from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

_RINGS = (0.6, 1.15)
"""Radii of the rings, in radii of the iris: the outer one lies in the white, past a rim that is never quite sharp."""

_UNDER_LID = (0.7, 0.85)
"""Part of the way from the middle to the lids that the rings go at most."""

_EYES = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))
_POINTS = len(RIGHT_EYE)
_LEAST_DISC = 1e-6
"""Area in square crop units, a hundredth of a pixel of 256, under which an iris is seen edge-on."""


@cache
def eye_triangles() -> np.ndarray:
    """`[T, 3]` corners, out of the points that `with_rings` gives; front faces turn clockwise in pictures (y down)."""
    rows: list[tuple[int, ...]] = []
    for number, (eye, iris) in enumerate(_EYES):
        first = MESH_POINTS + number * len(_RINGS) * _POINTS
        inner, outer = (range(first + ring * _POINTS, first + (ring + 1) * _POINTS) for ring in (0, 1))
        for k, after in zip(range(_POINTS), [*range(1, _POINTS), 0], strict=True):
            sector = [(iris[0], inner[k], inner[after])]
            for near, far in ((inner, outer), (outer, eye)):
                sector += [(near[k], far[k], far[after]), (near[k], far[after], near[after])]
            # the loop of the left eye runs the other way about
            rows += [row[::-1] for row in sector] if eye is LEFT_EYE else sector
    return np.array(rows)


def ring_places(driving: Tensor) -> Tensor:
    """Where the rings' points lie on the irises of a driving mesh.

    Args:
        driving: `[B, 478, 3]`, crop units.

    Returns:
        `[B, 2, 2, 16, 2]` for each eye, ring and point of the lids, in half axes of the iris.
    """
    eyes = []
    for eye, iris in _EYES:
        lids = _on_disc(driving[:, list(eye), :2], *_disc(driving, iris))
        length = lids.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        rings = zip(_RINGS, _UNDER_LID, strict=True)
        eyes.append(torch.stack([lids * (radius / length).clamp(max=most) for radius, most in rings], 1))
    return torch.stack(eyes, 1)


def within_lids(places: Tensor, mesh: Tensor) -> Tensor:
    """Another mesh's `ring_places`, drawn in to where this mesh's lids let see them.

    Args:
        places: `[B, 2, 2, 16, 2]`.
        mesh: `[B, 478, 3]`, crop units.
    """
    eyes = []
    for number, (eye, iris) in enumerate(_EYES):
        lids = _on_disc(mesh[:, list(eye), :2], *_disc(mesh, iris))
        rings = []
        for ring, most in zip(places[:, number].unbind(1), _UNDER_LID, strict=True):
            length = ring.norm(dim=-1, keepdim=True).clamp(min=1e-6)
            rings.append(ring * (most * _reach(lids, ring / length)[..., None] / length).clamp(max=1))
        eyes.append(torch.stack(rings, 1))
    return torch.stack(eyes, 1)


def with_rings(mesh: Tensor, places: Tensor) -> Tensor:
    """A mesh `[B, 478, 3]` in crop units, and the rings' points at places `[B, 2, 2, 16, 2]` on its irises.

    Returns:
        `[B, 478 + 64, 3]`: after the mesh the right eye's inner ring, its outer one, and the left eye's.
    """
    points = [mesh]
    for number, (eye, iris) in enumerate(_EYES):
        middle, axes = _disc(mesh, iris)
        at = middle[:, None] + places[:, number].flatten(1, 2) @ axes.transpose(1, 2)
        depth = mesh[:, list(eye), 2:].mean(1, keepdim=True).expand(-1, at.shape[1], -1)
        points.append(torch.cat([at, depth], -1))
    return torch.cat(points, 1)


def eyes_hold(mesh: Tensor) -> Tensor:
    """Whether the middle of each iris lies between its lids, `[B, 2]` bool: else rings about it mean nothing."""
    inside = []
    for eye, iris in _EYES:
        middle, axes = _disc(mesh, iris)
        lids = mesh[:, list(eye), :2] - middle[:, None]
        after = lids.roll(-1, 1)
        # sides that a ray to the right may meet, and those it does
        passes = (lids[..., 1] > 0) != (after[..., 1] > 0)
        met = passes & (cross(lids, after) * (after[..., 1] - lids[..., 1]) > 0)
        broad = cross(axes[..., 0], axes[..., 1]).abs() > _LEAST_DISC
        inside.append((met.sum(1) % 2 == 1) & broad)
    return torch.stack(inside, 1)


def _disc(mesh: Tensor, iris: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The middle `[B, 2]` of an iris and its half axes across and down as columns `[B, 2, 2]`."""
    middle, right, top, left, bottom = mesh[:, list(iris), :2].unbind(1)
    return middle, torch.stack([(right - left) / 2, (bottom - top) / 2], -1)


def _on_disc(points: Tensor, middle: Tensor, axes: Tensor) -> Tensor:
    """Points `[B, N, 2]` in half axes of a disc, from its middle."""
    area = cross(axes[..., 0], axes[..., 1])
    area = torch.where(area.abs() > _LEAST_DISC, area, torch.ones_like(area))[:, None]
    offset = points - middle[:, None]
    across, down = axes[:, None, :, 0], axes[:, None, :, 1]
    return torch.stack([cross(offset, down) / area, cross(across, offset) / area], -1)


def _reach(lids: Tensor, directions: Tensor) -> Tensor:
    """How far rays from the origin go before they leave a polygon about it.

    Args:
        lids: `[B, N, 2]`, its corners.
        directions: `[B, R, 2]` of length 1.

    Returns:
        `[B, R]`; 0 where a ray meets no side.
    """
    start, side = lids[:, None], (lids.roll(-1, 1) - lids)[:, None]
    ray = directions[:, :, None]
    slant = cross(ray, side)
    parallel = slant.abs() < 1e-9
    slant = torch.where(parallel, torch.ones_like(slant), slant)
    distance, along = cross(start, side) / slant, cross(start, ray) / slant
    met = ~parallel & (distance > 0) & (along >= -1e-4) & (along <= 1 + 1e-4)
    return torch.where(met, distance, torch.zeros_like(distance)).amax(-1)
