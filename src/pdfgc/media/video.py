"""Frames with exact times from a video, an animated or still picture, or a folder of numbered frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from pdfgc.errors import InputError
from pdfgc.media.container import (
    PathLike,
    decode_video,
    first_picture_time,
    frame_time,
    open_media,
    picture_stream,
    sound_stream,
)
from pdfgc.media.images import (
    animation_delays,
    is_animation,
    is_still,
    list_frames,
    read_animation,
    read_image,
)
from pdfgc.media.pixels import upright_rgb
from pdfgc.media.writer import VideoWriter

__all__ = ["Frame", "VideoInfo", "VideoWriter", "probe", "read_frames", "read_image", "stamped_times"]

DEFAULT_FPS = Fraction(25)
"""Frames a second of pictures that carry no time: the project's standard rate (paper, section 4.1)."""

SEEK_MARGIN = Fraction(1)
"""Seconds before the wanted frame that are sought, because containers index by decoding time."""


@dataclass(frozen=True)
class Frame:
    """One picture of a stream.

    Attributes:
        image: uint8 RGB, [H, W, 3], upright: the file's rotation, flips and pixel shape are applied.
        time: seconds since the stream's first frame, exact.
    """

    image: np.ndarray
    time: Fraction


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about its pictures.

    Attributes:
        width, height: pixels of an upright frame.
        fps: average frames a second; exact for the broadcast rates (30000/1001 stays that).
        duration: seconds, or None where it is unknown, or for a still.
        frames: number of frames where the file states it; 1 for a still.
        has_audio: whether there is sound beside the pictures.
        start: the first picture's time on the container's own clock, in seconds.
    """

    width: int
    height: int
    fps: Fraction
    duration: Fraction | None
    frames: int | None
    has_audio: bool
    start: Fraction


def probe(path: PathLike, *, fps: Fraction = DEFAULT_FPS) -> VideoInfo:
    """Reads the first picture and the headers of whatever `read_frames` takes.

    Args:
        path: a video, a picture, or a folder of numbered frames.
        fps: frames a second of a folder.

    Raises:
        InputError: when there is no such file, or it has no pictures, or the first one cannot be decoded.
    """
    source = _existing(path)
    if source.is_dir():
        files = list_frames(source)
        height, width = read_image(files[0]).shape[:2]
        return VideoInfo(width, height, fps, len(files) / fps, len(files), False, Fraction(0))
    if is_still(source):
        height, width = read_image(source).shape[:2]
        return VideoInfo(width, height, fps, None, 1, False, Fraction(0))
    if is_animation(source):
        height, width = read_image(source).shape[:2]
        delays = animation_delays(source)
        duration = sum(delays, Fraction(0))
        return VideoInfo(width, height, len(delays) / duration, duration, len(delays), False, Fraction(0))
    with open_media(source) as container:
        return _probe_video(container, source)


def stamped_times(path: PathLike, most: int) -> list[Fraction]:
    """When the frames of a video are shown, by the stamps of its packets, which are not decoded.

    Args:
        path: as `read_frames`.
        most: as many at most, the first ones; fewer are all that the video has.

    Returns:
        Seconds on the container's own clock, rising; none where a frame has no stamp, where the file breaks off, and
        for pictures and folders.

    Raises:
        InputError: when there is no such file or it has no pictures.
    """
    source = _existing(path)
    if source.is_dir() or is_still(source) or is_animation(source):
        return []
    times: set[Fraction] = set()
    with open_media(source) as container:
        stream = _require_pictures(container, source)
        try:
            for packet in container.demux(stream):
                ends = packet.pts is None and not packet.size
                if len(times) == most or ends:
                    break
                if not packet.size:  # nothing new is shown
                    continue
                if packet.pts is None or packet.time_base is None:
                    return []
                if not packet.is_discard:  # what an edit list leaves out
                    times.add(packet.pts * Fraction(packet.time_base))
        except av.FFmpegError:
            return []
    return sorted(times)


def read_frames(
    path: PathLike, *, fps: Fraction = DEFAULT_FPS, start: Fraction = Fraction(0)
) -> Iterator[Frame]:
    """Frames in order, decoded one at a time, so that memory does not grow with length.

    Args:
        path: a video; a picture (one frame at time 0; an animated one gives all its frames); or a folder of
            numbered pictures in natural order (2 before 10).
        fps: frames a second of a folder.
        start: seconds; earlier frames are left out, and those of a video are not decoded where it can be sought.

    Yields:
        frames whose times start at 0, the file's first frame, and strictly rise. A frame stamped no later than its
        predecessor is left out, as a player would; one without a stamp follows its predecessor by a frame of the
        average rate.

    Raises:
        InputError: when there is no such file, it has no pictures, or it is damaged or breaks off.
    """
    source = _existing(path)
    if source.is_dir() or is_still(source) or is_animation(source):
        yield from (frame for frame in _read_pictures(source, fps) if frame.time >= start)
        return
    if start > SEEK_MARGIN:
        sought = _read_video(source, start - SEEK_MARGIN)
        first = next(sought, None)
        if first is not None and first.time <= start:  # some containers land elsewhere, or cannot be sought
            yield from (frame for frame in chain([first], sought) if frame.time >= start)
            return
    yield from (frame for frame in _read_video(source) if frame.time >= start)


def _read_pictures(source: Path, fps: Fraction) -> Iterator[Frame]:
    """Frames of a folder, a still or an animated picture."""
    if source.is_dir():
        if fps <= 0:
            raise InputError(f"frames a second must be more than 0, not {fps}")
        for number, file in enumerate(list_frames(source)):
            yield Frame(read_image(file), number / fps)
    elif is_still(source):
        yield Frame(read_image(source), Fraction(0))
    else:
        time = Fraction(0)
        for image, delay in read_animation(source):
            yield Frame(image, time)
            time += delay


def _existing(path: PathLike) -> Path:
    source = Path(path)
    if not source.exists():
        raise InputError(f"there is no file or folder {source}")
    return source


def _read_video(source: Path, start: Fraction | None = None) -> Iterator[Frame]:
    """Frames of a video, or from the key frame before `start` on; then none at all where frames have no stamps."""
    origin = None if start is None else first_picture_time(source)
    with open_media(source) as container:
        stream = _require_pictures(container, source)
        period = 1 / _average_rate(stream)
        aspect = stream.sample_aspect_ratio
        reformatter = VideoReformatter()
        if start is not None and origin is not None and stream.time_base is not None:
            container.seek(int((origin + start) / Fraction(stream.time_base)), stream=stream)
        last: Fraction | None = None
        for picture in decode_video(container, stream, source):
            stamp = frame_time(picture)
            if stamp is None and start is not None:
                return
            if origin is None:
                origin = stamp or Fraction(0)
            if stamp is None:
                stamp = origin if last is None else origin + last + period
            time = stamp - origin
            if last is not None and time <= last:
                continue
            last = time
            yield Frame(upright_rgb(picture, aspect, reformatter), time)


def _probe_video(container: InputContainer, source: Path) -> VideoInfo:
    stream = _require_pictures(container, source)
    has_audio = sound_stream(container) is not None
    duration = None
    if stream.duration is not None and stream.time_base is not None:
        duration = stream.duration * Fraction(stream.time_base)
    elif container.duration is not None:
        duration = Fraction(container.duration, av.time_base)
    frames = stream.frames or None
    rate = _average_rate(stream)
    first = next(decode_video(container, stream, source))
    height, width = upright_rgb(first, stream.sample_aspect_ratio, VideoReformatter()).shape[:2]
    return VideoInfo(width, height, rate, duration, frames, has_audio, frame_time(first) or Fraction(0))


def _require_pictures(container: InputContainer, source: Path) -> av.VideoStream:
    stream = picture_stream(container)
    if stream is None:
        raise InputError(f"{source} has no pictures; a video, picture or folder of frames was expected")
    return stream


def _average_rate(stream: av.VideoStream) -> Fraction:
    """Average frames a second; what lies within 1e-4 of n or n*1000/1001 is taken for that rate.

    Containers that count milliseconds (WebM, MKV) can only state 29.97 roughly.
    """
    rate = stream.average_rate or stream.guessed_rate
    if not rate or rate <= 0:
        return DEFAULT_FPS
    exact = Fraction(rate)
    for standard in (Fraction(round(exact)), Fraction(round(exact * 1001 / 1000) * 1000, 1001)):
        if standard and abs(exact / standard - 1) < Fraction(1, 10_000):
            return standard
    return exact
