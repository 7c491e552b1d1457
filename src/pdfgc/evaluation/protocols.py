"""What is driven and what is measured: the control matrix (spec, section 5) and files of cases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.bench import Bench, Measurement
from pdfgc.evaluation.cases import Case, is_filmed
from pdfgc.evaluation.datasets import SourceClip, place
from pdfgc.evaluation.result import summarise
from pdfgc.evaluation.signals import pingpong
from pdfgc.evaluation.sound_lag import OffsetOf, mouth_in_step
from pdfgc.evaluation.studio import heard
from pdfgc.progress import track

log = logging.getLogger(__name__)

SENSOR_NOISE = 2.0
"""Grey levels of noise on the frozen pictures of the row `nothing`, about what a compressed video carries."""

POSE = ("pitch", "yaw", "roll", "matrix_pitch", "matrix_yaw", "matrix_roll", "shift_x", "shift_y", "zoom")
GAZE = ("gaze_x", "gaze_y")
MEASURES_OF = {
    "audio": ("mouth",),
    "lips": ("mouth",),
    "pose": POSE,
    "eyes": ("blink", *GAZE),
    "gaze": GAZE,
    "blink": ("blink",),
    "expression": ("smile", "brow"),
}
"""What each argument of `Avatar.animate` is meant to move."""


@dataclass(frozen=True)
class Row:
    """A row of the control matrix.

    Attributes:
        name: as in the report.
        arguments: the arguments of `Avatar.animate` that get the driving clip; all others are `hold`.
    """

    name: str
    arguments: tuple[str, ...]

    @property
    def own(self) -> tuple[str, ...]:
        """Measures that the row is meant to move."""
        return tuple(measure for argument in self.arguments for measure in MEASURES_OF[argument])


NOTHING = Row("nothing", ())
"""The portrait held still, under sensor noise: what the trackers show where there is no movement."""

REPLAY = Row("driver itself", ("lips", "pose", "eyes", "expression"))
"""The driver's own frames, cropped as a result is: a perfect result, but for the trackers' own errors."""

ROWS = (
    NOTHING,
    REPLAY,
    Row("lips by audio", ("audio",)),
    Row("lips by video", ("lips",)),
    Row("pose", ("pose",)),
    Row("gaze", ("gaze",)),
    Row("blink", ("blink",)),
    Row("expression", ("expression",)),
    Row("all", ("audio", "pose", "eyes", "expression")),
)


@dataclass(frozen=True)
class Comparison:
    """A rendered performance beside what drove it.

    Attributes:
        pair: names of the clip and the portrait, or of the case.
        clip: the driving clip as `heard` gives it; None for a case.
        row: name of the row, or of the case.
        drivers: measure -> `[T]` signal of the driver that it is compared with, at the output's times.
        own: the measures that were meant to move.
        output: what was measured on the rendered frames.
        portrait: `[128]` identity of the portrait.
        about: what was animated by what, for the report.
    """

    pair: str
    clip: SourceClip | None
    row: str
    drivers: dict[str, np.ndarray]
    own: tuple[str, ...]
    output: Measurement
    portrait: np.ndarray
    about: dict[str, Any]


def control_matrix(
    bench: Bench, clips: Sequence[SourceClip], portraits: Sequence[Path] | None, data: Path
) -> tuple[list[Comparison], list[dict[str, str]]]:
    """Every clip drives one portrait, each factor alone and all together.

    Args:
        bench: renders and measures.
        clips: driving clips with one talking person each.
        portraits: clip i drives portrait i modulo their number; None = each clip's own first face.
        data: where the clips are from; drivers are recorded by their paths below it.

    Returns:
        the comparisons, and what was left out: `{"pair", "row", "reason"}`, of a clip that is of no use at all
        `{"name", "reason"}`.
    """
    comparisons: list[Comparison] = []
    skipped: list[dict[str, str]] = []
    pairs: list[tuple[SourceClip, Path]] = []
    for i, clip in enumerate(clips):
        portrait = portraits[i % len(portraits)] if portraits else clip.video
        try:
            if not bench.clip(clip.video).signals.found.any():
                raise InputError(f"found no face in {clip.video}")
            bench.portrait(portrait)
        except InputError as error:
            log.warning("left out %s: %s", clip.name, error)
            skipped.append({"name": clip.name, "reason": str(error)})
        else:
            pairs.append((heard(clip), portrait))
    jobs = [(*members, row) for members in pairs for row in ROWS]
    for clip, portrait, row in track(jobs, len(jobs), "control matrix"):
        pair = f"{clip.name} -> {clip.name if portrait == clip.video else portrait.name}"
        try:
            comparisons.append(_control_row(bench, pair, clip, portrait, row, data))
        except InputError as error:
            log.warning("left out %s, %s: %s", pair, row.name, error)
            skipped.append({"pair": pair, "row": row.name, "reason": str(error)})
    return comparisons, skipped


def _control_row(
    bench: Bench, pair: str, clip: SourceClip, portrait: Path, row: Row, data: Path
) -> Comparison:
    from pdfgc.media.video import probe

    if "audio" in row.arguments and clip.sound is None:
        raise InputError("the clip has no sound")
    info = probe(clip.video)
    driver = bench.clip(clip.video).signals
    picture, embedding = bench.portrait(portrait)
    frames = min(int(bench.seconds * info.fps), len(driver))
    drivers = {name: str(clip.sound if name == "audio" else clip.video) for name in row.arguments}
    if row is REPLAY:
        output = bench.replay(clip.video, frames)
    elif drivers:
        output = bench.perform(picture, drivers, info.fps, frames)
    else:
        still = {"audio": str(bench.silence()), "lips": "hold"}
        output = bench.perform(picture, still, info.fps, frames, SENSOR_NOISE)
    aligned = driver.at(output.signals.times)
    about = {
        "portrait": place(portrait, data),
        "drivers": {name: place(driver, data) for name, driver in drivers.items()},
        "fps": str(info.fps),
    }
    return Comparison(pair, clip, row.name, aligned.values, row.own, output, embedding, about)


def run_cases(
    bench: Bench, cases: list[Case], fps: Fraction
) -> tuple[list[tuple[Case, Comparison]], list[dict[str, str]]]:
    """Renders each case and compares every factor with the file that drove it.

    A driver shorter than the performance runs to and fro (`pingpong`, the default of `animate`), and so does
    its signal here.

    Returns:
        each case with its comparison, and what was left out: `{"name", "reason"}`.
    """
    run: list[tuple[Case, Comparison]] = []
    skipped: list[dict[str, str]] = []
    for case in track(cases, len(cases), "cases"):
        try:
            run.append((case, _run_case(bench, case, fps)))
        except InputError as error:
            log.warning("left out %s: %s", case.name, error)
            skipped.append({"name": case.name, "reason": str(error)})
    return run, skipped


def _run_case(bench: Bench, case: Case, fps: Fraction) -> Comparison:
    picture, embedding = bench.portrait(case.portrait)
    output = bench.perform(picture, case.drivers, fps)
    files = case.files()
    drivers: dict[str, np.ndarray] = {}
    for argument, path in files.items():
        if not is_filmed(path):
            continue
        signals = bench.clip(path).signals
        aligned = signals.at(pingpong(output.signals.times, float(signals.times[-1])))
        drivers |= {measure: aligned.values[measure] for measure in MEASURES_OF[argument]}
    about = {"portrait": str(case.portrait), "drivers": case.drivers, "fps": str(fps)}
    return Comparison(case.name, None, case.name, drivers, tuple(drivers), output, embedding, about)


def mouths_in_step(comparisons: list[Comparison], offset_of: OffsetOf) -> dict[str, Any]:
    """The mouth against the speaker of the sound, with each clip's own sound offset taken out.

    Args:
        comparisons: of `control_matrix`.
        offset_of: measures the offset.

    Returns:
        `mouth_in_step`, the mean over clips, and `sound_offsets`, what was found for each.
    """
    found: dict[str, Any] = {}
    results = []
    for comparison in comparisons:
        clip = comparison.clip
        if comparison.row != "lips by audio" or clip is None or clip.sound is None:
            continue
        name = clip.name
        try:
            found[name] = offset_of(clip.video, clip.sound)
        except InputError as error:
            found[name] = {"reason": str(error)}
            continue
        late = float(found[name]["seconds"])
        results.append(mouth_in_step(comparison.drivers["mouth"], comparison.output.signals, late))
    return {"mouth_in_step": summarise(results).to_json() if results else None, "sound_offsets": found}
