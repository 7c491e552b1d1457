"""A drawn "face" whose parameters can be read back from its pixels: known answers for the whole bench.

A picture is a grid of grey blocks, one a parameter, so it survives a video codec; `FakeTracker` reads the
blocks and hands back MediaPipe's canonical face, deformed and turned accordingly.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from pdfgc.evaluation.signals import BROWS_SLIDE
from pdfgc.face.geometry import canonical_face, euler_to_rotation
from pdfgc.face.mesh import (
    BLENDSHAPES,
    FACE_HEIGHT,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
)  # fmt: skip
from pdfgc.face.tracker import Face
from pdfgc.media.video import read_frames, read_image

GRID, BLOCK = 4, 16
RANGES = {
    "present": (0.0, 1.0),
    "mouth": (0.0, 3.0),  # cm between the lips
    "lids": (-0.5, 0.5),  # cm that the upper lids rise
    "gaze_x": (-0.5, 0.5),  # cm of both irises
    "brow": (-1.0, 1.0),  # cm
    "smile": (-1.0, 1.0),  # cm that the corners rise
    "pitch": (-40.0, 40.0),  # degrees
    "yaw": (-40.0, 40.0),
    "roll": (-40.0, 40.0),
    "gaze_y": (-0.5, 0.5),
    "person": (0.0, 1.0),
    **{f"free{i}": (0.0, 1.0) for i in range(5)},
}
REST = dict.fromkeys(RANGES, 0.0) | {"present": 1.0, "mouth": 0.2}
PARTS = {
    "audio": ("mouth",),
    "lips": ("mouth",),
    "pose": ("pitch", "yaw", "roll"),
    "eyes": ("lids", "gaze_x", "gaze_y"),
    "gaze": ("gaze_x", "gaze_y"),
    "blink": ("lids",),
    "expression": ("smile", "brow"),
}


def draw(**parameters: float) -> np.ndarray:
    """`[64, 64, 3]` picture of a face; parameters not named are at rest."""
    values = REST | parameters
    levels = [255 * (values[name] - low) / (high - low) for name, (low, high) in RANGES.items()]
    grid = np.clip(np.rint(levels), 0, 255).reshape(GRID, GRID)
    return np.repeat(np.kron(grid, np.ones((BLOCK, BLOCK)))[..., None], 3, -1).astype(np.uint8)


def read(image: np.ndarray) -> dict[str, float]:
    """The parameters of a picture of any size, from the middle of each block; what lies right of it is ignored."""
    side = image.shape[0] // GRID
    blocks = image[:, : image.shape[0]].astype(float).mean(-1).reshape(GRID, side, GRID, side)
    middle = slice(side // 4, side - side // 4)
    grid = blocks[:, middle, :, middle].mean((1, 3)).ravel() / 255
    return {name: low + g * (high - low) for g, (name, (low, high)) in zip(grid, RANGES.items(), strict=True)}


class FakeTracker:
    """Finds the face in drawn pictures."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image: np.ndarray) -> list[Face]:
        """No face where the block `present` is dark."""
        self.calls += 1
        parameters = read(image)
        return [face(parameters, image.shape[0])] if parameters["present"] > 0.5 else []

    def __enter__(self) -> FakeTracker:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""


