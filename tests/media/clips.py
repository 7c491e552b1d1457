"""Small videos and sounds, made with PyAV and nothing of the project, for the tests of the media modules."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np


def grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def quarters(width: int = 64, height: int = 48) -> np.ndarray:
    """White, red / green, blue: shows every turn and mirroring."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = 255
    picture[: height // 2, width // 2 :, 0] = 255
    picture[height // 2 :, : width // 2, 1] = 255
    picture[height // 2 :, width // 2 :, 2] = 255
    return picture


def corners(picture: np.ndarray) -> str:
    """The colours of the four quarters in reading order, as letters."""
    height, width, _ = picture.shape
    names: dict[tuple[int, ...], str] = {(1, 1, 1): "w", (1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b"}
    spots = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return "".join(names[tuple((picture[spot] > 127).astype(int).tolist())] for spot in spots)


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    stamps: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    fps: Fraction = Fraction(25),
    rotation: int = 0,
    hflip: bool = False,
    aspect: Fraction | None = None,
    sound: np.ndarray | None = None,
    sound_rate: int = 16_000,
    sound_start: Fraction = Fraction(0),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
) -> Path:
    """Encodes pictures [H, W, 3] with stamps in `time_base` (default: one every 1/fps) and mono sound."""
    base = time_base or 1 / fps
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = base
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "crf": "10"}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        if sound is not None:
            track = container.add_stream("aac", rate=sound_rate, layout="mono")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number if stamps is None else stamps[number]
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            encode_sound(container, track, sound[None], sound_rate, "fltp", "mono", sound_start)
    return path


def write_sound(
    path: Path, samples: np.ndarray, rate: int, *, codec: str = "pcm_s16le", layout: str = "mono"
) -> Path:
    """Encodes float samples [C, N] in the layout as 16-bit PCM, or by another codec."""
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=rate, layout=layout)
        if codec == "pcm_s16le":
            packed = np.rint(samples.T.reshape(1, -1) * 32767).astype(np.int16)
            encode_sound(container, track, packed, rate, "s16", layout)
        else:
            encode_sound(container, track, samples.astype(np.float32), rate, "fltp", layout)
    return path


def encode_sound(
    container: Any,
    track: Any,
    samples: np.ndarray,
    rate: int,
    form: str,
    layout: str,
    start: Fraction = Fraction(0),
) -> None:
    """Feeds samples (as PyAV shapes them: packed [1, N * C] or planar [C, N]) in blocks of 1024."""
    width = track.codec_context.channels if form == "s16" else 1
    for first in range(0, samples.shape[1], 1024 * width):
        block: Any = np.ascontiguousarray(samples[:, first : first + 1024 * width])
        frame = av.AudioFrame.from_ndarray(block, format=form, layout=layout)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = round(start * rate) + first // width
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def beeps(times: Sequence[Fraction], seconds: float, rate: int) -> np.ndarray:
    """Silence with a beep of 60 ms at each time."""
    samples = np.zeros(round(seconds * rate), np.float32)
    for time in times:
        first = round(time * rate)
        beep = tone(0.06, rate, 1000.0)[: len(samples) - first]
        samples[first : first + len(beep)] = beep
    return samples


def onsets(samples: np.ndarray, rate: int, threshold: float = 0.1) -> list[float]:
    """Seconds at which loud passages begin."""
    loud = np.flatnonzero(np.abs(samples) > threshold)
    new = np.concatenate([[True], np.diff(loud) > rate // 10])
    return [float(place) / rate for place in loud[new]]
