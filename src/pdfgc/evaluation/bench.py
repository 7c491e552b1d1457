"""Renders performances and measures them and their drivers, each thing once."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.cache import MeasurementCache, file_digest
from pdfgc.evaluation.cases import PICTURE_SUFFIXES
from pdfgc.evaluation.identity import STRIDE
from pdfgc.evaluation.measurement import Measurement, Meter, TimedFrame
from pdfgc.evaluation.strips import join, keep, to_jpeg
from pdfgc.files import atomic_path

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


class Bench:
    """Renders and measures, each thing once.

    Args:
        model: makes the avatars.
        weights: differs for any two models that would render anything differently.
        meter: measures frames.
        cache: where measurements are kept.
        seconds: longest performance that is rendered.
    """

    def __init__(
        self, model: Puppeteer, weights: str, meter: Meter, cache: MeasurementCache, seconds: float
    ) -> None:
        self.model = model
        self.weights = weights
        self.meter = meter
        self.cache = cache
        self.seconds = seconds
        self._avatar: tuple[Path, Puppet] | None = None
        self._portraits: dict[Path, tuple[Path, np.ndarray]] = {}

    def clip(self, path: Path) -> Measurement:
        """Measures a driver from its beginning, at most `seconds` of it."""
        key = self.cache.key(clip=file_digest(path), seconds=self.seconds)
        if (known := self.cache.load(key)) is None:
            known = self.meter.measure(_timed_frames(path, self.seconds))
            self.cache.store(key, known)
        return known

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
            sensor_noise: see `Meter.measure`.
        """
        sources = {name: file_digest(Path(v)) if Path(v).exists() else v for name, v in drivers.items()}
        key = self.cache.key(
            weights=self.weights,
            portrait=file_digest(portrait),
            drivers=sources,
            fps=str(fps),
            frames=frames,
            seconds=self.seconds,
            sensor_noise=sensor_noise,
        )
        if (known := self.cache.load(key)) is None:
            shown: list[np.ndarray] = []
            expected = round(self.seconds * fps) if frames is None else frames
            pictures = keep(self._render(portrait, drivers, fps, frames), expected, shown)
            timed = ((float(i / fps), picture) for i, picture in enumerate(pictures))
            known = self.meter.measure(timed, sensor_noise=sensor_noise)
            self._keep_strip(key, shown)
            self.cache.store(key, known)
        return self._with_strip(key, known)

    def replay(self, path: Path, frames: int) -> Measurement:
        """Measures a clip's first frames cropped to the head as if a model had rendered them."""
        key = self.cache.key(replay=file_digest(path), frames=frames, size=REPLAY_SIZE)
        if (known := self.cache.load(key)) is None:
            shown: list[np.ndarray] = []
            known = replace(self.meter.measure(self._head_crops(path, frames, shown)), seconds=0.0)
            self._keep_strip(key, shown)
            self.cache.store(key, known)
        return self._with_strip(key, known)

    def _keep_strip(self, key: str, pictures: list[np.ndarray]) -> None:
        """Some of the frames side by side, for the report."""
        if pictures:
            with atomic_path(self._strip(key)) as temporary:
                temporary.write_bytes(to_jpeg(join(pictures)))

    def _with_strip(self, key: str, measured: Measurement) -> Measurement:
        path = self._strip(key)
        return replace(measured, strip=path if path.is_file() else None)

    def _strip(self, key: str) -> Path:
        return self.cache.folder / f"{key}.jpg"

    def _head_crops(self, path: Path, frames: int, shown: list[np.ndarray]) -> Iterator[TimedFrame]:
        from pdfgc.face.crop import crop, head_box
        from pdfgc.media.video import read_frames

        sample = islice(read_frames(path), 0, frames, STRIDE)
        faces = [found[0] for frame in sample if (found := self.meter.tracker.detect(frame.image))]
        if not faces:
            raise InputError(f"found no face in {path}")
        box = head_box(faces)
        times: list[float] = []

        def cropped() -> Iterator[np.ndarray]:
            for frame in islice(read_frames(path), frames):
                times.append(float(frame.time))
                yield crop(frame.image, box, REPLAY_SIZE)

        for picture in keep(cropped(), frames, shown):
            yield times[-1], picture

    def _render(
        self, portrait: Path, drivers: dict[str, str], fps: Fraction, frames: int | None
    ) -> Iterator[np.ndarray]:
        if self._avatar is None or self._avatar[0] != portrait:
            self._avatar = (portrait, self.model.avatar(portrait))
        length = {} if frames is None else {"duration": frames / fps}
        rendered = self._avatar[1].animate(**drivers, **length, fps=fps)
        return islice(rendered, round(self.seconds * fps) if frames is None else frames)

    def portrait_picture(self, path: Path) -> tuple[Path, np.ndarray]:
        """A portrait as a picture file, and its identity.

        Of a video the first frame with a face is written into the cache folder.

        Raises:
            InputError: there is no face in it.
        """
        if path not in self._portraits:
            self._portraits[path] = self._find_portrait(path)
        return self._portraits[path]

    def _find_portrait(self, path: Path) -> tuple[Path, np.ndarray]:
        from pdfgc.media.video import read_frames, read_image

        if path.suffix.lower() in PICTURE_SUFFIXES:
            embedding = self.meter.portrait(read_image(path))
            if embedding is not None:
                return path, embedding
        else:
            for frame in read_frames(path):
                embedding = self.meter.portrait(frame.image)
                if embedding is not None:
                    return self._keep_picture(frame.image, file_digest(path)), embedding
        raise InputError(f"found no face in the portrait {path}")

    def _keep_picture(self, image: np.ndarray, digest: str) -> Path:
        from PIL import Image

        path = self.cache.folder / f"portrait-{digest[:32]}.png"
        if not path.exists():
            with atomic_path(path) as temporary:
                Image.fromarray(image).save(temporary)
        return path

    def silence(self) -> Path:
        """A silent sound file as long as the longest performance: it sets a length and moves nothing."""
        path = self.cache.folder / "silence.wav"
        with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(bytes(2 * round(16000 * self.seconds)))
        return path


def _timed_frames(path: Path, seconds: float) -> Iterator[TimedFrame]:
    from pdfgc.media.video import read_frames

    for frame in read_frames(path):
        if frame.time >= seconds:
            return
        yield float(frame.time), frame.image
