"""Triangles to pixels with a depth buffer, in numpy: which triangle each pixel shows, and where on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NEAREST = 1e-6
_DEPTH_STEPS = 2**30
_SLACK = 0.004  # of a barycentric coordinate: float32 leaves no cracks between neighbours


@dataclass(frozen=True)
class Fragments:
    """What the pixels of a picture show, for the pixels that show anything.

    Attributes:
        pixel: `[P]` int64, row * width + column.
        triangle: `[P]` int64.
        weights: `[P, 3]` float32, barycentric, right under perspective.
    """

    pixel: np.ndarray
    triangle: np.ndarray
    weights: np.ndarray

    def interpolate(self, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values `[V, C]` of vertices at the fragments: `[P, C]`."""
        corners = triangles[self.triangle]
        result = values[corners[:, 0]] * self.weights[:, :1]
        for i in (1, 2):
            result += values[corners[:, i]] * self.weights[:, i : i + 1]
        return result


def rasterise(
    points: np.ndarray, triangles: np.ndarray, side: int, *, two_sided: np.ndarray | None = None
) -> Fragments:
    """The nearest triangle of every pixel of a square picture.

    Args:
        points: `[V, 3]` x right and y down in pixels (the first pixel's middle is at 0.5), and the distance
            from the camera, > 0.
        triangles: `[F, 3]`, counter-clockwise as seen from outside (in axes with y up).
        side: of the picture in pixels.
        two_sided: `[F]` bool, triangles that show their backs too; none by default.
    """
    corners = points[triangles].astype(np.float32)
    x, y, depth = corners[..., 0], corners[..., 1], corners[..., 2]
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    seen = area < 0 if two_sided is None else (area < 0) | (two_sided & (area != 0))
    left = np.clip(np.ceil(x.min(1) - 0.5), 0, side).astype(np.int32)
    right = np.clip(np.floor(x.max(1) - 0.5) + 1, 0, side).astype(np.int32)
    top = np.clip(np.ceil(y.min(1) - 0.5), 0, side).astype(np.int32)
    bottom = np.clip(np.floor(y.max(1) - 0.5) + 1, 0, side).astype(np.int32)
    seen &= (depth.min(1) > _NEAREST) & (right > left) & (bottom > top)
    shown = np.flatnonzero(seen)
    left, top, width = left[shown], top[shown], (right - left)[shown]
    boxes = width * (bottom[shown] - top)

    owner = np.repeat(np.arange(len(shown)), boxes)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(boxes) - boxes, boxes)
    row, column = np.divmod(place, width[owner])
    row, column = row + top[owner], column + left[owner]
    # Barycentric coordinates are affine in the pixel, counted from the first corner for precision.
    factors = _factors(x[shown], y[shown], area[shown])
    right_of, below = column + 0.5 - factors[0][owner], row + 0.5 - factors[1][owner]
    second = factors[2][owner] * right_of + factors[3][owner] * below
    third = factors[4][owner] * right_of + factors[5][owner] * below
    inside = np.flatnonzero((second >= -_SLACK) & (third >= -_SLACK) & (second + third <= 1 + _SLACK))
    owner, second, third = owner[inside], second[inside], third[inside]
    pixel = row[inside] * side + column[inside]

    weights = np.stack([1 - second - third, second, third], -1).astype(np.float32)
    weights /= depth[shown][owner]  # affine in the picture are the shares over the depth
    inverse = weights.sum(1)
    nearest = _nearest(pixel, inverse, side * side)
    return Fragments(
        pixel[nearest], shown[owner[nearest]], weights[nearest] / inverse[nearest][:, None].astype(np.float32)
    )


def _factors(x: np.ndarray, y: np.ndarray, area: np.ndarray) -> list[np.ndarray]:
    """Of each triangle `[F]`: its first corner's x and y, then how the other two corners' shares grow with them."""
    x0, y0 = x[:, 0], y[:, 0]
    return [
        x0, y0,
        (y[:, 2] - y0) / area, (x0 - x[:, 2]) / area,
        (y0 - y[:, 1]) / area, (x[:, 1] - x0) / area,
    ]  # fmt: skip


def _nearest(pixel: np.ndarray, inverse_depth: np.ndarray, pixels: int) -> np.ndarray:
    """Numbers of the candidates that are nearest in their pixels, pixels in order."""
    if not len(pixel):
        return np.zeros(0, np.int64)
    far = np.rint((1 - inverse_depth / inverse_depth.max()) * _DEPTH_STEPS).astype(np.int64)
    best = np.full(pixels, np.iinfo(np.int64).max)
    np.minimum.at(best, pixel, far * len(pixel) + np.arange(len(pixel)))
    return best[best < np.iinfo(np.int64).max] % len(pixel)
