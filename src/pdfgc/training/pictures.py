"""Pairs of pictures for the generator: a portrait and frames of the same clip that drive it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch
from torch import Tensor

from pdfgc.data.clips import Clip, ClipSet
from pdfgc.data.faces import draw_clip
from pdfgc.errors import InputError
from pdfgc.face.geometry import MESH_POINTS, canonical_face
from pdfgc.face.mesh import BLENDSHAPES, LEFT_IRIS, RIGHT_IRIS, mouth_opening
from pdfgc.networks.sketch import draw_sketches
from pdfgc.networks.triangles import draw_triangles
from pdfgc.training.stage2_eyes import eye_targets

_ZOOM = (0.88, 1.15)
_SHIFT = 0.04  # of the picture's side
_GAMMA = (0.8, 1.25)
_TINT = 0.1
_CANDIDATES = 4
_BLINKS, _LIPS, _GAZE, _FAR = 0.2, 0.25, 0.2, 0.2
"""Shares of driving frames chosen for their lids, for their lips, for where they look, and for their distance."""

_LIDS = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]

_SHUT = 0.5
"""Score of the lids from which on nothing is told of where eyes look."""


@cache
def mirrored_points() -> np.ndarray:
    """`[478]` the point on the other side of the face, for every mesh point."""
    vertices = canonical_face()["vertices"].numpy()
    mirrored = vertices * np.array([-1.0, 1.0, 1.0])
    distance = np.linalg.norm(mirrored[:, None] - vertices[None], axis=-1)
    partner = np.full(MESH_POINTS, -1)
    for flat in np.argsort(distance, axis=None):  # nearest pairs first, each point once
        a, b = np.unravel_index(flat, distance.shape)
        if partner[a] < 0 and partner[b] < 0:
            partner[a], partner[b] = b, a
    right, left = list(RIGHT_IRIS), list(LEFT_IRIS)
    partner[right] = [left[i] for i in (0, 3, 2, 1, 4)]  # rims run right, top, left, bottom
    partner[left] = [right[i] for i in (0, 3, 2, 1, 4)]
    return partner


def _mirrored(meshes: np.ndarray) -> np.ndarray:
    """Meshes `[..., 478, 3]` as a mirror shows them."""
    return meshes[..., mirrored_points(), :] * np.array([-1.0, 1.0, 1.0], np.float32)


@dataclass(frozen=True)
class PictureTable:
    """Clips with pictures, and in memory what driving frames are chosen by; the pictures stay on the disk."""

    clips: tuple[Clip, ...]
    meshes: tuple[np.ndarray, ...]
    """Of each clip `[T, 478, 3]` in crop units."""
    lids: tuple[np.ndarray, ...]
    """Of each clip `[T]` how far the eyes are shut, 0..1."""
    lips: tuple[np.ndarray, ...]
    """Of each clip `[T]` gap between the lips, `face.mesh.mouth_opening`."""
    gaze: tuple[np.ndarray, ...]
    """Of each clip `[T, 2]` where the eyes look, `stage2_eyes.eye_targets`; not finite where they are shut."""
    people: list[list[int]]
    """Clip numbers of each person."""

    @classmethod
    def load(cls, clips: ClipSet) -> PictureTable:
        """Reads the faces of the clips, which all have pictures.

        Raises:
            InputError: when there are none.
        """
        ordered = tuple(clip for group in clips.by_identity.values() for clip in group)
        if not ordered:
            raise InputError("expected clips with pictures to paint, but there are none that fit")
        numbers: dict[str, list[int]] = {}
        for number, clip in enumerate(ordered):
            numbers.setdefault(clip.identity, []).append(number)
        meshes = tuple(clip.mesh() for clip in ordered)
        scores = [clip.blendshapes() for clip in ordered]
        return cls(
            ordered,
            meshes,
            tuple(score[:, _LIDS].mean(1) for score in scores),
            tuple(mouth_opening(mesh) for mesh in meshes),
            tuple(_gaze(score) for score in scores),
            list(numbers.values()),
        )

    def usual_face(self) -> np.ndarray:
        """`[478, 3]` in crop units: where the points stand on average in what `draw_pictures` draws."""
        means = [np.mean([self.meshes[clip].mean(0) for clip in clips], 0) for clips in self.people]
        face = np.mean(means, 0)
        return np.mean(_ZOOM) * (face + _mirrored(face)) / 2


def draw_pictures(
    table: PictureTable, random: np.random.Generator, drivers: int, size: int
) -> dict[str, Tensor]:
    """A portrait and `drivers` driving frames of one clip under one augmentation.

    Returns:
        `pictures [1 + drivers, 3, size, size]` uint8, `meshes [1 + drivers, 478, 3]` in crop units,
        `sketches [1 + drivers, channels, size, size]` uint8, the portrait first in each;
        `triangles [drivers, size, size]` uint8 of the driving frames.
    """
    number = draw_clip(table.people, random)
    frames = _draw_frames(table, number, random, drivers)
    zoom = random.uniform(*_ZOOM)
    shift = random.uniform(-_SHIFT, _SHIFT, 2) * size
    mirror = bool(random.random() < 0.5)
    return augmented(table.clips[number], frames, size, zoom, shift, mirror, _colours(random))


def _draw_frames(table: PictureTable, number: int, random: np.random.Generator, drivers: int) -> np.ndarray:
    """A portrait's frame and those of its drivers.

    Large turns, blinks, far glances and shut mouths under an open one are rare and hardest, so most drivers are chosen
    from a few: the one that is farthest from the portrait, or whose lids, lips or gaze differ most from the portrait's.
    """
    meshes, features = table.meshes[number], [table.lids[number], table.lips[number], table.gaze[number]]
    portrait = int(random.integers(len(meshes)))
    chosen = [portrait]
    ends = np.cumsum([_BLINKS, _LIPS, _GAZE, _FAR])
    for _ in range(drivers):
        kind = int(np.searchsorted(ends, random.random(), side="right"))
        if kind < len(features):
            candidates = random.integers(len(meshes), size=4 * _CANDIDATES)
            apart = _distances(features[kind], candidates, portrait)
        else:
            far = kind == len(features)
            candidates = random.integers(len(meshes), size=_CANDIDATES if far else 1)
            apart = _distances(meshes, candidates, portrait)
        chosen.append(int(candidates[int(np.argmax(apart))]))
    return np.array(chosen)


def _distances(values: np.ndarray, candidates: np.ndarray, portrait: int) -> np.ndarray:
    """How far rows `[T, ...]` are from the portrait's, `[candidates]`; 0 where that is not known."""
    apart = np.abs(values[candidates] - values[portrait]).reshape(len(candidates), -1).mean(1)
    return np.where(np.isfinite(apart), apart, 0)


