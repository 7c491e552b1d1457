"""Irises carried from the portrait into painted frames: round, whole, and where the driving mesh has them.

Triangles carry what the portrait shows of an iris to where the eyes look (`eye_rings`); what its lids hide they draw
out, and the painter, which learns eyes from a few pixels, leaves it so. Where a driver's eyes look up or down, or
open wider than the portrait's, the iris is therefore laid over the painted frame as a disc: what the lids hide is
filled with the colours that the disc has elsewhere at the same distance from the middle. Where the eyes look in the
picture as the portrait's do, nothing is touched; a head that turns by a few degrees counts as looking aside.

Points are `[478, 2]` in pixels. A place on a disc is given in its own axes: the middle is (0, 0), the rim has length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pdfgc.face.mesh import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS

_SIDE = 49
"""Of a disc's picture in pixels; an iris of a 256 px head is some 12 wide."""

_REACH = 1.3
"""Half the side of a disc's picture, in its own axes."""

_RINGS = 17

_FLAT = 4.0
"""Square pixels that the half axes of a disc span: a smaller one is not worth carrying."""

_LIDS_SHADE = 0.22
"""Part of the opening, from either lid, in which a portrait's iris may be a lid's edge or its shadow."""

_RIM = (0.85, 1.05)
"""Distances from the middle between which a disc fades into the frame."""

_SEEN = (0.25, 0.37)
"""Shares of its disc that a portrait has to show: below the first its iris is not used, from the second on fully."""

_CONTRAST = (1.1, 1.3)
"""How much brighter than an iris its white has to be: below the first it is not used, from the second on fully. Behind
dark glasses, and where the tracker only guesses, there is no such thing."""

_LOOKS_ASIDE = (0.004, 0.02)
"""How far the gaze has moved from the portrait's, in eye widths, where irises begin to be laid over and fully are."""

_OPENS = (1.1, 1.3)
"""The same for the opening of the lids, over the portrait's."""

_SHUT = (0.06, 0.12)
"""Openings over the width of an eye between which irises appear."""

_TURNED = (0.5, 0.7)
"""How narrow an iris is seen beside the portrait's where it begins to be used, and fully is: a head turned by 60 and
by 45 degrees. Beyond, an eye may lie behind the nose."""

_LID_EDGE = 0.08
"""Part of the opening, from either lid, that belongs to the painted lids and lashes."""

