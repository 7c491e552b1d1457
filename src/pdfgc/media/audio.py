"""Sound of any container, rate and layout, streamed on a time line whose zero is the first picture."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer

from pdfgc.errors import NoSoundError
from pdfgc.media.container import (
    PathLike,
    decode_audio,
    first_picture_time,
    frame_time,
    open_media,
    sound_stream,
)

SPEECH_RATE = 16_000
"""Samples a second that the speech encoders take (paper, section 4.1)."""

MAX_JITTER = Fraction(1, 20)
"""Seconds by which time stamps may disagree with the count of samples before silence fills (or cuts) the gap.

Containers round stamps to milliseconds and some writers are off by one codec block (23 ms), so less would
tear holes into sound that is whole."""


CANCELLED = 0.01
"""Part of the louder channel's power that a mix has where the channels cancel; unrelated ones leave 0.25 or more."""

_HEARD = 1e-5
"""Mean square, -50 dBFS, from which on a block tells how its channels are to be mixed."""


@dataclass(frozen=True)
class AudioSource:
    """The sound that goes with a video that is to be written.

    Attributes:
        path: a sound file, or a video with sound (then its time 0 is its first picture).
        offset: seconds of the sound that lie before the first written picture: 2 starts two seconds into the
            sound, -2 puts two seconds of silence in front.
    """

    path: PathLike
    offset: Fraction = field(default=Fraction(0))


def read_audio(path: PathLike, rate: int = SPEECH_RATE) -> np.ndarray:
    """All sound of a file, mixed to one channel.

    Time 0 is the first picture of a video (sound that starts later is preceded by silence, sound that starts
    earlier is cut) and the first sample of a sound file.

    Returns:
        float32 in -1..1, [N] at `rate` samples a second.

    Raises:
        InputError: when there is no such file, it has no sound, or it is damaged.
    """
    return np.concatenate([np.zeros(0, np.float32), *stream_audio(path, rate)])


def stream_audio(
    path: PathLike, rate: int = SPEECH_RATE, block: int = SPEECH_RATE, *, mono: bool = True
) -> Generator[np.ndarray, None, None]:
    """The samples of `read_audio` in blocks, so that memory does not grow with length.

    Args:
        path: a sound file, or a video with sound.
        rate: samples a second of the result.
        block: samples of each block; the last one may be shorter.
        mono: mix to one channel (of two that cancel each other the louder is taken); otherwise mono stays mono and
            everything else becomes stereo.

    Yields:
        float32 in -1..1, [n], or [n, 2] for what is not mono when `mono` is false ([n, 1] for what is).

    Raises:
        InputError: as `read_audio`.
    """
    if rate <= 0 or block <= 0:
        raise ValueError(f"rate and block must be more than 0, not {rate} and {block}")
    origin = first_picture_time(path)
    with open_media(path) as container:
        channels = 1 if mono else min(2, _require_sound(container, path).codec_context.channels)
        timeline = _Timeline(rate, channels)
        pieces = _on_timeline(timeline, _timed_blocks(container, path, origin))
        for samples in _reblock(pieces, block):
            clipped = np.clip(samples, -1.0, 1.0)
            yield clipped[:, 0] if mono else clipped


def audio_duration(path: PathLike) -> Fraction:
    """Seconds of sound from time 0 (see `read_audio`) to its end, counted by decoding, so exact.

    Headers only estimate the length of many files (MP3 without an index, for instance).

    Raises:
        InputError: as `read_audio`.
    """
    origin = first_picture_time(path)
    end = Fraction(0)
    with open_media(path) as container:
        _require_sound(container, path)
        for start, frame in _timed_blocks(container, path, origin):
            end = max(end, start + Fraction(frame.samples, frame.sample_rate))
    return end


def check_sound(path: PathLike) -> int:
    """The number of channels of a file's sound.

    Raises:
        InputError: when the file has no sound that can be decoded.
    """
    with open_media(path) as container:
        stream = _require_sound(container, path)
        return next(decode_audio(container, stream, path)).layout.nb_channels


def _require_sound(container: InputContainer, path: PathLike) -> av.AudioStream:
    stream = sound_stream(container)
    if stream is None:
        raise NoSoundError(f"{Path(path)} has no sound; a sound file or a video with sound was expected")
    return stream


def _timed_blocks(
    container: InputContainer, path: PathLike, origin: Fraction | None
) -> Iterator[tuple[Fraction, av.AudioFrame]]:
    """Decoded blocks and their start on the time line: the count of samples, unless a stamp jumps.

    The last block is cut to the length that the file states for it (AAC fills it up with silence).
    """
    expected: Fraction | None = None
    held: tuple[Fraction, av.AudioFrame] | None = None
    for frame in decode_audio(container, _require_sound(container, path), path):
        stamp = frame_time(frame)
        if origin is None:
            origin = stamp or Fraction(0)
        start = expected if stamp is None else stamp - origin
        if start is None:
            start = Fraction(0)
        if expected is not None and abs(start - expected) <= MAX_JITTER:
            start = expected
        expected = start + Fraction(frame.samples, frame.sample_rate)
        if held is not None:
            yield held
        held = start, frame
    if held is not None:
        start, frame = held
        yield start, _stated_part(frame)