def _gaze(scores: np.ndarray) -> np.ndarray:
    """`[T, 2]` of blendshapes `[T, 52]`: to the picture's right, and down."""
    gaze = eye_targets(torch.from_numpy(scores)).numpy()[:, 2:4]
    return np.where(scores[:, _LIDS].mean(1, keepdims=True) < _SHUT, gaze, np.nan)


def augmented(
    clip: Clip,
    frames: np.ndarray,
    size: int,
    zoom: float = 1.0,
    shift: np.ndarray | tuple[float, float] = (0.0, 0.0),
    mirror: bool = False,
    colours: np.ndarray | None = None,
) -> dict[str, Tensor]:
    """Frames of a clip, zoomed about the centre, shifted in pixels, mirrored and recoloured alike.

    Returns:
        As `draw_pictures`.
    """
    stored = clip.info.picture_size
    scale = zoom * size / stored
    middle = (size - 1) / 2
    matrix = np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])
    matrix[:, 2] = middle - scale * (stored - 1) / 2 + np.asarray(shift)
    pictures = clip.pictures([int(frame) for frame in frames])
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    warped = [
        cv2.warpAffine(picture, matrix, (size, size), flags=shrink, borderMode=cv2.BORDER_REPLICATE)
        for picture in pictures
    ]
    meshes = np.stack([clip.mesh(slice(int(frame), int(frame) + 1))[0] for frame in frames])
    meshes = meshes * zoom
    meshes[..., :2] += np.asarray(shift) * (2 / size)
    if mirror:
        warped = [picture[:, ::-1] for picture in warped]
        meshes = _mirrored(meshes)
    if colours is not None:
        warped = [cv2.LUT(np.ascontiguousarray(picture), colours) for picture in warped]
    meshes = np.ascontiguousarray(meshes, np.float32)
    return {
        "pictures": torch.from_numpy(np.stack(warped)).permute(0, 3, 1, 2).contiguous(),
        "meshes": torch.from_numpy(meshes),
        "sketches": torch.from_numpy(draw_sketches(meshes, size)),
        "triangles": torch.from_numpy(draw_triangles(meshes[1:], size)),
    }


def _colours(random: np.random.Generator) -> np.ndarray:
    """A look-up table `[256, 1, 3]` of a random gamma and tint."""
    levels = np.linspace(0, 1, 256)[:, None, None] ** random.uniform(*_GAMMA)
    tint = random.uniform(1 - _TINT, 1 + _TINT, 3)
    return np.clip(255 * levels * tint, 0, 255).astype(np.uint8)