_WHITER = 1.35
"""How much brighter than the portrait's the whites of a frame may be."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_OVERSAMPLING = 4
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class _Disc:
    """An iris in a picture.

    Attributes:
        middle: `[2]`.
        axes: `[2, 2]`, its half axes across and down as columns.
        narrowness: of their lengths, across over down; of the other sign where it is seen from behind.
    """

    middle: np.ndarray
    axes: np.ndarray

    @property
    def narrowness(self) -> float:
        across, down = np.linalg.norm(self.axes, axis=0)
        return float(np.sign(np.linalg.det(self.axes)) * across / down)

    def inside(self, places: np.ndarray) -> np.ndarray:
        """Pixels `[..., 2]` to places on the disc."""
        return (places - self.middle) @ np.linalg.inv(self.axes).T


@dataclass(frozen=True)
class _Look:
    """How an eye is held, in widths of the eye.

    Attributes:
        gaze: `[2]`, of the iris from the middle of the corners, along and across the line between them.
        opening: of the lids.
    """

    gaze: np.ndarray
    opening: float


@dataclass(frozen=True)
class _Eye:
    """What a portrait shows of an eye.

    Attributes:
        loop, iris: its mesh points.
        look: how it is held.
        narrowness: of its iris.
        picture: `[_SIDE, _SIDE, 3]` float32, its iris.
        trust: 0..1, how far that picture may be used.
    """

    loop: tuple[int, ...]
    iris: tuple[int, ...]
    look: _Look
    narrowness: float
    picture: np.ndarray
    trust: float


class Irises:
    """The irises of a portrait.

    Args:
        picture: `[S, S, 3]` uint8, the portrait.
        mesh: `[478, 3]` its mesh in crop units.
    """

    def __init__(self, picture: np.ndarray, mesh: np.ndarray) -> None:
        points = _pixels(mesh, len(picture))
        pairs = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))
        found = [_see(picture, points, loop, iris) for loop, iris in pairs]
        trust = min(0.0 if eye is None else eye.trust for eye in found)  # two eyes of one kind
        self._eyes = [replace(eye, trust=trust) for eye in found if eye is not None]
        whites = [_white_of(picture, points, loop, iris) for loop, iris in pairs]
        self._whitest = _WHITER * max((white for white in whites if white is not None), default=np.inf)

    def draw(self, frames: np.ndarray, meshes: np.ndarray) -> np.ndarray:
        """Lays the irises over painted frames.

        Args:
            frames: `[T, S, S, 3]` uint8.
            meshes: `[T, 478, 3]` in crop units, the faces that were painted.

        Returns:
            `[T, S, S, 3]` uint8.
        """
        drawn = frames.copy()
        for frame, mesh in zip(drawn, meshes, strict=True):
            points = _pixels(mesh, len(frame))
            for eye in self._eyes:
                self._draw_eye(frame, points, eye)
        return drawn

    def _draw_eye(self, frame: np.ndarray, points: np.ndarray, eye: _Eye) -> None:
        disc = _disc(points, eye.loop, eye.iris)
        if disc is None:
            return
        look = _look(points, eye.loop, eye.iris)
        strength = _departure(eye.look, look) * _ramp(look.opening, _SHUT)
        area = _area(points, eye.loop, len(frame))
        strength = strength * _ramp(disc.narrowness / eye.narrowness, _TURNED)
        if area is None or strength < 0.01:
            return
        rows, columns = area
        part = frame[area].astype(np.float32)
        between = strength * _between_lids(points, eye.loop, area)
        down, across = np.mgrid[rows, columns]
        places = disc.inside(np.stack([across, down], -1).astype(np.float64))
        distance = np.linalg.norm(places, axis=-1)
        self._dim_whites(part, between, distance)
        share = eye.trust * between * (1 - _ramp(distance, _RIM))
        grid = ((places + _REACH) * ((_SIDE - 1) / (2 * _REACH))).astype(np.float32)
        iris = _sample(eye.picture, grid, cv2.INTER_LINEAR)
        part += (iris - part) * share[..., None]
        frame[area] = np.clip(np.rint(part), 0, 255)

    def _dim_whites(self, part: np.ndarray, between: np.ndarray, distance: np.ndarray) -> None:
        """Darkens whites `[h, w, 3]` that glow, shades and all."""
        white = (between > 0.6) & (distance > 1.1)
        if np.count_nonzero(white) < 6:
            return
        brightness = part @ _LUMINANCE
        whitest = np.percentile(brightness[white], 85)
        if whitest > self._whitest:
            bright = np.clip(brightness / self._whitest, 0, 1)
            part *= (1 + (self._whitest / whitest - 1) * between * bright)[..., None]


def _see(
    picture: np.ndarray, points: np.ndarray, loop: tuple[int, ...], iris: tuple[int, ...]
) -> _Eye | None:
    """An eye of a portrait; None where its iris is seen from the side or hidden."""
    disc = _disc(points, loop, iris)
    if disc is None:
        return None
    line = np.linspace(-_REACH, _REACH, _SIDE)
    places = np.stack(np.meshgrid(line, line), -1)
    pixels = (disc.middle + places @ disc.axes.T).astype(np.float32)
    seen = _sample(picture, pixels, cv2.INTER_CUBIC)
    shown = _shown(points, loop, disc)
    distance = np.linalg.norm(places, axis=-1)
    rings = _rings(seen, shown > 0.5, distance)
    if rings is None:
        return None
    trust = float(_ramp(shown[distance < 0.9].mean(), _SEEN) * _ramp(_contrast(rings), _CONTRAST))
    mixed = shown[..., None] * seen.astype(np.float32) + (1 - shown[..., None]) * rings
    return _Eye(loop, iris, _look(points, loop, iris), disc.narrowness, mixed.astype(np.float32), trust)


def _shown(points: np.ndarray, loop: tuple[int, ...], disc: _Disc) -> np.ndarray:
    """How far a portrait shows each pixel of a disc's picture between its lids, `[_SIDE, _SIDE]` 0..1."""
    corners = (disc.inside(_between(points, loop, _LIDS_SHADE)) + _REACH) * ((_SIDE - 1) / (2 * _REACH))
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    _fill(mask, corners)
    shown: np.ndarray = np.clip(2 * cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.5) - 1, 0, 1)
    return shown


def _rings(seen: np.ndarray, shown: np.ndarray, distance: np.ndarray) -> np.ndarray | None:
    """`[_SIDE, _SIDE, 3]`: a disc's usual colours at every distance from its middle. Medians, which glints do not
    reach; None where fewer than three rings are seen."""
    rings = np.minimum((distance / _REACH * (_RINGS - 1)).astype(int), _RINGS - 1)
    known = [ring for ring in range(_RINGS) if np.count_nonzero(shown & (rings == ring)) > 3]
    if len(known) < 3:
        return None
    colours = np.stack([np.median(seen[shown & (rings == ring)], 0) for ring in known])
    at = distance / _REACH * (_RINGS - 1) - 0.5
    return np.stack([np.interp(at, known, colours[:, channel]) for channel in range(3)], -1)


