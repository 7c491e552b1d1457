"""Renders performances and measures them and their drivers, each thing once."""

from __future__ import annotations

import time
import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pdfgc import remarks
from pdfgc.errors import InputError
from pdfgc.evaluation.digests import rendering_digest
from pdfgc.evaluation.evidence import Evidence, Identity, TimedFrame, Tracker, collect
from pdfgc.evaluation.identity import STRIDE
from pdfgc.evaluation.portraits import find_portrait
from pdfgc.evaluation.signals import Signals
from pdfgc.evaluation.store import Arrays, ArrayStore
from pdfgc.evaluation.strips import join, keep, to_jpeg
from pdfgc.files import atomic_path

MOMENT = 1e-6
"""Seconds that a frame's time may fall short of the end by rounding."""

REPLAY_SIZE = 256
"""Pixels of the head crops of a replayed driver, those of a usual result."""


class Puppet(Protocol):
    """What is asked of an avatar; `pdfgc.avatar.Avatar` is one."""

    @property
    def animate(self) -> Callable[..., Iterable[np.ndarray]]:
        """Rendered RGB frames `[H, W, 3]` uint8 for drivers named as in `DRIVERS`, `fps` and `duration`."""


class Puppeteer(Protocol):
    """What is asked of a model; `pdfgc.model.Model` is one."""

    def avatar(self, portrait: Path) -> Puppet:
        """An avatar of the largest face of a picture."""


@dataclass(frozen=True)
class Measurement:
    """What was measured on a row of frames.

    Attributes:
        seen: what was seen in them.
        seconds: wall-clock time that the frames took to come, without looking at them; 0 where nothing was made.
        strip: a picture of some of the frames side by side, where one was kept.
    """

    seen: Evidence
    seconds: float = 0.0
    strip: Path | None = None

    @property
    def signals(self) -> Signals:
        """Measures over time."""
        return self.seen.signals


