"""Motion tracks: the codes of each factor, frame by frame, with exact times.

A track is what a driver becomes and what a generator renders. It knows nothing of pictures: tracks are cut,
mixed, resampled, smoothed, saved and loaded in numpy alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from pdfgc.arrays import save_arrays
from pdfgc.errors import InputError
from pdfgc.timing import (
    Loop,
    Number,
    check_loop,
    exact,
    exact_rate,
    frame_count,
    gaussian,
    locate,
    to_ticks,
    unfold,
    usual_rate,
)
from pdfgc.wording import counted

FACTORS = {"lips": 500, "expression": 30, "eyes": 6, "pose": 6}
"""Size of each factor's code, in the order in which the paper's generator takes them (spec section 1)."""

GAZE = slice(2, 4)
"""The dimensions of the eye code that hold the gaze (spec section 1)."""

BLINK = [0, 1, 4, 5]
"""The dimensions of the eye code that hold the lids."""

# Measured with the landmarker frame by frame on 60 real clips: 0.04 s leaves 15 % of the frame-to-frame
# roughness of a pose (0.2, 0.14 and 0.08 degrees of pitch, yaw and roll) and takes 14 % of its movement, in
# standard deviations; 0.03 s leaves 26 % of the roughness of a gaze and takes 17 %; 0.02 s takes 10 % of the
# movement of the lids. Expression codes are read frame by frame like
# the others: 0.05 s keeps brows at r 0.89 of the driver's on held-out meshes (0.15 s: 0.77, none: 0.92).
SMOOTHING = {"lips": 0.0, "expression": 0.05, "gaze": 0.03, "blink": 0.02, "pose": 0.04}
"""Default widths of `MotionTrack.smooth`, one standard deviation in seconds."""

SUFFIX = ".motion.safetensors"
"""How saved tracks are named: `out.mp4` leaves `out.motion.safetensors`."""

_FORMAT = "pdfgc.motion/1"
_OWN_KEYS = ("format", "time_base", "frames", "duration")  # written by save, rebuilt from the arrays by load


@dataclass(frozen=True, eq=False, repr=False)
class MotionTrack:
    """The motion codes of a stretch of time.

    Attributes:
        ticks: `[T]` int64, when each frame is shown, strictly increasing from 0, in units of `time_base`.
        time_base: seconds a tick, exact.
        lips, expression, eyes, pose: `[T, 500|30|6|6]` float32 codes.
        found: `[T]` bool, False where no face was found and the codes were filled in.
        metadata: words about the track. `model` is the fingerprint of the model whose codes these are.
    """

    ticks: np.ndarray
    time_base: Fraction
    lips: np.ndarray
    expression: np.ndarray
    eyes: np.ndarray
    pose: np.ndarray
    found: np.ndarray
    metadata: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ticks = np.asarray(self.ticks)
        if ticks.ndim != 1 or not len(ticks) or ticks.dtype.kind not in "iu":
            raise InputError(
                f"a track needs whole-number ticks, one or more, not {ticks.dtype} {ticks.shape}"
            )
        if ticks[0] != 0 or np.any(np.diff(ticks) <= 0):
            raise InputError("the ticks of a track must start at 0 and increase from frame to frame")
        if self.time_base <= 0:
            raise InputError(f"the time base of a track must be positive, not {self.time_base}")
        object.__setattr__(self, "ticks", ticks.astype(np.int64, copy=False))
        for name, size in FACTORS.items():
            codes = np.asarray(getattr(self, name), np.float32)
            if codes.shape != (len(ticks), size):
                raise InputError(f"the {name} codes must be [{len(ticks)}, {size}], not {list(codes.shape)}")
            if not np.isfinite(codes).all():
                raise InputError(f"the {name} codes hold values that are not finite numbers")
            object.__setattr__(self, name, codes)
        found = np.asarray(self.found, bool)
        if found.shape != ticks.shape:
            raise InputError(f"`found` must be [{len(ticks)}], not {list(found.shape)}")
        object.__setattr__(self, "found", found)

    # ------------------------------------------------------------------ making

    @classmethod
    def from_codes(
        cls,
        codes: Mapping[str, np.ndarray],
        *,
        fps: Number | None = None,
        times: Sequence[Fraction] | None = None,
        found: np.ndarray | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> MotionTrack:
        """A track from codes `{factor: [T, D]}` at a steady rate (default 25) or at given exact times.

        A factor that is not in `codes` is zero, the canonical position. The first time becomes 0.
        """
        unknown = set(codes) - set(FACTORS)
        if unknown or not codes:
            raise InputError(f"codes are given for some of {', '.join(FACTORS)}, not for {sorted(unknown)}")
        count = len(next(iter(codes.values())))
        if times is not None:
            if fps is not None or len(times) != count or not count:
                raise InputError(f"{count} frames need either a rate or {count} times")
            ticks, time_base = to_ticks(times)
        else:
            ticks, time_base = np.arange(count), 1 / exact_rate(25 if fps is None else fps)
        full = {
            name: codes[name] if name in codes else np.zeros((count, size), np.float32)
            for name, size in FACTORS.items()
        }
        return cls(
            ticks=ticks,
            time_base=time_base,
            found=np.ones(count, bool) if found is None else found,
            metadata=dict(metadata or {}),
            **full,
        )

    @classmethod
    def still(cls, codes: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> MotionTrack:
        """A track of one frame from codes `{factor: [D]}`; factors left out are zero."""
        rows = {name: np.asarray(code)[None] for name, code in codes.items()}
        return cls.from_codes(rows, metadata=metadata)

    # ------------------------------------------------------------------ looking

    def __len__(self) -> int:
        return len(self.ticks)

    def __repr__(self) -> str:
        moving = [name for name, values in self.codes.items() if np.any(values != values[0])]
        what = f"moving: {', '.join(moving)}" if moving else "nothing moves"
        return f"MotionTrack({counted(len(self), 'frame')}, {float(self.duration):.2f} s, {what})"

    @property
    def codes(self) -> dict[str, np.ndarray]:
        """The four factors, `{name: [T, D]}` float32."""
        return {name: getattr(self, name) for name in FACTORS}

    @property
    def times(self) -> np.ndarray:
        """`[T]` float64, when each frame is shown, in seconds; `time(n)` is exact."""
        return self.ticks * float(self.time_base)

    def time(self, frame: int) -> Fraction:
        """When a frame is shown, in seconds, exact."""
        return int(self.ticks[frame]) * self.time_base

    @property
    def fps(self) -> Fraction | None:
        """Frames a second where the frames are evenly spaced; None where they are not, or for a still."""
        steps = np.diff(self.ticks)
        if not len(steps) or np.any(steps != steps[0]):
            return None
        return 1 / (int(steps[0]) * self.time_base)

    @property
    def usual_fps(self) -> Fraction | None:
        """`fps`, or where frames are not evenly spaced their `timing.usual_rate`; None for a still."""
        if len(self) == 1:
            return None
        return self.fps or usual_rate(np.diff(self.ticks), self.time_base)

    @property
    def duration(self) -> Fraction:
        """Seconds, the last frame lasting as long as the one before it; 0 for a still.

        Where frames are not evenly spaced, the nearest whole number of frames of the usual rate: a stamp that was
        rounded up makes none more.
        """
        usual = self.usual_fps
        if usual is None:
            return Fraction(0)
        seconds = (2 * int(self.ticks[-1]) - int(self.ticks[-2])) * self.time_base
        return seconds if self.fps else max(round(seconds * usual), 1) / usual

    def require_model(self, fingerprint: str) -> None:
        """Raises InputError when the codes are another model's; a track that names no model is trusted."""
        made_by = self.metadata.get("model", fingerprint)
        if made_by != fingerprint:
            raise InputError(
                f"this motion track holds codes of the model {made_by[:12]}, which mean nothing to the model "
                f"{fingerprint[:12]}: make it again with `pdfgc motion`"
            )

    # ------------------------------------------------------------------ cutting

    def __getitem__(self, frames: slice) -> MotionTrack:
        """The frames of a slice (step 1 or more); the first of them moves to time 0."""
        if not isinstance(frames, slice) or (frames.step or 1) < 1:
            raise InputError("a track is cut by a slice of frames, such as track[10:50]")
        return self._take(np.arange(len(self))[frames])

    def between(self, start: Number = 0, stop: Number | None = None) -> MotionTrack:
        """The frames shown at `start <= time < stop` (seconds); the first of them moves to time 0."""
        first = -(-exact(start) // self.time_base)
        last = int(self.ticks[-1]) + 1 if stop is None else -(-exact(stop) // self.time_base)
        return self._take(np.flatnonzero((self.ticks >= first) & (self.ticks < last)))

    def _take(self, frames: np.ndarray, ticks: np.ndarray | None = None) -> MotionTrack:
        if not len(frames):
            raise InputError(f"no frame is left of {len(self)} frames, {float(self.duration):.2f} seconds")
        picked = self.ticks[frames] - self.ticks[frames[0]] if ticks is None else ticks
        codes = {name: values[frames] for name, values in self.codes.items()}
        return self._replaced(codes, ticks=picked, found=self.found[frames])

    def _replaced(self, codes: Mapping[str, Any], **fields: Any) -> MotionTrack:
        return replace(self, **codes, **fields)

    # ------------------------------------------------------------------ time

    def resample(
        self,
        fps: Number | None = None,
        *,
        times: Sequence[Fraction] | None = None,
        frames: int | None = None,
        loop: Loop = "hold",
        factors: Collection[str] = tuple(FACTORS),
    ) -> MotionTrack:
        """The track at other moments, linear between its frames; a frame's own moment gives its exact codes.

        Args:
            fps: a steady rate; frames then fall on 0, 1/fps, 2/fps ..., without drift.
            times: instead of `fps`, exact moments in seconds, increasing; the first is time 0 of the result.
            frames: with `fps`, how many (default: as many as begin before the track ends).
            loop: what is found past the end.
            factors: those that are needed; the others are left zero and take no memory.
        """
        check_loop(loop)
        if (fps is None) == (times is None):
            raise InputError("a track is resampled either at a rate or at given times")
        if times is None:
            rate = exact_rate(fps if fps is not None else 25)
            count = frame_count(self.duration, rate) if frames is None else frames
            step = 1 / (rate * self.time_base)
            moments, denominator = [n * step.numerator for n in range(count)], step.denominator
            ticks, time_base = np.arange(count), 1 / rate
        else:
            ticks, time_base = to_ticks(times)
            unit = time_base / self.time_base
            start = times[0] / self.time_base
            denominator = unit.denominator * start.denominator
            offset, factor = start.numerator * unit.denominator, unit.numerator * start.denominator
            moments = [offset + int(tick) * factor for tick in ticks]
        before, after, weight = locate(self.ticks, moments, denominator, loop)
        nothing = np.zeros((1, 1), np.float32)
        codes = {
            name: _blend(values, before, after, weight)
            if name in factors
            else np.broadcast_to(nothing, (len(ticks), values.shape[1]))
            for name, values in self.codes.items()
        }
        found = self.found[before] & (self.found[after] | (weight == 0))
        return self._replaced(codes, ticks=ticks, time_base=time_base, found=found)

    def extend(
        self, frames: int | None = None, *, duration: Number | None = None, loop: Loop = "pingpong"
    ) -> MotionTrack:
        """The track cut or carried on to a number of frames or seconds, without blending frames."""
        check_loop(loop)
        if (frames is None) == (duration is None):
            raise InputError("a track is extended either to a number of frames or to a duration")
        if len(self) == 1:
            raise InputError("a still has no frame spacing to extend by: resample it at a rate instead")
        if duration is not None:
            order, ticks = unfold(self.ticks, int(-(-exact(duration) // self.time_base)), loop)
        else:
            widest = int(np.diff(self.ticks).max())
            order, ticks = unfold(self.ticks, widest * max(int(frames or 0), 0), loop)
            order, ticks = order[:frames], ticks[:frames]
        return self._take(order, ticks)

    def smooth(
        self,
        *,
        lips: float | None = None,
        expression: float | None = None,
        gaze: float | None = None,
        blink: float | None = None,
        pose: float | None = None,
    ) -> MotionTrack:
        """Each factor under a Gaussian in time that looks both ways, so nothing lags.

        The widths are standard deviations in seconds (0 leaves a factor as it is), the defaults `SMOOTHING`:
        faces are tracked frame by frame, so slow factors carry jitter that shows on a still head, while lips
        must stay crisp and a blink lasts a tenth of a second. (The authors' release, at 25 frames a second:
        pose a mean of 3 frames, lips a Gaussian of one frame; spec section 4.)
        """
        given = {"lips": lips, "expression": expression, "gaze": gaze, "blink": blink, "pose": pose}
        widths = {name: SMOOTHING[name] if width is None else width for name, width in given.items()}
        if any(not 0 <= width < 60 for width in widths.values()):
            raise InputError(f"smoothing widths must lie between 0 and 60 seconds, not {widths}")
        eyes = self.eyes.copy()
        eyes[:, GAZE] = gaussian(self.eyes[:, GAZE], self.times, widths["gaze"])
        eyes[:, BLINK] = gaussian(self.eyes[:, BLINK], self.times, widths["blink"])
        return replace(
            self,
            lips=gaussian(self.lips, self.times, widths["lips"]),
            expression=gaussian(self.expression, self.times, widths["expression"]),
            eyes=eyes,
            pose=gaussian(self.pose, self.times, widths["pose"]),
            metadata={**self.metadata, "smoothed": json.dumps(widths)},
        )

    # ------------------------------------------------------------------ mixing

    def mix(
        self,
        *,
        lips: MotionTrack | None = None,
        expression: MotionTrack | None = None,
        eyes: MotionTrack | None = None,
        gaze: MotionTrack | None = None,
        blink: MotionTrack | None = None,
        pose: MotionTrack | None = None,
        loop: Loop = "pingpong",
    ) -> MotionTrack:
        """This track with factors taken from others, which may be of any length and rate.

        The result keeps this track's frames; the others are resampled at their times and loop at their end.
        `gaze` and `blink` replace those parts of the eye code, after `eyes` replaced the whole.

        Raises:
            InputError: when the tracks are codes of different models.
        """
        moments = [self.time(n) for n in range(len(self))]
        sources = {"lips": lips, "expression": expression, "pose": pose}
        sources |= {"eyes": eyes, "gaze": gaze, "blink": blink}  # the parts after the whole
        sampled: dict[int, MotionTrack] = {}
        mixed, found, metadata = self.codes, self.found, dict(self.metadata)
        for name, source in sources.items():
            if source is None:
                continue
            if "model" in source.metadata:
                source.require_model(metadata.setdefault("model", source.metadata["model"]))
            if id(source) not in sampled:
                sampled[id(source)] = source.resample(times=moments, loop=loop)
            other = sampled[id(source)]
            found = found & other.found
            if name in ("gaze", "blink"):
                part: slice | list[int] = GAZE if name == "gaze" else BLINK
                mixed["eyes"] = mixed["eyes"].copy()
                mixed["eyes"][:, part] = other.eyes[:, part]
            else:
                mixed[name] = other.codes[name]
        return self._replaced(mixed, found=found, metadata=metadata)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a safetensors file: the arrays, and a readable header with time base and metadata."""
        words = {
            **self.metadata,
            "format": _FORMAT,
            "time_base": str(self.time_base),
            "frames": str(len(self)),
            "duration": f"{float(self.duration):.3f} s",
        }
        save_arrays(path, {"ticks": self.ticks, "found": self.found, **self.codes}, words)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MotionTrack:
        """Reads a saved track.

        Raises:
            InputError: when there is no such file, or it is not a whole motion track.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(os.fspath(path), framework="numpy") as file:
                header: dict[str, str] = file.metadata() or {}
                if header.get("format") != _FORMAT:
                    raise InputError(f"{path} is a safetensors file but not a motion track of `pdfgc motion`")
                names = ("ticks", "found", *FACTORS)
                arrays: dict[str, Any] = {name: file.get_tensor(name) for name in names}
            metadata = {key: value for key, value in header.items() if key not in _OWN_KEYS}
            return cls(time_base=Fraction(header["time_base"]), metadata=metadata, **arrays)
        except FileNotFoundError:
            raise InputError(f"there is no motion track {path}") from None
        except InputError as error:
            raise InputError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None
        except (SafetensorError, OSError, KeyError, ValueError, ZeroDivisionError, TypeError) as error:
            raise InputError(f"{path} cannot be read as a motion track: {error}") from None


def _blend(values: np.ndarray, before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`[T, D]` values between pairs of rows; weight 0 gives the first row bit for bit."""
    result = values[before]
    between = np.flatnonzero(weight)
    if len(between):
        step = values[after[between]] - result[between]
        step *= weight[between, None].astype(np.float32)
        result[between] += step
    return result
