"""Hair as a shell over the scalp: a cap that ends in a line about the face, and falls lower when it is long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdfgc.data.talking_head_3d.look import Look
from pdfgc.data.talking_head_3d.model import PARTS, HeadModel

# Where hair begins on the mean face: height over depth, both cm, from the neck by the ears to the forehead.
_DEPTHS = (-14.0, -8.0, -5.6, -4.2, -2.0, 0.5, 3.0, 5.5)
_HEIGHTS = (-4.5, -4.0, 0.0, 2.2, 4.8, 6.8, 8.6, 9.2)
_LOW_SHARE = (1.0, 1.0, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0)
_RISE = 1.3  # cm from the line to the full thickness
_LONGEST, _NECK_DEPTH = 11.0, -4.0  # cm: no hair farther from the neck's axis
_SUNK = 0.08  # cm under the skin where there is no hair, so that the shell leaves it along a clean line


@dataclass(frozen=True)
class Hair:
    """The shell.

    Attributes:
        roots: `[H]` fine vertices of the head that it stands on.
        thickness: `[H]` cm over them.
        triangles: `[F, 3]` numbers into the shell's own `H` vertices.
        strands: `[H]` cm, a coordinate across the strands.
    """

    roots: np.ndarray
    thickness: np.ndarray
    triangles: np.ndarray
    strands: np.ndarray


def grow(model: HeadModel, look: Look) -> Hair | None:
    """The hair of a head; None for a bald one."""
    if look.hair_thickness <= 0:
        return None
    random = np.random.default_rng(look.hair_seed)
    mean = model.fine(model.vertices)
    phase = random.uniform(0, 2 * np.pi, 3)
    x, y, z = mean.T
    wave = 0.25 * np.sin(0.9 * x + phase[0]) + 0.15 * np.sin(2.3 * x + phase[1])
    line = np.interp(z, _DEPTHS, _HEIGHTS) - look.hair_low * np.interp(z, _DEPTHS, _LOW_SHARE) + wave
    over = np.clip((y - line) / _RISE, 0, 1) * (model.masks["ears"] < 0.3)
    over *= np.clip((_LONGEST - np.hypot(x, z - _NECK_DEPTH)) / 2, 0, 1) * np.clip(
        (y + 12) / 2, 0, 1
    )  # no shoulders
    bumps = 1 + 0.2 * np.sin(0.8 * x + 1.1 * z + phase[2]) * np.sin(0.7 * y + phase[0])
    thickness = look.hair_thickness * over * (2 - over) * bumps - _SUNK
    skin = model.triangles[model.triangle_part == PARTS.index("skin")]
    triangles = skin[(over[skin] > 0).any(1)]
    roots, numbers = np.unique(triangles, return_inverse=True)
    angle = np.arctan2(x, z + 12 * (y > 10))
    strands = 9 * angle + 0.15 * y * np.sin(phase[1])
    return Hair(
        roots,
        thickness[roots].astype(np.float32),
        numbers.reshape(-1, 3),
        strands[roots].astype(np.float32),
    )
