"""Faces that are plain colours, a tracker that reads them, and a model whose codes and frames are legible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pdfgc.face.crop import CropBox, head_box
from pdfgc.face.geometry import POSE_SCALE, apply_pose, canonical_face, fit_pose
from pdfgc.face.tracker import Face
from pdfgc.motion import BLINK, FACTORS, GAZE, SMOOTHING, MotionTrack

JAW_OPEN, BLINK_LEFT, SMILE = 25, 9, 44
NOBODY = (0, 0, 0)


def colour(yaw: float = 0.0, mouth: float = 0.0, blink: float = 0.0) -> tuple[int, int, int]:
    """The colour of a face: yaw in degrees, mouth and lids 0..1."""
    return 100 + round(100 * blink), 128 + round(yaw), round(255 * mouth)


def picture(*colours: tuple[int, int, int], height: int = 64, width: int = 96) -> np.ndarray:
    """`[H, W, 3]` uint8 with a face of each colour, side by side, the first a little larger."""
    return np.concatenate([np.full((height, width, 3), c, np.uint8) for c in colours], 1)


def write_folder(folder: Path, colours: Iterable[tuple[int, int, int]]) -> Path:
    """Numbered frames, exact because PNG."""
    folder.mkdir()
    for number, c in enumerate(colours):
        Image.fromarray(picture(c)).save(folder / f"{number}.png")
    return folder


class PaintedTracker:
    """Stands for `pdfgc.face.tracker.FaceTracker`; counts its searches."""

    looks = 0
    searches = 0

    def __init__(self, max_faces: int = 1) -> None:
        self._max_faces = max_faces

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> list[Face]:
        """The faces of a `picture`."""
        type(self).looks += 1
        type(self).searches += thorough
        height, width = image.shape[:2]
        middle = image[height // 2].astype(int)
        edges = np.flatnonzero(np.abs(np.diff(middle, axis=0)).sum(1) > 20) + 1
        faces: list[Face] = []
        for left, right in zip([0, *edges], [*edges, width], strict=True):
            red, green, blue = middle[(left + right) // 2]
            if red > 50:
                faces.append(_face((left + right) / 2, height, (red, green, blue), 1 - 0.1 * len(faces)))
        return faces[: self._max_faces]

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> PaintedTracker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _face(centre: float, height: int, rgb: tuple[int, int, int], share: float) -> Face:
    vertices = canonical_face()["vertices"]
    head = torch.cat([vertices, vertices[:10]])
    yaw = float(np.radians(rgb[1] - 128))
    mesh = apply_pose(head, torch.tensor([0.0, yaw, 0, 0, 0, 0])).numpy()
    pixels = share * height / 40 / POSE_SCALE  # the head, 18 cm, fills a little less than half the height
    mesh = mesh * pixels + (centre, height / 2, 0)
    blendshapes = np.zeros(52, np.float32)
    blendshapes[BLINK_LEFT] = (rgb[0] - 100) / 100
    blendshapes[JAW_OPEN] = blendshapes[SMILE] = rgb[2] / 255
    return Face(mesh.astype(np.float32), blendshapes, np.eye(4, dtype=np.float32))


@dataclass
class FakePortrait:
    """The head crop, kept, and its codes."""

    image: np.ndarray
    codes: dict[str, np.ndarray]


class FakeModel:
    """Obeys the interface of `pdfgc.model.Model`.

    Codes: pose as fitted; lips and expression full of jawOpen and mouthSmile, blink of eyeBlinkLeft; gaze of
    the yaw. Speech gives the loudness of each frame. A rendered frame shows the portrait's crop with two flat
    corners: top left the lips, top right the pose's yaw (see `read_frame`).
    """

    preset = "fake"
    fingerprint = "f" * 16
    size = 32
    pose_in_radians = True

    def __init__(self, needs_crops: bool = False) -> None:
        self.needs_crops = needs_crops
        self.crops: list[np.ndarray] = []
        self.largest_batch = 0

    def encode_motion(
        self, crops: np.ndarray | None, meshes: np.ndarray, blendshapes: np.ndarray
    ) -> dict[str, np.ndarray]:
        """See above."""
        count = len(meshes)
        if self.needs_crops:
            assert crops is not None
            assert crops.shape == (count, self.size, self.size, 3)
            self.crops.extend(crops)
        self.largest_batch = max(self.largest_batch, count)
        pose = fit_pose(torch.from_numpy(meshes)).numpy()
        codes = {name: np.zeros((count, size), np.float32) for name, size in FACTORS.items()}
        codes["lips"][:] = blendshapes[:, JAW_OPEN, None]
        codes["expression"][:] = blendshapes[:, SMILE, None]
        codes["eyes"][:, BLINK] = blendshapes[:, BLINK_LEFT, None]
        codes["eyes"][:, GAZE] = pose[:, 1, None]
        codes["pose"][:] = pose
        return codes

    def box(self, faces: Sequence[Face]) -> CropBox:
        """The whole head."""
        return head_box(faces)

    def smooth(self, track: MotionTrack, strength: float) -> MotionTrack:
        """The usual widths."""
        return track.smooth(**{name: width * strength for name, width in SMOOTHING.items()})

    def encode_speech(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        """Rows as soon as their samples are there."""
        rest, done, seen = np.zeros(0, np.float32), 0, 0
        for block in wave:
            rest, seen = np.concatenate([rest, block]), seen + len(block)
            while (done + 1) / fps * 16000 <= seen:
                first, last = round(done / fps * 16000), round((done + 1) / fps * 16000)
                loudness = float(np.abs(rest[: last - first]).max(initial=0))
                rest, done = rest[last - first :], done + 1
                yield np.full((1, FACTORS["lips"]), loudness, np.float32)

    def portrait(self, image: np.ndarray, mesh: np.ndarray, blendshapes: np.ndarray) -> FakePortrait:
        """See above."""
        assert image.shape == (self.size, self.size, 3)
        codes = FakeModel().encode_motion(None, mesh[None], blendshapes[None])
        return FakePortrait(image, {name: values[0] for name, values in codes.items()})

    def render(self, portrait: Any, codes: dict[str, np.ndarray]) -> np.ndarray:
        """See above."""
        self.largest_batch = max(self.largest_batch, len(codes["lips"]))
        frames = np.repeat(portrait.image[None], len(codes["lips"]), 0)
        half = self.size // 2
        frames[:, :half, :half] = np.rint(255 * codes["lips"][:, 0].clip(0, 1))[:, None, None, None]
        frames[:, :half, half:] = np.rint(128 + np.degrees(codes["pose"][:, 1]))[:, None, None, None]
        return frames


def read_frame(frame: np.ndarray) -> tuple[float, float]:
    """Lips 0..1 and yaw in degrees of a frame of `FakeModel.render`, at any size."""
    side = len(frame)
    corners = frame[side // 4, side // 4], frame[side // 4, 3 * side // 4]
    return float(corners[0].mean()) / 255, float(corners[1].mean()) - 128