def face(parameters: dict[str, float], side: int = 64) -> Face:
    """The canonical face, deformed and turned, its brows sliding with the pitch as MediaPipe's do.

    Its head box is the whole picture of `side` pixels.
    """
    vertices = canonical_face()["vertices"].numpy().astype(np.float64)
    points = np.concatenate([vertices, np.zeros((10, 3))])
    for eye, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        points[list(iris)] = points[list(eye)].mean(0)
        points[list(iris), 0] += parameters["gaze_x"]
        points[list(iris), 1] -= parameters["gaze_y"]
        points[list(eye[1:8]), 1] += parameters["lids"]
    points[list(RIGHT_BROW + LEFT_BROW), 1] += parameters["brow"] + BROWS_SLIDE * parameters["pitch"]
    middle = points[[LIPS_INNER[0], LIPS_INNER[10]]].mean(0)
    for share, lip in ((0.5, LIPS_INNER[1:10]), (-0.5, LIPS_INNER[11:20])):
        points[list(lip), 1:] = middle[1:]
        points[list(lip), 1] += share * parameters["mouth"]
    points[[LIPS_OUTER[0], LIPS_OUTER[10]], 1] += parameters["smile"]
    euler = torch.tensor([parameters[n] for n in ("pitch", "yaw", "roll")], dtype=torch.float64) * np.pi / 180
    matrix = np.eye(4)
    matrix[:3, :3] = euler_to_rotation(euler).numpy()
    turned = np.einsum("ij,pj->pi", matrix[:3, :3], points)
    scale = side / (2 * FACE_HEIGHT)
    middle_height = (vertices[:, 1].min() + vertices[:, 1].max()) / 2
    mesh = scale * (turned - (0, middle_height, 0)) * (1, -1, -1) + (side / 2, 0.55 * side, 0)
    scores = np.zeros(52, np.float32)
    scores[[BLENDSHAPES.index(f"mouthSmile{side}") for side in ("Left", "Right")]] = (
        0.5 + 0.49 * parameters["smile"]
    )
    return Face(mesh.astype(np.float32), scores, matrix.astype(np.float32))


class FakeIdentity:
    """Embeds the block `person` as an angle: equal persons have cosine 1."""

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """A unit vector."""
        angle = read(image)["person"]
        return np.array([np.cos(angle), np.sin(angle), *np.zeros(126)], np.float32)


class FakeAvatar:
    """Takes every named part from its driver; driving the lips by sound also lifts the brows (the leak)."""

    def __init__(self, portrait: Path, leak: float) -> None:
        self.rest = read(read_image(portrait))
        self.leak = leak

    def animate(
        self, *, fps: Fraction, duration: Fraction | None = None, **drivers: str
    ) -> Iterator[np.ndarray]:
        """Frame by frame until the longest driver or `duration` ends; drivers run at `fps` and to and fro."""
        sources = {k: [read(f.image) for f in read_frames(v)] for k, v in drivers.items() if _is_picture(v)}
        length = max((len(s) for s in sources.values()), default=75)
        length = length if duration is None else round(duration * fps)
        for i in range(length):
            values = dict(self.rest)
            for argument, rows in sources.items():
                row = [*rows, *rows[-2:0:-1]][i % (2 * len(rows) - 2)]
                values |= {part: row[part] for part in PARTS[argument]}
                if argument == "audio":
                    values["brow"] = self.leak * row["brow"]
            yield draw(**values)


class FakeModel:
    """Makes fake avatars and counts them."""

    preset, size, fingerprint = "fake", 64, "fake"

    def __init__(self, leak: float = 0.0) -> None:
        self.leak = leak
        self.generator = torch.nn.Linear(1, 1)
        self.avatars = 0

    def avatar(self, portrait: Path) -> FakeAvatar:
        """An avatar that leaks as the model does."""
        self.avatars += 1
        return FakeAvatar(portrait, self.leak)


def _is_picture(driver: Any) -> bool:
    return Path(driver).suffix == ".mp4" or Path(driver).is_dir()


def write_clip(path: Path, pictures: list[np.ndarray], *, fps: int = 25, sound: bool = True) -> Path:
    """A small video of drawn faces, with a tone as long as the pictures."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=fps, options={"qscale": "1"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16000) if sound else None
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if audio is not None:
            count = len(pictures) * 16000 // fps
            tone = np.sin(np.arange(count) * 0.1).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate = 16000
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def performance(frames: int = 40, /, **amplitudes: float) -> list[np.ndarray]:
    """Pictures in which each named parameter swings about its rest at a rate of its own."""
    swing = {n: np.sin(np.arange(frames) * (0.3 + 0.07 * i)) for i, n in enumerate(sorted(amplitudes))}
    return [
        draw(**{n: REST[n] + a * (swing[n][t] + 1) for n, a in amplitudes.items()}) for t in range(frames)
    ]
