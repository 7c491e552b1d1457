"""Acts out the drivers of the demo: tracks of nodding, of looking about and blinking, and of smiling.

    python scripts/make_demo_drivers.py demo/astronaut.jpg -o demo/drivers

There is no film behind them. The face of a portrait is tracked once; its mesh and blendshapes are then moved
by the formulas below and encoded by the model, just as a tracked film would be. So the tracks always fit the
model that is installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from pdfgc.drivers import MotionEncoder
from pdfgc.errors import InputError
from pdfgc.face.crop import crop_mesh, head_box
from pdfgc.face.geometry import POSE_SCALE, apply_pose, euler_to_rotation, fit_pose, remove_pose
from pdfgc.face.mesh import (
    BLENDSHAPES,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from pdfgc.face.tracker import FaceTracker
from pdfgc.media.video import read_image
from pdfgc.motion import SUFFIX, MotionTrack

FPS = Fraction(25)
SECONDS = 6.6
"""A little longer than the demo's speech."""

NECK = (0.0, -10.0, -6.0)
"""What the head turns about, in cm of the canonical face."""

BLINK_TIMES = (0.9, 2.6, 3.3, 5.0)
"""Seconds."""


@dataclass(frozen=True)
class Acting:
    """A face in motion: `meshes [T, 478, 3]` in crop units and `blendshapes [T, 52]`."""

    meshes: np.ndarray
    blendshapes: np.ndarray


def frame_times() -> np.ndarray:
    """`[T]` seconds."""
    return np.arange(int(SECONDS * FPS)) / float(FPS)


def nod(mesh: np.ndarray, blendshapes: np.ndarray) -> Acting:
    """Nods, slower turns to both sides, and a slight tilt, about the neck."""
    time = torch.from_numpy(frame_times()).float()
    swell = torch.sin(torch.pi * time / SECONDS).sqrt()
    turned = torch.stack(
        [
            0.12 * swell * torch.sin(2 * torch.pi * 0.75 * time),
            0.24 * swell * torch.sin(2 * torch.pi * 0.3 * time),
            0.08 * swell * torch.sin(2 * torch.pi * 0.45 * time + 1),
        ],
        -1,
    )
    own = fit_pose(torch.from_numpy(mesh))
    euler = own[:3] + turned
    neck = torch.tensor(NECK)
    moved = euler_to_rotation(own[:3]) @ neck - euler_to_rotation(euler) @ neck
    shift = POSE_SCALE * torch.exp(own[5]) * moved[:, :2] * torch.tensor([1.0, -1.0])
    pose = torch.cat([euler, own[3:5] + shift, own[5:].expand(len(time), 1)], -1)
    return Acting(apply_pose(_canonical(mesh).expand(len(time), -1, -1), pose).numpy(), _still(blendshapes))


def look(mesh: np.ndarray, blendshapes: np.ndarray) -> Acting:
    """Glances to both sides, up and down, with blinks in between."""
    time = frame_times()
    across = _steps(time, ((0.0, 0.0), (0.9, 1.0), (2.6, -1.0), (4.2, 0.0)))
    upwards = _steps(time, ((0.0, 0.0), (0.9, 0.3), (2.6, 0.0), (4.2, -0.8), (5.0, 0.0)))
    shut = np.max([_blink(time - start) for start in BLINK_TIMES], axis=0)
    canonical = _canonical(mesh).numpy()
    moves = across[:, None, None] * _irises(canonical, (0.3, 0.0))
    moves = moves + upwards[:, None, None] * _irises(canonical, (0.0, 0.15))
    moves = moves + shut[:, None, None] * _lids(canonical)
    right, left = np.maximum(across, 0), np.maximum(-across, 0)
    scores: dict[tuple[str, ...], np.ndarray] = {
        ("eyeLookOutLeft", "eyeLookInRight"): 0.8 * right,
        ("eyeLookInLeft", "eyeLookOutRight"): 0.8 * left,
        ("eyeLookUpLeft", "eyeLookUpRight"): 0.6 * np.maximum(upwards, 0),
        ("eyeLookDownLeft", "eyeLookDownRight"): 0.6 * np.maximum(-upwards, 0),
        ("eyeBlinkLeft", "eyeBlinkRight"): 0.9 * shut,
    }
    return _acted(mesh, blendshapes, moves, scores)


def smile(mesh: np.ndarray, blendshapes: np.ndarray) -> Acting:
    """A sober face, then a broad smile, and raised brows now and then."""
    time = frame_times()
    smiling = _steps(time, ((0.0, 0.0), (0.3, -0.7), (3.0, 0.7)), lasting=0.8)
    raised = _steps(time, ((0.0, 0.0), (1.8, 1.0), (2.8, 0.0), (4.4, 1.0), (5.6, 0.0)), lasting=0.5)
    canonical = _canonical(mesh).numpy()
    corners = _pull(canonical, LIPS_OUTER[0], (-0.45, 0.45, -0.25), 1.8)
    corners = corners + _pull(canonical, LIPS_OUTER[10], (0.45, 0.45, -0.25), 1.8)
    brows = np.max(
        [_pull(canonical, point, (0.0, 0.5, 0.0), 1.0) for point in RIGHT_BROW + LEFT_BROW], axis=0
    )
    moves = smiling[:, None, None] * corners + raised[:, None, None] * brows
    scores: dict[tuple[str, ...], np.ndarray] = {
        ("mouthSmileLeft", "mouthSmileRight"): 0.8 * smiling,
        ("cheekSquintLeft", "cheekSquintRight"): 0.3 * smiling,
        ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"): 0.7 * raised,
    }
    return _acted(mesh, blendshapes, moves, scores)