def _contrast(rings: np.ndarray) -> float:
    """How much brighter the white is than the iris, of what `_rings` gives."""
    middle = _SIDE // 2
    line = rings[middle, middle:] @ _LUMINANCE  # outwards
    inside, outside = np.interp(np.array([0.5, _REACH]) * middle / _REACH, range(len(line)), line)
    return float(outside / max(inside, 1.0))


def _white_of(
    picture: np.ndarray, points: np.ndarray, loop: tuple[int, ...], iris: tuple[int, ...]
) -> float | None:
    """How bright the white of a portrait's eye is, 0..255; None where it shows too little."""
    disc = _disc(points, loop, iris)
    if disc is None:
        return None
    mask = np.zeros(picture.shape[:2], np.uint8)
    _fill(mask, _between(points, loop, 0.15))
    down, across = np.nonzero(mask > 127)
    white = np.linalg.norm(disc.inside(np.stack([across, down], 1).astype(np.float64)), axis=1) > 1.1
    if np.count_nonzero(white) < 8:
        return None
    return float(np.percentile(picture[down[white], across[white]] @ _LUMINANCE, 85))


def _departure(own: _Look, look: _Look) -> float:
    """0..1: how far an eye is held otherwise than the portrait holds it, by where it looks or how wide it is open."""
    aside = float(np.linalg.norm(look.gaze - own.gaze))
    opened = look.opening / max(own.opening, 0.05)
    return float(max(_ramp(aside, _LOOKS_ASIDE), _ramp(opened, _OPENS)))


def _look(points: np.ndarray, loop: tuple[int, ...], iris: tuple[int, ...]) -> _Look:
    start, end = points[loop[0]], points[loop[8]]
    along = end - start
    width = float(np.linalg.norm(along)) or 1.0
    offset = points[iris[0]] - (start + end) / 2
    gaze = np.array([offset @ along, offset[0] * along[1] - offset[1] * along[0]]) / width**2
    return _Look(gaze, float(np.linalg.norm(points[loop[4]] - points[loop[12]])) / width)


def _disc(points: np.ndarray, loop: tuple[int, ...], iris: tuple[int, ...]) -> _Disc | None:
    """The iris of an eye; None where it is seen from the side or too small, or points of the eye are not known."""
    if not np.isfinite(points[[*loop, *iris]]).all():
        return None
    middle, right, top, left, bottom = points[list(iris)]
    axes = np.stack([(right - left) / 2, (bottom - top) / 2], 1)
    return _Disc(middle, axes) if abs(np.linalg.det(axes)) >= _FLAT else None


def _between(points: np.ndarray, loop: tuple[int, ...], part: float) -> np.ndarray:
    """`[16, 2]` the loop of an eye's lids, drawn together from either side by a part of the opening."""
    corners = points[list(loop)].copy()
    upper, lower = slice(1, 8), slice(15, 8, -1)
    gap = corners[lower] - corners[upper]
    corners[upper] += part * gap
    corners[lower] -= part * gap
    return corners


def _area(points: np.ndarray, loop: tuple[int, ...], size: int) -> tuple[slice, slice] | None:
    """Rows and columns of a frame that an eye lies in; None outside the frame."""
    corners = points[list(loop)]
    first = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
    last = np.minimum(np.ceil(corners.max(0)).astype(int) + 3, size)
    if (last - first < 2).any():
        return None
    return slice(first[1], last[1]), slice(first[0], last[0])


def _between_lids(points: np.ndarray, loop: tuple[int, ...], area: Sequence[slice]) -> np.ndarray:
    """How far each pixel of an area lies between the lids, `[h, w]` float32 0..1."""
    rows, columns = area
    height, width = rows.stop - rows.start, columns.stop - columns.start
    corners = _between(points, loop, _LID_EDGE) - (columns.start, rows.start)
    mask = np.zeros((height * _OVERSAMPLING, width * _OVERSAMPLING), np.uint8)
    _fill(mask, (corners + 0.5) * _OVERSAMPLING - 0.5)
    small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255


def _sample(picture: np.ndarray, places: np.ndarray, how: int) -> np.ndarray:
    """A picture's colours at `[h, w, 2]` x, y in its pixels."""
    return np.asarray(
        cv2.remap(picture, places[..., 0], places[..., 1], how, borderMode=cv2.BORDER_REPLICATE)
    )


def _fill(mask: np.ndarray, corners: np.ndarray) -> None:
    """Sets a polygon's pixels to 255."""
    fixed = np.round(corners * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)


def _ramp(value: float | np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """0 up to the first end, 1 from the second on."""
    return np.clip((value - ends[0]) / (ends[1] - ends[0]), 0, 1)


def _pixels(mesh: np.ndarray, size: int) -> np.ndarray:
    """A mesh `[478, 3]` in crop units to points `[478, 2]` float64."""
    return (mesh[:, :2].astype(np.float64) + 1) * (size / 2) - 0.5
