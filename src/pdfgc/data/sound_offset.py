"""How far the sound of a clip is off its picture.

A trained model opens a mouth to the sound; the shift at which that opening follows the tracked mouth best is the
offset. A sync network cannot learn from clips whose sound leads or lags: it stays at ln 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pdfgc.errors import InputError

if TYPE_CHECKING:
    from pdfgc.model import Model

RATE = Fraction(50)
"""Steps a second in which offsets are searched."""

FARTHEST = 15
"""Steps searched to both sides: 0.3 s."""

REACH = Fraction(FARTHEST) / RATE
"""Seconds of sound that are wanted before and after the pictures, so that every shift can be compared."""

BETTER = 0.1
"""How much more than the sound as it is another shift must correlate to be believed."""

_STILL = 1e-6
"""Centimetres of a mouth's movement that are none."""

_CLEAR_AT_ONE_SECOND, _CLEAR_LEAST, _CLEAR_MOST = 1.1, 0.3, 0.9

Verdict = Literal["in step", "shifted", "unsure"]


@dataclass(frozen=True)
class SoundOffset:
    """What the search found."""

    seconds: float
    """By how much the sound is late where the fit is best; negative when it is early."""
    fit: float
    """Correlation of the heard and the seen mouth there."""
    unshifted: float
    """The same for the sound as it is."""
    duration: float
    """Seconds of pictures that were compared."""

    @property
    def verdict(self) -> Verdict:
        """`shifted` and `in step` are sure; `unsure` is anything between noise and music and a still mouth."""
        if self.fit < clear_fit(self.duration):
            return "unsure"
        if self.fit - self.unshifted < BETTER:
            return "in step"
        at_the_edge = abs(self.seconds) >= float(REACH)
        return "unsure" if at_the_edge else "shifted"

    @property
    def correction(self) -> Fraction:
        """Seconds by which the sound should come earlier: the offset where it is sure, else 0."""
        return round(self.seconds * RATE) / RATE if self.verdict == "shifted" else Fraction(0)


def clear_fit(duration: float) -> float:
    """The correlation from which a fit over so many seconds is believed.

    The best of 31 shifts of somebody else's sound correlates by chance, the more so the shorter the clip: the 95th
    percentile over 4,800 pairs was 0.59 at 3 s, 0.42 at 5 s, 0.34 at 9 s and 0.27 above 12 s. With these limits 2 % of
    7,151 foreign sounds were believed, and of 603 clips (most by speakers of the model's training) that were made
    0.2 s late 97 % were found late, all of them to 20 ms.
    """
    return min(max(_CLEAR_AT_ONE_SECOND / max(duration, 1e-6) ** 0.5, _CLEAR_LEAST), _CLEAR_MOST)


def estimate_offset(
    model: Model, wave: np.ndarray, meshes: np.ndarray, blendshapes: np.ndarray, times: np.ndarray
) -> SoundOffset:
    """Compares a clip's sound with its mouth.

    Args:
        model: one that speaks through a face mesh, such as `pdfgc.load("small")`.
        wave: `[N]` mono samples at 16 kHz, -1..1.
        meshes: `[T, 478, 3]` of the tracked face, crop units.
        blendshapes: `[T, 52]` of it.
        times: `[T]` seconds of these frames since the first sample. Shifts beyond the ends of the sound are compared
            by the frames that have sound; with `REACH` of sound on both sides that is all of them.

    Raises:
        InputError: when the model has no face mesh.
    """
    from pdfgc.face.mesh import mouth_opening

    heard = heard_opening(model, wave, meshes[0], blendshapes[0])
    fits = correlations(mouth_opening(meshes), times, heard)
    best = int(np.argmax(fits))
    duration = float(times[-1] - times[0]) if len(times) else 0.0
    # Three digits, because more would differ between machines.
    return SoundOffset(
        (best - FARTHEST) / float(RATE), round(fits[best], 3), round(fits[FARTHEST], 3), round(duration, 3)
    )


def offset_of_video(model: Model, video: Path, sound: Path | None = None) -> SoundOffset:
    """The offset of a whole video, for instance of one that is to drive a portrait.

    Args:
        model: hears (`listener`).
        video: shows one face.
        sound: the file of its sound where that came apart; by default the video itself.

    Raises:
        InputError: when it cannot be read, has no sound, or shows no face.
    """
    from pdfgc.face.crop import crop_mesh, head_box
    from pdfgc.face.tracker import FaceTracker
    from pdfgc.media.audio import read_audio
    from pdfgc.media.video import read_frames

    wave = read_audio(sound or video)
    faces, times = [], []
    with FaceTracker() as tracker:
        for frame in read_frames(video):
            for face in tracker.detect(frame.image, thorough=False):
                faces.append(face)
                times.append(float(frame.time))
    if not faces:
        raise InputError(f"expected a face in {video}, but none was found")
    box = head_box(faces)
    meshes = np.stack([crop_mesh(face.mesh, box) for face in faces])
    return estimate_offset(
        model, wave, meshes, np.stack([face.blendshapes for face in faces]), np.array(times)
    )


def heard_opening(model: Model, wave: np.ndarray, mesh: np.ndarray, blendshapes: np.ndarray) -> np.ndarray:
    """How far a face opens its mouth to a sound, by a model: `[n]` cm at `RATE` a second.

    Raises:
        InputError: when the model has no face mesh.
    """
    from pdfgc.face.mesh import mouth_opening

    if not hasattr(model, "driving_mesh"):
        raise InputError(f"expected a model with a face mesh to hear with, but got preset {model.preset}")
    with _one_thread():
        codes = model.encode_motion(None, mesh[None], blendshapes[None])
        portrait = model.portrait(np.zeros((model.size, model.size, 3), np.uint8), mesh, blendshapes)
        spoken = np.concatenate(_rows(model, wave))
        held = {name: np.repeat(code, len(spoken), 0) for name, code in codes.items()}
        meshes = model.driving_mesh(portrait, {**held, "lips": spoken}).cpu().numpy()
    return mouth_opening(meshes)


def correlations(seen: np.ndarray, times: np.ndarray, heard: np.ndarray) -> list[float]:
    """How well two mouths agree for every shift.

    Args:
        seen: `[T]` opening of the tracked mouth.
        times: `[T]` seconds of its frames since the sound's start.
        heard: `[n]` opening that the sound asks for, at `RATE` a second.

    Returns:
        2 * `FARTHEST` + 1 correlations; the last one is for sound that is `REACH` late. 0 where nothing moves.
    """
    rate = float(RATE)
    fits = []
    for step in range(-FARTHEST, FARTHEST + 1):
        at = times + step / rate
        inside = (at >= 0) & (at <= (len(heard) - 1) / rate)
        there = (
            np.interp(at[inside], np.arange(len(heard)) / rate, heard) if inside.sum() > 1 else np.zeros(1)
        )
        moves = min(there.std(), seen[inside].std()) > _STILL if inside.any() else False
        fits.append(float(np.corrcoef(there, seen[inside])[0, 1]) if moves else 0.0)
    return fits


@cache
def listener(name: str) -> Model:
    """The model that listens, one a process."""
    from pdfgc.model import Model, load

    model = load(name)
    if not isinstance(model, Model):
        raise InputError(
            f"expected a listener that speaks through a face mesh, but got preset {model.preset}"
        )
    return model


def _rows(model: Model, wave: np.ndarray) -> list[np.ndarray]:
    rows = list(model.encode_speech([wave], RATE))
    if not rows:
        raise InputError(f"expected sound to compare with the mouth, but got {len(wave)} samples")
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread, so that the same sound gives the same numbers however many workers share the machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