ACTS: dict[str, Callable[[np.ndarray, np.ndarray], Acting]] = {"nod": nod, "look": look, "smile": smile}
"""The drivers by name: a crop mesh `[478, 3]` and blendshapes `[52]` to a face in motion."""


def track_of(acting: Acting, model: MotionEncoder) -> MotionTrack:
    """The model's codes of a face in motion."""
    codes = model.encode_motion(None, acting.meshes.astype(np.float32), acting.blendshapes)
    about = {"model": model.fingerprint, "preset": model.preset, "source": "acted by make_demo_drivers.py"}
    return MotionTrack.from_codes(codes, fps=FPS, metadata=about)


def _acted(
    mesh: np.ndarray, blendshapes: np.ndarray, moves: np.ndarray, scores: Mapping[tuple[str, ...], np.ndarray]
) -> Acting:
    """The face moved by `moves [T, 478, 3]` cm, with `scores [T]` added to the blendshapes of those names."""
    pose = fit_pose(torch.from_numpy(mesh))
    meshes = apply_pose(_canonical(mesh) + torch.from_numpy(moves).float(), pose.expand(len(moves), -1))
    raised = _still(blendshapes)
    for names, values in scores.items():
        for name in names:
            raised[:, BLENDSHAPES.index(name)] += values
    return Acting(meshes.numpy(), raised.clip(0, 1).astype(np.float32))


def _canonical(mesh: np.ndarray) -> torch.Tensor:
    """A crop mesh `[478, 3]` without its pose, in cm."""
    points = torch.from_numpy(mesh)
    return remove_pose(points, fit_pose(points))


def _still(blendshapes: np.ndarray) -> np.ndarray:
    return np.tile(blendshapes, (len(frame_times()), 1))


def _steps(time: np.ndarray, goals: tuple[tuple[float, float], ...], lasting: float = 0.12) -> np.ndarray:
    """`[T]` values that go to each goal (start in seconds, value) by half a cosine of `lasting` seconds."""
    value = np.full(len(time), goals[0][1])
    for start, goal in goals[1:]:
        share = 0.5 - 0.5 * np.cos(np.pi * ((time - start) / lasting).clip(0, 1))
        value = value + share * (goal - value)
    return value


def _blink(time: np.ndarray) -> np.ndarray:
    """`[T]` how far the lids are shut, 0..1: 0.1 s down, 0.04 s shut, 0.16 s up."""
    return np.interp(time, (0.0, 0.1, 0.14, 0.3), (0.0, 1.0, 1.0, 0.0))


def _pull(canonical: np.ndarray, point: int, by: tuple[float, float, float], reach: float) -> np.ndarray:
    """`[478, 3]` cm: one point pulled, those around it less and less (a Gaussian of `reach` cm)."""
    distance = np.linalg.norm(canonical - canonical[point], axis=-1, keepdims=True)
    return np.exp(-0.5 * (distance / reach) ** 2) * np.asarray(by)


def _irises(canonical: np.ndarray, by: tuple[float, float]) -> np.ndarray:
    """`[478, 3]` cm: both irises moved across and up."""
    moves = np.zeros_like(canonical)
    moves[[*RIGHT_IRIS, *LEFT_IRIS], :2] = by
    return moves


def _lids(canonical: np.ndarray) -> np.ndarray:
    """`[478, 3]` cm that shut both eyes: the upper lid comes nine tenths of the way, the lower one."""
    moves = np.zeros_like(canonical)
    for eye in (RIGHT_EYE, LEFT_EYE):
        for n in range(1, 8):
            upper, lower = eye[n], eye[16 - n]
            gap = canonical[lower] - canonical[upper]
            moves[upper], moves[lower] = 0.9 * gap, -0.1 * gap
    return moves


def main() -> int:
    """Reads the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Acts out the drivers of the demo.")
    parser.add_argument("portrait", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder for the tracks")
    parser.add_argument("--model", default="small", help="as of `pdfgc animate` (default: small)")
    options = parser.parse_args()
    try:
        from pdfgc.model import load

        model = load(options.model)
        with FaceTracker() as tracker:
            faces = tracker.detect(read_image(options.portrait))
        if not faces:
            raise InputError(f"no face was found in {options.portrait}")
        mesh = crop_mesh(faces[0].mesh, head_box(faces[:1]))
        options.output.mkdir(parents=True, exist_ok=True)
        for name, act in ACTS.items():
            track_of(act(mesh, faces[0].blendshapes), model).save(options.output / f"{name}{SUFFIX}")
    except InputError as error:
        sys.stderr.write(f"make_demo_drivers: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
