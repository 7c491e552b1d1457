"""A worked-out performance: rendered frame by frame as it is looked at or written."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pdfgc.errors import InputError
from pdfgc.files import atomic_path
from pdfgc.motion import SUFFIX, MotionTrack
from pdfgc.progress import track as show_progress

if TYPE_CHECKING:
    from pdfgc.face.crop import CropBox

log = logging.getLogger(__name__)

BATCH = 8
"""Frames rendered at once."""

MIN_SIDE, MAX_SIDE = 32, 4096
"""Pixels of the longer side of a result; hardware decoders of H.264 end at 4096."""


class Renderer(Protocol):
    """The part of a model that paints frames; `pdfgc.model.Model` is one."""

    def render(self, portrait: Any, codes: dict[str, np.ndarray]) -> np.ndarray:
        """Head crops `[T, S, S, 3]` uint8 of an encoded portrait under codes `{factor: [T, D]}`."""


@dataclass(frozen=True)
class View:
    """How a rendered head crop becomes a frame.

    Attributes:
        width, height: of the frames, pixels.
        show: `[S, S, 3]` uint8, as rendered, to `[height, width, 3]` uint8.
    """

    width: int
    height: int
    show: Callable[[np.ndarray], np.ndarray]


def head_view(side: int, box: CropBox | None = None, part: CropBox | None = None) -> View:
    """The head alone, resized to `side` pixels where it was not rendered at that.

    Args:
        side: of the frames, pixels.
        box, part: the head's square in the picture and the part of it to show (default all).
    """
    _check_side(side)

    def show(rendered: np.ndarray) -> np.ndarray:
        if box is not None and part is not None and part != box:
            scale = rendered.shape[0] / box.side
            left, top = round((part.left - box.left) * scale), round((part.top - box.top) * scale)
            width = round(part.side * scale)
            rendered = rendered[top : top + width, left : left + width]
        if rendered.shape[0] == side:
            return rendered
        import cv2

        flag = cv2.INTER_AREA if rendered.shape[0] > side else cv2.INTER_LANCZOS4
        return cv2.resize(rendered, (side, side), interpolation=flag)

    return View(side, side, show)


def picture_view(picture: np.ndarray, box: CropBox, longest: int | None = None) -> View:
    """The whole picture with the head pasted into it.

    Args:
        picture: `[H, W, 3]` uint8.
        box: the head's square in it.
        longest: pixels of the longer side (default the picture's own, at most `MAX_SIDE`).
    """
    from pdfgc.face.crop import CropBox, Paster

    own = max(picture.shape[:2])
    if longest is None:
        longest = min(own, MAX_SIDE)
        if longest < own:
            log.warning("the picture is %d pixels long; the video will be %d", own, longest)
    _check_side(longest)
    if longest != own:
        import cv2

        height, width = (max(1, round(side * longest / own)) for side in picture.shape[:2])
        scale_x, scale_y = width / picture.shape[1], height / picture.shape[0]
        flag = cv2.INTER_AREA if longest < own else cv2.INTER_LANCZOS4
        picture = cv2.resize(picture, (width, height), interpolation=flag)
        box = CropBox(box.left * scale_x, box.top * scale_y, box.side * (scale_x + scale_y) / 2)
    paster: list[Paster] = []  # made with the first frame, whose size only the model knows

    def show(rendered: np.ndarray) -> np.ndarray:
        if not paster:
            paster.append(Paster(picture, box, len(rendered)))
        return paster[0](rendered)

    return View(picture.shape[1], picture.shape[0], show)


def _check_side(side: int) -> None:
    if not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(
            f"the size of a result must lie between {MIN_SIDE} and {MAX_SIDE} pixels, not {side}"
        )


def check_quality(quality: int) -> None:
    """Raises InputError when H.264 has no such constant rate factor."""
    if not 0 <= quality <= 51:
        raise InputError(f"quality must lie between 0 (lossless) and 51, not {quality}")


class Performance:
    """Frames of a portrait under a motion track; nothing is rendered before it is asked for.

    Iterating gives `[H, W, 3]` uint8 RGB frames, from the start each time, with the memory of a few of them.

    Attributes:
        track: the motion, one frame of it for each frame of the result. A still lasts one frame.
        fps: frames a second.
        width, height: pixels of the frames.
        audio: the sound that goes with them, or None.
    """

    def __init__(
        self,
        model: Renderer,
        portrait: Any,
        track: MotionTrack,
        view: View,
        *,
        fps: Fraction,
        audio: str | os.PathLike[str] | None = None,
    ) -> None:
        self.track = track
        self.fps = fps
        self.width = view.width
        self.height = view.height
        self.audio = audio
        self._model = model
        self._portrait = portrait
        self._show = view.show

    def __len__(self) -> int:
        return len(self.track)

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), BATCH):
            codes = {name: values[start : start + BATCH] for name, values in self.track.codes.items()}
            for rendered in self._model.render(self._portrait, codes):
                yield self._show(rendered)

    def save(self, path: str | os.PathLike[str], *, quality: int = 18) -> Path:
        """Renders into an MP4 with its sound, and leaves the motion track beside it.

        `out.mp4` gets `out.motion.safetensors`. Both appear when all is done; after an error neither does.

        Args:
            path: the video (.mp4, .m4v or .mov).
            quality: H.264's constant rate factor, 0 (lossless) to 51 (unrecognisable).

        Returns:
            The path of the video.

        Raises:
            InputError: a path that cannot be written, or sound that cannot be read.
        """
        from pdfgc.media.audio import AudioSource
        from pdfgc.media.video import VideoWriter

        check_quality(quality)
        target = Path(path)
        writer = VideoWriter(
            target,
            width=self.width,
            height=self.height,
            fps=self.fps,
            audio=None if self.audio is None else AudioSource(self.audio),
            quality=quality,
        )
        with atomic_path(target.with_suffix(SUFFIX)) as beside:
            self.track.save(beside)
            with writer:
                for frame in show_progress(self, len(self), "frames"):
                    writer.write(frame)
        return target
