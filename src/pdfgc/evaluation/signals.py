"""What the tracker sees in a row of frames: one number a frame and measure, on a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.metrics.blinks import LEAST_OPEN, USUAL

if TYPE_CHECKING:
    from pdfgc.face.tracker import Face


@dataclass(frozen=True)
class Measure:
    """A column of the control matrix.

    Attributes:
        unit: unit of the signal.
        min_sd: standard deviation over a clip, in that unit, from which a driver counts as moving: about
            three times what MediaPipe shows on a frozen 256 px head under 2 grey levels of noise.
        centred: two people differ in it at rest: the error that counts is the one without the means.
    """

    unit: str
    min_sd: float
    centred: bool = False


NEARLY_SHUT = 0.6
"""Part of the usual opening of the eyes (`USUAL`) below which the gaze is not known: the tracker's irises follow lids
that close. On rendered heads whose eyes and lids are independent (docs/heads_3d.md) vertical gaze follows the lids at
r 0.89, of the frames that are left at 0.43, and no frame with open lids is lost."""

BROWS_SLIDE = 0.0125
"""Centimetres that the tracker's brows rise with each degree of pitch that it sees, while true brows stand still: the
slope on rendered heads, which is taken off."""

MEASURES: dict[str, Measure] = {
    "mouth": Measure("cm", 0.06, centred=True),
    "smile": Measure("log-odds", 0.15, centred=True),
    "brow": Measure("cm", 0.035, centred=True),
    "blink": Measure("eye widths", 0.01, centred=True),
    "gaze_x": Measure("eye widths", 0.01, centred=True),
    "gaze_y": Measure("eye widths", 0.008, centred=True),
    "pitch": Measure("degrees", 0.5),
    "yaw": Measure("degrees", 0.5),
    "roll": Measure("degrees", 0.5),
    "matrix_pitch": Measure("degrees", 0.5),
    "matrix_yaw": Measure("degrees", 0.5),
    "matrix_roll": Measure("degrees", 0.5),
    "shift_x": Measure("cm", 0.04, centred=True),
    "shift_y": Measure("cm", 0.04, centred=True),
    "zoom": Measure("log scale", 0.005, centred=True),
}
"""Everything measured on a face, in the order of the report's columns.

`smile` is `mesh.smile_odds`, `brow` is `mesh.brow_raise` less what `BROWS_SLIDE` with the pitch. `gaze_x` and `gaze_y`
are NaN where lids are `NEARLY_SHUT`. `pitch`, `yaw`, `roll` come from `fit_pose` (weak perspective, free of framing),
`matrix_*` from MediaPipe's own 4x4 matrix (perspective with a guessed camera). `blink` is the opening of the eyes, mean
of both."""


def choose_measures(names: Sequence[str]) -> tuple[str, ...]:
    """Checked names, in the order of `MEASURES`; none means all.

    Raises:
        InputError: an unknown name.
    """
    if unknown := [name for name in names if name not in MEASURES]:
        raise InputError(f"expected measures out of {', '.join(MEASURES)}, got {unknown[0]!r}")
    return tuple(name for name in MEASURES if name in names or not names)


@dataclass(frozen=True)
class Signals:
    """Measures over time.

    Attributes:
        times: `[T]` float64 seconds, increasing.
        values: measure -> `[T]` float64, NaN in frames without a face (gaze: and with nearly shut eyes).
        found: `[T]` bool, a face was found.
    """

    times: np.ndarray
    values: dict[str, np.ndarray]
    found: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def at(self, times: np.ndarray) -> Signals:
        """The signals at other times, linear between frames and held past the ends.

        A value is NaN if one of the two frames that it needs does not know it. `found` is that of the nearest frame.

        Raises:
            InputError: there are no frames.
        """
        if not len(self):
            raise InputError("expected signals with at least one frame, got none")
        position = np.interp(times, self.times, np.arange(len(self), dtype=np.float64))
        nearest = np.rint(position)
        position = np.where(
            np.abs(position - nearest) < 1e-4, nearest, position
        )  # a frame's own time: no blend
        left, right = np.floor(position).astype(int), np.ceil(position).astype(int)
        weight = position - left
        values = {
            name: np.where(left == right, value[left], (1 - weight) * value[left] + weight * value[right])
            for name, value in self.values.items()
        }
        return Signals(times, values, self.found[nearest.astype(int)])


def signals_from_faces(times: Sequence[float], faces: Sequence[Face | None]) -> Signals:
    """The measures of a row of frames.

    Args:
        times: seconds of each frame, increasing.
        faces: the face of each frame, None where there is none.
    """
    found = np.array([face is not None for face in faces], bool)
    values = {name: np.full(len(faces), np.nan) for name in MEASURES}
    seen = [face for face in faces if face is not None]
    if seen:
        meshes, matrices, scores = (
            np.stack([getattr(face, name) for face in seen]) for name in ("mesh", "matrix", "blendshapes")
        )
        measured = _measure(meshes, matrices, scores)
        for name in MEASURES:
            values[name][found] = measured[name]
    return Signals(np.asarray(times, np.float64), values, found)


def _measure(meshes: np.ndarray, matrices: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Measures of `[T, 478, 3]` pixel meshes, `[T, 4, 4]` MediaPipe matrices and `[T, 52]` scores."""
    import torch

    from pdfgc.face.geometry import POSE_SCALE, fit_pose, rotation_to_euler
    from pdfgc.face.mesh import brow_raise, eye_opening, gaze, mouth_opening, smile_odds

    pose = fit_pose(torch.from_numpy(np.ascontiguousarray(meshes, np.float64))).numpy()
    pixels_per_cm = np.median(np.exp(pose[:, 5])) * POSE_SCALE
    turn = matrices[:, :3, :3].astype(np.float64)
    turn = turn / np.cbrt(np.linalg.det(turn))[:, None, None]
    matrix_pose = np.degrees(rotation_to_euler(torch.from_numpy(turn)).numpy())
    left, right = eye_opening(meshes)
    opening = (left + right) / 2
    gaze_x, gaze_y = (np.where(_open(opening), offset, np.nan) for offset in gaze(meshes))
    measured = {
        "mouth": mouth_opening(meshes),
        "smile": smile_odds(scores),
        "brow": brow_raise(meshes) - BROWS_SLIDE * np.degrees(pose[:, 0]),
        "blink": opening,
        "gaze_x": gaze_x,
        "gaze_y": gaze_y,
        "shift_x": pose[:, 3] / pixels_per_cm,
        "shift_y": pose[:, 4] / pixels_per_cm,
        "zoom": pose[:, 5],
    }
    for i, name in enumerate(("pitch", "yaw", "roll")):
        measured[name] = np.degrees(pose[:, i])
        measured[f"matrix_{name}"] = matrix_pose[:, i]
    return measured


def _open(opening: np.ndarray) -> np.ndarray:
    """`[T]` whether eyes of these openings are open enough to look somewhere."""
    usual = np.percentile(opening, USUAL)
    return (opening >= NEARLY_SHUT * usual) & (usual >= LEAST_OPEN)


def pingpong(times: np.ndarray, end: float) -> np.ndarray:
    """Times of a performance folded into a driver whose last frame stands at `end` seconds, to and fro.

    The same folding as `MotionTrack.resample(loop="pingpong")`: neither end shows twice.
    """
    if end <= 0:
        return np.zeros_like(times)
    folded = np.mod(times, 2 * end)
    return np.where(folded > end, 2 * end - folded, folded)
