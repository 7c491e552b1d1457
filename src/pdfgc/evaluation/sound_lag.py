"""How late the sound of a clip is, so that a mouth that follows it is judged at the right moment.

The offset is that at which the embedded model's own mouth fits the speaker's best, so it leans towards that model:
results at the offset stand beside those without it and never in their place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.evaluation.correlation import correlation
from pdfgc.evaluation.result import MetricResult
from pdfgc.evaluation.signals import MEASURES, Signals

LISTENER = "small"
"""The embedded model, which opens a mouth to the sound."""

OffsetOf = Callable[[Path, Path], dict[str, Any]]
"""How late a video's sound is, by the video and the file of its sound (often the video itself): `{"seconds", "best",
"fit", "unshifted", "verdict", "duration"}`. `seconds` is 0 where the fit is not sure (`best` keeps what it was): an
unsure lag would be chosen for the very metric it flatters."""


def offsets(folder: Path) -> OffsetOf:
    """Measures offsets (`pdfgc.data.sound_offset`), once for each file and sound; what was found is kept in `folder`.

    The function that comes back raises InputError for a video without sound or without a face.
    """
    from pdfgc.data.sound_offset import listener, offset_of_video
    from pdfgc.evaluation.digests import file_digest
    from pdfgc.files import atomic_path

    def offset_of(video: Path, sound: Path) -> dict[str, Any]:
        apart = "" if sound == video else f"-{file_digest(sound)[:32]}"
        kept = folder / f"offset-{file_digest(video)[:32]}{apart}.json"
        if not kept.exists():
            found = offset_of_video(listener(LISTENER), video, sound)
            seconds = found.seconds if found.verdict == "shifted" else 0.0
            known = asdict(found) | {"verdict": found.verdict, "best": found.seconds, "seconds": seconds}
            with atomic_path(kept) as temporary:
                temporary.write_text(json.dumps(known) + "\n")
        loaded: dict[str, Any] = json.loads(kept.read_text())
        return loaded

    return offset_of


def mouth_in_step(speaker: np.ndarray, output: Signals, late: float) -> MetricResult:
    """Correlation of two mouth openings at the moment that the sound belongs to.

    Args:
        speaker: `[T]` mouth opening of the true speaker at the output's times, NaN where unknown.
        output: what was measured on the result, whose lips follow the sound.
        late: seconds by which the speaker's sound comes after the picture.
    """
    times = output.times + late
    inside = (times >= output.times[0]) & (times <= output.times[-1]) if len(output) else np.zeros(0, bool)
    heard = output.at(times[inside]).values["mouth"] if inside.any() else np.zeros(0)
    result = correlation(speaker[inside], heard, MEASURES["mouth"].min_sd)
    settings = result.settings | {"sound_late_seconds": late}
    return replace(result, name="mouth_correlation_in_step", settings=settings)
