"""Opening containers and walking through one stream of them, with the errors that a user should read."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.stream import Discard, Disposition

from pdfgc.errors import InputError, NoSoundError, NotMediaError

PathLike = str | os.PathLike[str]
_Decoded = TypeVar("_Decoded", av.VideoFrame, av.AudioFrame)

_log = logging.getLogger(__name__)


@contextmanager
def open_media(path: PathLike) -> Iterator[InputContainer]:
    """Opens a local video or sound file for reading.

    Raises:
        InputError: when there is no such file; NotMediaError when it holds neither video nor sound that FFmpeg knows.
    """
    source = Path(path)
    if source.is_dir():
        raise InputError(f"{source} is a folder, but a video or sound file was expected")
    if not source.exists():
        raise InputError(f"there is no file {source}")
    try:
        # "file:" keeps a colon in a name from being read as a protocol; the whitelist keeps a playlist from
        # reaching for the network.
        container = av.open(
            f"file:{source}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotMediaError(f"{source} cannot be read as video or sound: {reason}") from error
    with container:
        yield container


def picture_stream(container: InputContainer) -> av.VideoStream | None:
    """The first stream of moving pictures; the cover of a sound file does not count."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def sound_stream(container: InputContainer) -> av.AudioStream | None:
    """The sound stream that FFmpeg holds for the main one."""
    best = container.streams.best("audio")
    return best if isinstance(best, av.AudioStream) else None


def decode_video(
    container: InputContainer, stream: av.VideoStream, path: PathLike
) -> Iterator[av.VideoFrame]:
    """Pictures of `stream` in the order of presentation, one at a time. Raises as `_decode`."""
    # Frame threads, because most encoders write one slice a picture.
    stream.thread_type = "AUTO"
    return _decode(container, stream, path, av.VideoFrame)


def decode_audio(
    container: InputContainer, stream: av.AudioStream, path: PathLike
) -> Iterator[av.AudioFrame]:
    """Blocks of sound of `stream` as they are stored, one at a time. Raises as `_decode`."""
    return _decode(container, stream, path, av.AudioFrame)


def _decode(
    container: InputContainer,
    stream: av.VideoStream | av.AudioStream,
    path: PathLike,
    kind: type[_Decoded],
) -> Iterator[_Decoded]:
    """Decodes one stream; a damaged packet is passed over with one warning.

    Raises:
        InputError: when the file breaks off, or nothing of the stream can be decoded.
    """
    _require_complete(container, stream, path)
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    packets = container.demux(stream)
    decoded = damaged = 0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError as error:
            raise InputError(f"{path} breaks off: it is shorter than it says ({error.strerror})") from error
        try:
            frames = packet.decode()
        except av.error.EOFError:
            break
        except av.FFmpegError as error:
            damaged += 1
            if damaged == 1:
                _log.warning("%s is damaged in places (%s); these are left out", path, error.strerror)
            continue
        for frame in frames:
            if isinstance(frame, kind):
                decoded += 1
                yield frame
    if not decoded and not damaged and kind is av.AudioFrame:
        raise NoSoundError(f"{path} has no sound: its stream of sound is empty")
    if not decoded:
        raise InputError(f"{path} is damaged: none of its {stream.type} can be decoded")


def _require_complete(
    container: InputContainer, stream: av.VideoStream | av.AudioStream, path: PathLike
) -> None:
    """Refuses a file whose index points past its end; FFmpeg would read it to the break and say nothing."""
    entries = stream.index_entries
    if not len(entries):
        return
    end = entries[-1].pos + entries[-1].size
    if end > container.size > 0:
        raise InputError(f"{path} breaks off: it has {container.size} bytes, but its index speaks of {end}")


def frame_time(frame: av.VideoFrame | av.AudioFrame) -> Fraction | None:
    """Presentation time on the container's clock, exact, in seconds; None when the file has no stamp."""
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * Fraction(frame.time_base)


def first_picture_time(path: PathLike) -> Fraction | None:
    """When the first picture is shown, in seconds on the container's clock; None without moving pictures.

    Raises:
        InputError: when the file or its first picture cannot be read.
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return None
        return frame_time(next(decode_video(container, stream, path))) or Fraction(0)
