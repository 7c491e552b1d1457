"""What is good enough, judged by hand-made frames."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pdfgc.data.filters import judge, sharpness
from pdfgc.data.settings import PrepareSettings
from pdfgc.data.tracking import Tracked
from pdfgc.errors import InputError
from pdfgc.face.tracker import Face
from synthetic import talking_meshes

MESHES, _ = talking_meshes(20, np.random.default_rng(0))


def frames(
    scale: float = 100.0, jump: float = 0.0, lost: int = 0, second: float = 0.0, detail: float = 0.3
) -> list[Tracked]:
    result = []
    for number, mesh in enumerate(MESHES):
        pixels = mesh * scale
        pixels[:, 0] += jump if number >= 10 else 0
        face = Face(pixels.astype(np.float32), np.zeros(52, np.float32), np.eye(4, dtype=np.float32))
        result.append(
            Tracked(
                number,
                Fraction(number, 25),
                (256, 256),
                face if number >= lost else None,
                second if number < 10 else 0.0,
                detail,
            )
        )
    return result


def test_good_parts_pass() -> None:
    settings = PrepareSettings()
    assert judge(frames(), settings) is None
    assert judge(frames(lost=4), settings) is None
    assert judge(frames(second=0.4), settings) is None, "somebody in the background"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (frames(lost=5), "no face"),
        (frames()[:9], "too short"),
        (frames(scale=10.0), "tiny face"),
        (frames(jump=80.0), "cut"),
        (frames(second=0.6), "several faces"),
        (frames(detail=0.04), "blurred face"),
    ],
)
def test_bad_parts_say_why(part: list[Tracked], reason: str) -> None:
    rejection = judge(part, PrepareSettings())
    assert rejection is not None and rejection.reason == reason


def test_sharpness_falls_with_blur_and_not_with_light(astronaut: np.ndarray, astronaut_face: Face) -> None:
    sharp = sharpness(astronaut, astronaut_face)
    limit = PrepareSettings().sharpness
    blurred = cv2.GaussianBlur(astronaut, (0, 0), 4.0)  # pixels, of a face of about 120
    assert sharp > 0.1 > limit > sharpness(blurred, astronaut_face)
    small = cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = Face(astronaut_face.mesh / 2, astronaut_face.blendshapes, astronaut_face.matrix)
    assert sharpness(small, half) > 0.1, "a small face is not a blurred one"
    assert sharpness((astronaut * 0.5).astype(np.uint8), astronaut_face) == pytest.approx(sharp, rel=0.1)
    outside = Face(astronaut_face.mesh + 5000, astronaut_face.blendshapes, astronaut_face.matrix)
    assert sharpness(astronaut, outside) == 0.0


def test_sizes_have_limits() -> None:
    with pytest.raises(InputError, match="a size of 16 to 2048"):
        PrepareSettings(size=0)
