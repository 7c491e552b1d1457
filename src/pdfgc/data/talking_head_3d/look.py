"""What a rendered person and the place look like: colours, hair, light, camera, background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pdfgc.face.mesh import FACE_HEIGHT

GAMMA = 2.2

_SKINS = np.array(
    [
        (244, 214, 194),
        (232, 190, 162),
        (219, 170, 135),
        (192, 138, 101),
        (150, 102, 72),
        (104, 67, 48),
        (74, 48, 37),
    ]
)
_HAIRS = np.array(
    [(18, 15, 14), (40, 27, 20), (78, 52, 34), (130, 92, 56), (188, 154, 104), (120, 60, 32), (150, 148, 146)]
)
_IRISES = np.array([(62, 38, 22), (92, 60, 32), (104, 96, 58), (84, 112, 96), (90, 122, 150), (60, 72, 84)])


def linear(colour: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """Display colours 0..255 to linear light 0..1, float32."""
    return ((np.asarray(colour, np.float32) / 255) ** GAMMA).astype(np.float32)


@dataclass(frozen=True)
class Look:
    """A person's colours, linear light 0..1 `[3]`, and the rest of what is painted on a head.

    Attributes:
        skin, lips, hair, brows, iris, cloth: colours.
        gloss: how oily the skin is, 0..1.
        pupil: radius over the iris's.
        brow_width: thickness of the brows over the usual.
        beard: stubble, 0..1.
        blush: red of the cheeks, 0..1.
        freckles: 0..1.
        hair_thickness: cm over the scalp; 0 is a bald head.
        hair_low: cm by which the hair reaches lower than a short cut behind the ears.
        hair_seed: of the strands and the paint's noise.
    """

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brows: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    gloss: float
    pupil: float
    brow_width: float
    beard: float
    blush: float
    freckles: float
    hair_thickness: float
    hair_low: float
    hair_seed: int

    @classmethod
    def random(cls, random: np.random.Generator) -> Look:
        """Somebody."""
        tone = random.uniform(0, 1) ** 1.4 * (len(_SKINS) - 1)
        step = int(tone)
        skin = _SKINS[step] + (tone - step) * (_SKINS[min(step + 1, len(_SKINS) - 1)] - _SKINS[step])
        skin = linear(np.clip(skin * random.uniform(0.96, 1.04) * random.uniform(0.985, 1.015, 3), 0, 255))
        dark = tone / (len(_SKINS) - 1)
        made_up = random.random() < 0.3
        lips = skin * (0.78, 0.42, 0.42) + linear((150, 20, 40)) * (0.35 if made_up else 0.08 * (1 - dark))
        hair = linear(_HAIRS[random.choice(len(_HAIRS) if dark < 0.5 else 2)]) * random.uniform(0.8, 1.2)
        iris = linear(_IRISES[random.choice(len(_IRISES) if dark < 0.4 else 2)]) * random.uniform(0.8, 1.3)
        long_hair = random.random() < 0.45
        return cls(
            skin=skin,
            lips=lips.astype(np.float32),
            hair=hair,
            brows=np.minimum(hair, skin * 0.25),
            iris=iris,
            cloth=linear(random.uniform(20, 230, 3)),
            gloss=random.uniform(0.1, 0.6),
            pupil=random.uniform(0.3, 0.5),
            brow_width=random.uniform(0.8, 1.4),
            beard=random.choice([0.0, 0.0, random.uniform(0.1, 0.7)]) if not long_hair else 0.0,
            blush=random.uniform(0.0, 0.6),
            freckles=random.choice([0.0, random.uniform(0, 0.5)]),
            hair_thickness=0.0 if random.random() < 0.1 else random.uniform(0.5, 1.6) + 0.6 * long_hair,
            hair_low=random.uniform(4, 12) if long_hair else 0.0,
            hair_seed=int(random.integers(2**31)),
        )


@dataclass(frozen=True)
class Light:
    """One large lamp, a small one from the other side, and the room.

    Attributes:
        lamps: `[L, 3]` unit vectors towards them, in camera axes (x right, y up, z towards the camera).
        lamp_colours: `[L, 3]` linear.
        sky, ground: `[3]` linear, the room above and below.
    """

    lamps: np.ndarray
    lamp_colours: np.ndarray
    sky: np.ndarray
    ground: np.ndarray

    @classmethod
    def random(cls, random: np.random.Generator) -> Light:
        """Some room."""
        side = random.choice([-1.0, 1.0])
        turns = np.array([side * random.uniform(0.1, 1.1), -side * random.uniform(0.3, 1.4)])
        heights = random.uniform((0.1, -0.1), (0.9, 0.5))
        lamps = np.stack(
            [np.sin(turns) * np.cos(heights), np.sin(heights), np.cos(turns) * np.cos(heights)], 1
        )
        warmth = random.uniform(-0.12, 0.12, (4, 1)) * np.array([1.0, 0.0, -1.0])
        strengths = np.array(
            [random.uniform(0.35, 0.7), random.uniform(0.0, 0.25), random.uniform(0.25, 0.5)]
        )
        return cls(
            lamps=lamps.astype(np.float32),
            lamp_colours=(strengths[:2, None] * (1 + warmth[:2])).astype(np.float32),
            sky=(strengths[2] * (1 + warmth[2])).astype(np.float32),
            ground=(strengths[2] * random.uniform(0.3, 0.7) * (1 + warmth[3])).astype(np.float32),
        )


@dataclass(frozen=True)
class Camera:
    """A pinhole camera before the head, looking along -z.

    Attributes:
        distance: from the head's origin in cm.
        scale: width of the picture over a face's height (`FACE_HEIGHT`), at that distance.
        noise: standard deviation of the pictures' grain, grey levels.
    """

    distance: float
    scale: float
    noise: float

    @classmethod
    def random(cls, random: np.random.Generator) -> Camera:
        """From an arm's length to a tele lens."""
        return cls(random.uniform(55, 160), random.uniform(1.75, 2.1), random.uniform(0.3, 2.0))

    def project(self, points: np.ndarray, side: int) -> np.ndarray:
        """Points `[..., 3]` in camera axes about the head's place to pixels and distance `[..., 3]`."""
        distance = np.maximum(self.distance - points[..., 2], 1.0)
        pixels = side / (self.scale * FACE_HEIGHT) * self.distance / distance
        return np.stack(
            [side / 2 + pixels * points[..., 0], side / 2 - pixels * points[..., 1], distance], -1
        ).astype(np.float32)


def draw_background(random: np.random.Generator, side: int) -> np.ndarray:
    """A blurred room `[side, side, 3]`, linear light."""
    room = np.zeros((64, 64, 3), np.float32)
    room[:] = _dull(random, 40, 220)
    for _ in range(random.integers(3, 12)):
        left, top = random.integers(-8, 56, 2)
        right, bottom = left + random.integers(4, 40), top + random.integers(4, 60)
        room[max(top, 0) : bottom, max(left, 0) : right] = _dull(random, 20, 240)
    blurred = cv2.GaussianBlur(room, (0, 0), random.uniform(0.8, 5.0))
    return cv2.resize(blurred, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _dull(random: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A colour of rooms: mostly grey."""
    grey = random.uniform(low, high)
    return linear(np.clip(grey + random.normal(0, 18, 3), 0, 255))
