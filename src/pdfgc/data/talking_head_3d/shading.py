"""Colours of what the pixels show: paint, eyes, hair and light, all in linear light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdfgc.data.talking_head_3d.look import Light, Look
from pdfgc.data.talking_head_3d.paint import sample

IRIS_RADIUS = 0.59
"""Centimetres; people's differ by less than a tenth."""

_MOUTH = np.array((0.16, 0.03, 0.03), np.float32)
_TONGUE = np.array((0.42, 0.14, 0.13), np.float32)
_TEETH = np.array((0.72, 0.66, 0.55), np.float32)
_SCLERA = np.array((0.74, 0.70, 0.67), np.float32)
_NECKLINE = (
    7.2,
    -9.5,
    -15.5,
)  # cm: clothes begin so far from the neck's axis under a height, and lower everywhere
_NECK_DEPTH = -4.0

# of skin, right and left eye, teeth, tongue, hair: exponent and strength of the highlight, softness of the terminator
_SHINE = np.array([18.0, 350.0, 350.0, 60.0, 30.0, 14.0], np.float32)
_GLINT = np.array([0.30, 2.2, 2.2, 0.3, 0.2, 0.12], np.float32)
_WRAP = np.array([0.25, 0.1, 0.1, 0.1, 0.2, 0.3], np.float32)
HAIR = 5
"""The hair's number after those of `PARTS`."""


@dataclass(frozen=True)
class Surface:
    """What is known about each visible fragment.

    Attributes:
        part: `[P]` number of `PARTS`, or `HAIR`.
        normal: `[P, 3]` unit, camera axes.
        place: `[P, 3]` on the mean head, cm.
        open: `[P]` how open to the sky, 0..1.
        mouth, ears: `[P]` masks 0..1.
        eye: `[P, 3]` for eyes: direction from the eyeball's centre in its own axes, not unit.
        eye_radius: cm.
        strands: `[P]` for hair, see `Hair`.
    """

    part: np.ndarray
    normal: np.ndarray
    place: np.ndarray
    open: np.ndarray
    mouth: np.ndarray
    ears: np.ndarray
    eye: np.ndarray
    eye_radius: float
    strands: np.ndarray


def shade(surface: Surface, paint: np.ndarray, look: Look, light: Light) -> np.ndarray:
    """Linear colours `[P, 3]` of fragments, for a viewer far away in front."""
    albedo, gloss = _albedo(surface, paint, look)
    normal, part = surface.normal, surface.part
    height = 0.5 + 0.5 * normal[:, 1:2]
    result = albedo * (light.ground + height * (light.sky - light.ground)) * surface.open[:, None]
    shadow = np.clip(1.6 * surface.open, 0, 1)[:, None]
    wrap = _WRAP[part]
    for lamp, colour in zip(light.lamps, light.lamp_colours, strict=True):
        facing = np.clip((normal @ lamp + wrap) / (1 + wrap), 0, 1)[:, None]
        half = lamp + np.array((0.0, 0.0, 1.0), np.float32)
        half = (half / np.linalg.norm(half)).astype(np.float32)
        glint = np.clip(normal @ half, 0, 1) ** _SHINE[part] * gloss
        result += shadow * colour * (albedo * facing + glint[:, None])
    return result


def _albedo(surface: Surface, paint: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Colour `[P, 3]` and strength of highlights `[P]`."""
    part, place = surface.part, surface.place
    gloss = _GLINT[part].copy()
    albedo = np.empty((len(part), 3), np.float32)
    skin = part == 0
    painted = sample(paint, place[skin, :2])
    front = np.clip((place[skin, 2:] + 1.0) / 2.0, 0, 1)
    colour = look.skin + front * (painted[:, :3] - look.skin)
    colour *= 1 - surface.ears[skin, None] * np.array((0.0, 0.18, 0.18), np.float32)
    inside = surface.mouth[skin, None]
    colour = colour + inside * (_MOUTH - colour)
    dressed = _dressed(place[skin])
    colour[dressed] = look.cloth
    albedo[skin] = colour
    gloss[skin] *= np.where(dressed, 0.05, painted[:, 3])
    eyes = (part == 1) | (part == 2)
    albedo[eyes] = _eye(surface.eye[eyes], surface.eye_radius, look)
    albedo[part == 3], albedo[part == 4] = _TEETH, _TONGUE
    hair = part == HAIR
    strands = surface.strands[hair]
    streaks = np.sin(23 * strands) + np.sin(41 * strands + 1) + np.sin(71 * strands + 2)
    albedo[hair] = look.hair * (1 + 0.14 * streaks[:, None])
    return albedo, gloss


def _dressed(place: np.ndarray) -> np.ndarray:
    """Where there are clothes `[P]` bool."""
    radius, below, bottom = _NECKLINE
    off_axis = np.hypot(place[:, 0], place[:, 2] - _NECK_DEPTH)
    return ((off_axis > radius) & (place[:, 1] < below)) | (place[:, 1] < bottom)


def _eye(direction: np.ndarray, radius: float, look: Look) -> np.ndarray:
    """White, iris and pupil by the distance from the pupil's middle."""
    unit = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
    off = radius * np.hypot(unit[:, 0], unit[:, 1])
    off = np.where(unit[:, 2] > 0, off, radius)
    around = np.arctan2(unit[:, 1], unit[:, 0])
    fibres = 1 + 0.15 * np.sin(25 * around) + 0.1 * np.sin(57 * around + 1)
    ring = 1 - 0.55 * _step(off, 0.8 * IRIS_RADIUS, IRIS_RADIUS)
    iris = look.iris * (fibres * ring)[:, None]
    pupil = look.pupil * IRIS_RADIUS
    iris = iris * _step(off, pupil - 0.03, pupil + 0.03)[:, None]
    reddish = 1 - 0.25 * _step(off, 0.75, 1.1)[:, None] * np.array((0.2, 1.0, 1.0), np.float32)
    white = _step(off, IRIS_RADIUS - 0.03, IRIS_RADIUS + 0.04)[:, None]
    return (iris + white * (_SCLERA * reddish - iris)).astype(np.float32)


def _step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)