def _stated_part(frame: av.AudioFrame) -> av.AudioFrame:
    """The samples of a block that its stated duration covers; all where it states none."""
    if not frame.duration or frame.time_base is None:
        return frame
    keep = round(frame.duration * Fraction(frame.time_base) * frame.sample_rate)
    if keep >= frame.samples:
        return frame
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    # Any, because the stubs of PyAV list types that NumPy does not narrow to.
    samples: Any = np.ascontiguousarray(frame.to_ndarray()[:, : keep * width])
    cut = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout=frame.layout.name)
    cut.sample_rate = frame.sample_rate
    return cut


class _Timeline:
    """Resamples blocks of sound and lays them on a time line whose sample 0 is time 0."""

    def __init__(self, rate: int, channels: int) -> None:
        self._rate = rate
        self._channels = channels
        self._resampler: _Resampler | None = None
        self._form: tuple[str, str, int] | None = None
        self._expected = Fraction(0)
        self._next = 0  # where the next resampled sample belongs
        self._written = 0  # samples given out

    def push(self, start: Fraction, frame: av.AudioFrame) -> Iterator[np.ndarray]:
        """Adds one decoded block. Yields [n, C] float32, in order and without holes."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or form != self._form or start != self._expected:
            yield from self.finish()
            self._form = form
            self._next = round(start * self._rate)
            self._resampler = _Resampler(frame, self._rate, self._channels)
        self._expected = start + Fraction(frame.samples, frame.sample_rate)
        for samples in self._resampler.convert(frame):
            yield from self._place(samples)

    def finish(self) -> Iterator[np.ndarray]:
        """Gives out what the resampler still holds."""
        if self._resampler is not None:
            for samples in self._resampler.convert(None):
                yield from self._place(samples)
            self._resampler = None

    def _place(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        start, self._next = self._next, self._next + len(samples)
        while self._written < start:
            silence = min(start - self._written, self._rate)
            self._written += silence
            yield np.zeros((silence, self._channels), np.float32)
        fresh = samples[max(0, self._written - start) :]
        if len(fresh):
            self._written += len(fresh)
            yield fresh


class _Resampler:
    """Converts blocks of one form to float32 at another rate, in one or two channels.

    A filter graph instead of `av.AudioResampler`, because the mix to fewer channels must be scaled: without,
    two channels at full scale would give 1.41.
    """

    def __init__(self, first: av.AudioFrame, rate: int, channels: int) -> None:
        mixes = channels == 1 and first.layout.nb_channels == 2
        self._downmix = _Downmix() if mixes else None
        layout = "mono" if channels == 1 and not mixes else "stereo"
        self._graph = av.filter.Graph()
        self._graph.link_nodes(
            self._graph.add_abuffer(
                sample_rate=first.sample_rate,
                format=first.format.name,
                layout=first.layout.name,
                time_base=Fraction(1, first.sample_rate),
            ),
            self._graph.add("aresample", sample_rate=str(rate), rematrix_maxval="1.0"),
            self._graph.add("aformat", sample_fmts="fltp", channel_layouts=layout, sample_rates=str(rate)),
            self._graph.add("abuffersink"),
        ).configure()

    def convert(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        """Adds a block, or None for the end. Yields [n, C] float32."""
        if frame is not None:
            # Times are kept by the time line; here only the order counts.
            frame.pts = None
        self._graph.push(frame)
        while True:
            try:
                resampled = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(resampled, av.AudioFrame):
                samples = resampled.to_ndarray().T
                yield samples if self._downmix is None else self._downmix(samples)


class _Downmix:
    """Two channels to one: their mean, or the louder of two in antiphase, of whose mean nothing is left.

    Which of them is settled by the first block that can be heard and stays: a change would be a click.
    """

    def __init__(self) -> None:
        self._channel: int | None = None
        self._settled = False

    def __call__(self, stereo: np.ndarray) -> np.ndarray:
        """Blocks `[n, 2]` in their order to `[n, 1]`."""
        mean = stereo.mean(1, keepdims=True)
        power = np.square(stereo).mean(0)
        if not self._settled and power.max() >= _HEARD:
            self._settled = True
            if np.square(mean).mean() < CANCELLED * power.max():
                self._channel = int(power.argmax())
        return mean if self._channel is None else stereo[:, [self._channel]]


def _on_timeline(
    timeline: _Timeline, blocks: Iterator[tuple[Fraction, av.AudioFrame]]
) -> Iterator[np.ndarray]:
    for start, frame in blocks:
        yield from timeline.push(start, frame)
    yield from timeline.finish()


def _reblock(pieces: Iterator[np.ndarray], block: int) -> Iterator[np.ndarray]:
    """Pieces [n, C] of any length as blocks of `block` samples; the last one may be shorter."""
    held: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count >= block:
            joined = np.concatenate(held)
            whole = count - count % block
            for first in range(0, whole, block):
                yield joined[first : first + block]
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)