class Bench:
    """Renders and measures, each thing once.

    Args:
        model: makes the avatars.
        weights: differs for any two models that would render anything differently.
        tracker, identity: look at frames.
        store: where what was seen is kept.
        seconds: longest performance that is rendered.
    """

    def __init__(
        self,
        model: Puppeteer,
        weights: str,
        tracker: Tracker,
        identity: Identity,
        store: ArrayStore,
        seconds: float,
    ) -> None:
        self.model = model
        self.weights = weights
        self.tracker = tracker
        self.identity = identity
        self.store = store
        self.seconds = seconds
        self._avatar: tuple[Path, Puppet] | None = None
        self._portraits: dict[Path, tuple[Path, np.ndarray]] = {}

    def clip(self, path: Path) -> Evidence:
        """What is seen in a driver from its beginning, at most `seconds` of it."""
        return self._look(lambda: _timed_frames(path, self.seconds), clip=self.store.digest(path)).seen

    def perform(
        self,
        portrait: Path,
        drivers: dict[str, str],
        fps: Fraction,
        frames: int | None = None,
        sensor_noise: float = 0.0,
    ) -> Measurement:
        """Renders a portrait and measures it.

        Args:
            portrait: a picture.
            drivers: argument of `animate` -> path or word.
            fps: frames a second.
            frames: how many; by default as many as the drivers ask for, at most `seconds` of them.
            sensor_noise: standard deviation in grey levels of independent Gaussian noise added to every picture
                first (fixed seed), so that a frozen picture shows the tracker's own jitter.
        """
        expected = round(self.seconds * fps) if frames is None else frames
        return self._look(
            lambda: _at_rate(_noisy(self._render(portrait, drivers, fps, frames), sensor_noise), fps),
            expected,
            weights=self.weights,
            rendering=rendering_digest(),
            portrait=self.store.digest(portrait),
            drivers=self.store.digests(drivers),
            fps=str(fps),
            frames=frames,
            sensor_noise=sensor_noise,
        )

    def replay(self, path: Path, frames: int) -> Measurement:
        """Measures a clip's first frames cropped to the head as if a model had rendered them."""
        measured = self._look(
            lambda: self._head_crops(path, frames),
            frames,
            replay=self.store.digest(path),
            cropping=rendering_digest(),
            frames=frames,
            size=REPLAY_SIZE,
        )
        return replace(measured, seconds=0.0)

    def _look(self, make: Callable[[], Iterator[TimedFrame]], pictured: int = 0, **parts: Any) -> Measurement:
        """What is seen in frames that `parts` describe, with a strip where they count about `pictured`."""
        named = type(self.identity).__name__
        key = self.store.key(seconds=self.seconds, identity_stride=STRIDE, identity=named, **parts)
        strip = self.store.folder / f"{key}.jpg"

        def look() -> Arrays:
            shown: list[np.ndarray] = []
            clock = _Clock(make())
            seen = collect(keep(clock, pictured, shown), self.tracker, self.identity)
            if shown:
                with atomic_path(strip) as temporary:
                    temporary.write_bytes(to_jpeg(join(shown)))
            return seen.to_arrays() | {"seconds": np.array([clock.seconds])}

        arrays = self.store.get_by_key(key, look)
        kept = strip if strip.is_file() else None
        return Measurement(Evidence.from_arrays(arrays), float(arrays["seconds"][0]), kept)

    def _head_crops(self, path: Path, frames: int) -> Iterator[TimedFrame]:
        from pdfgc.face.crop import crop, head_box
        from pdfgc.media.video import read_frames

        sample = islice(read_frames(path), 0, frames, STRIDE)
        faces = [found[0] for frame in sample if (found := self.tracker.detect(frame.image))]
        if not faces:
            raise InputError(f"found no face in {path}")
        box = head_box(faces)
        for frame in islice(read_frames(path), frames):
            yield float(frame.time), crop(frame.image, box, REPLAY_SIZE)

    def _render(
        self, portrait: Path, drivers: dict[str, str], fps: Fraction, frames: int | None
    ) -> Iterator[np.ndarray]:
        if self._avatar is None or self._avatar[0] != portrait:
            self._avatar = (portrait, self.model.avatar(portrait))
        length = {} if frames is None else {"duration": frames / fps}
        with remarks.unsaid():
            rendered = self._avatar[1].animate(**drivers, **length, fps=fps)
        return islice(rendered, round(self.seconds * fps) if frames is None else frames)

    def portrait(self, path: Path) -> tuple[Path, np.ndarray]:
        """A portrait as a picture file, and its identity; a clip's is written beside what is kept.

        Raises:
            InputError: there is no face in it.
        """
        if path not in self._portraits:
            found = find_portrait(path, self.tracker, self.store.folder, self.store.digest(path))
            self._portraits[path] = (found.picture, self.identity.embed(found.image, found.face))
        return self._portraits[path]

    def silence(self) -> Path:
        """A silent sound file as long as the longest performance: it sets a length and moves nothing."""
        path = self.store.folder / f"silence-{self.seconds:g}.wav"
        if path.is_file():
            return path
        with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(bytes(2 * round(16000 * self.seconds)))
        return path


def _timed_frames(path: Path, seconds: float) -> Iterator[TimedFrame]:
    from pdfgc.media.video import read_frames

    for frame in read_frames(path):
        if float(frame.time) > seconds - MOMENT:
            return
        yield float(frame.time), frame.image


def _at_rate(pictures: Iterable[np.ndarray], fps: Fraction) -> Iterator[TimedFrame]:
    return ((float(i / fps), picture) for i, picture in enumerate(pictures))


def _noisy(pictures: Iterable[np.ndarray], grey_levels: float) -> Iterator[np.ndarray]:
    noise = np.random.default_rng(0)
    for picture in pictures:
        if grey_levels:
            noisy = picture + noise.normal(0.0, grey_levels, picture.shape)
            picture = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        yield picture


class _Clock:
    """Passes frames on and adds up the seconds that they took to come."""

    def __init__(self, frames: Iterator[TimedFrame]) -> None:
        self.frames = frames
        self.seconds = 0.0

    def __iter__(self) -> Iterator[TimedFrame]:
        return self

    def __next__(self) -> TimedFrame:
        start = time.perf_counter()
        try:
            return next(self.frames)
        finally:
            self.seconds += time.perf_counter() - start
