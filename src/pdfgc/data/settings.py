"""What clips are prepared with: sizes, and limits for what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pdfgc.errors import InputError

Framing = Literal["head", "voxceleb"]

SIZES: dict[Framing, int] = {"head": 256, "voxceleb": 224}
"""Sides of crops in pixels, as the presets `small` and `paper` take them."""

_SMALLEST_SIDE, _LARGEST_SIDE = 16, 2048


@dataclass(frozen=True)
class PrepareSettings:
    """Sizes of prepared clips and limits for what is kept."""

    size: int = 256
    """Side of the stored crops in pixels."""
    framing: Framing = "head"
    """What a crop shows: the head (preset small), or VoxCeleb's narrower alignment (preset paper)."""
    quality: int = 93
    """JPEG quality of the stored crops, 0..100."""
    pictures: bool = True
    """Whether crops are stored at all."""
    longest: int = 1500
    """Frames of one clip; longer shots give several."""
    shortest: int = 10
    """Frames with a face that a clip must have."""
    found: float = 0.8
    """Share of frames that must have a face."""
    smallest: float = 48.0
    """Height of the face in pixels, below which a clip is rejected."""
    sharpness: float = 0.06
    """Detail of the face (`filters.sharpness`), below which a clip is rejected. Sharp clips have 0.1 to 0.8."""
    jump: float = 0.5
    """Movement of the face between neighbouring frames, in face heights, that is taken for another face."""
    second_face: float = 0.5
    """Height of a second face, in heights of the first, from which it counts."""
    crowded: float = 0.2
    """Share of frames with a second face above which a clip is rejected."""
    loudness: float = -50.0
    """dBFS of the loud parts of a sound, below which it is silent."""
    voice: float = 0.3
    """Mean probability of a voice in the loud parts of a sound, below which it is music or noise."""
    bad_sound: Literal["drop", "reject"] = "drop"
    """What becomes of a clip whose sound cannot teach lips: it loses the sound, or is rejected."""
    strict_sync: bool = False
    """Whether a sound that is not surely in step (see `sound_offset`) is bad too."""
    listener: str = "small"
    """The model that finds sound offsets; empty leaves sounds where they are."""

    def __post_init__(self) -> None:
        """Raises InputError for a size that no preset could use."""
        if not _SMALLEST_SIDE <= self.size <= _LARGEST_SIDE:
            raise InputError(
                f"expected a size of {_SMALLEST_SIDE} to {_LARGEST_SIDE} pixels, but got {self.size}"
            )
