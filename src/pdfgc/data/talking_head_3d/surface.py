"""What light does on a triangle mesh: normals of vertices, and how open to the sky each stands."""

from __future__ import annotations

import numpy as np
import torch

from pdfgc.data.talking_head_3d.raster import rasterise

_MAP_SIDE = 192
_BIAS = 0.25
"""Centimetres by which a vertex may lie under the nearest surface and still count as seen."""


def normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals of vertices `[W, 3]`, triangles weighted by their area."""
    corners = torch.from_numpy(triangles)
    vertices = torch.from_numpy(np.ascontiguousarray(points, np.float32))
    a, b, c = vertices[corners].unbind(1)
    face = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for i in range(3):
        total.index_add_(0, corners[:, i], face)
    return torch.nn.functional.normalize(total, dim=1).numpy()


def openness(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Ambient light that reaches each vertex `[W]`, 0..1: shares of directions of the front and upper sky.

    A depth map from each of 24 directions, after Zhukov et al. 1998 (ambient occlusion).
    """
    normal = normals(points, triangles)
    lit, possible = np.zeros(len(points), np.float32), np.full(len(points), 1e-6, np.float32)
    middle = (points.min(0) + points.max(0)) / 2
    reach = float(np.linalg.norm(points - middle, axis=1).max())
    for direction in _directions(24):
        axes = _axes(direction)
        local = (points - middle) @ axes.T
        scale = 0.5 * _MAP_SIDE / reach
        place = np.stack(
            [
                _MAP_SIDE / 2 + scale * local[:, 0],
                _MAP_SIDE / 2 - scale * local[:, 1],
                2 * reach - local[:, 2],
            ],
            1,
        )
        seen = rasterise(place, triangles, _MAP_SIDE)
        depth = np.full(_MAP_SIDE**2, np.inf, np.float32)
        depth[seen.pixel] = seen.interpolate(triangles, place[:, 2:])[:, 0]
        column, row = np.clip(place[:, :2], 0, _MAP_SIDE - 1).astype(int).T
        facing = np.maximum(normal @ direction, 0)
        possible += facing
        lit += facing * (place[:, 2] <= depth[row * _MAP_SIDE + column] + _BIAS)
    return np.clip(lit / possible, 0, 1)


def _directions(count: int) -> np.ndarray:
    """Unit vectors `[count, 3]` spread over the sphere, those from behind and from below left out."""
    number = np.arange(3 * count) + 0.5
    height, turn = 1 - 2 * number / (3 * count), np.pi * (1 + np.sqrt(5)) * number
    ring = np.sqrt(1 - height**2)
    all_of_them = np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1)
    best = np.argsort(-(all_of_them[:, 2] + 0.5 * all_of_them[:, 1]))
    return all_of_them[best[:count]].astype(np.float32)


def _axes(forward: np.ndarray) -> np.ndarray:
    """Rows right, up, forward of a view along a direction."""
    right = np.cross((0.0, 1.0, 0.0), forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward]).astype(np.float32)
