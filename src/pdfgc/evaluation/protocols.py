"""What is driven and what is measured: the control matrix (spec, section 5) and files of cases."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.bench import Bench, Measurement
from pdfgc.evaluation.cases import Case, is_filmed, names_of
from pdfgc.evaluation.result import summarise
from pdfgc.evaluation.signals import pingpong
from pdfgc.evaluation.sound_lag import OffsetOf, mouth_in_step
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
        clip: the driving clip, or the file of the case's sound, where there is one.
        row: name of the row, or of the case.
        drivers: measure -> `[T]` signal of the driver that it is compared with, at the output's times.
        own: the measures that were meant to move.
        output: what was measured on the rendered frames.
        portrait: `[128]` identity of the portrait.
    """

    pair: str
    clip: Path | None
    row: str
    drivers: dict[str, np.ndarray]
    own: tuple[str, ...]
    output: Measurement
    portrait: np.ndarray


def control_matrix(
    bench: Bench, clips: list[Path], portraits: list[Path] | None
) -> tuple[list[Comparison], list[dict[str, str]]]:
    """Every clip drives one portrait, each factor alone and all together.

    Args:
        bench: renders and measures.
        clips: driving clips with one talking person each.
        portraits: clip i drives portrait i modulo their number; None = each clip's own first face.

    Returns:
        the comparisons, and what was left out: `{"pair", "row", "reason"}`.
    """
    comparisons: list[Comparison] = []
    skipped: list[dict[str, str]] = []
    pictures = clips if portraits is None else [portraits[i % len(portraits)] for i in range(len(clips))]
    pairs = list(zip(names_of(clips), clips, pictures, strict=True))
    jobs = [(*pair, row) for pair in pairs for row in ROWS]
    for name, clip, portrait, row in track(jobs, len(jobs), "control matrix"):
        pair = f"{name} -> {name if portrait == clip else portrait.name}"
        try:
            comparisons.append(_control_row(bench, pair, clip, portrait, row))
        except InputError as error:
            log.warning("left out %s, %s: %s", pair, row.name, error)
            skipped.append({"pair": pair, "row": row.name, "reason": str(error)})
    return comparisons, skipped


def _control_row(bench: Bench, pair: str, clip: Path, portrait: Path, row: Row) -> Comparison:
    from pdfgc.media.video import probe

    info = probe(clip)
    if "audio" in row.arguments and not info.has_audio:
        raise InputError("the clip has no sound")
    driver = bench.clip(clip).signals
    picture, embedding = bench.portrait(portrait)
    frames = min(int(bench.seconds * info.fps), len(driver))
    if row is REPLAY:
        output = bench.replay(clip, frames)
    elif row.arguments:
        drivers = dict.fromkeys(row.arguments, str(clip))
        output = bench.perform(picture, drivers, info.fps, frames)
    else:
        still = {"audio": str(bench.silence()), "lips": "hold"}
        output = bench.perform(picture, still, info.fps, frames, SENSOR_NOISE)
    aligned = driver.at(output.signals.times)
    return Comparison(pair, clip, row.name, aligned.values, row.own, output, embedding)


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
    return Comparison(case.name, files.get("audio"), case.name, drivers, tuple(drivers), output, embedding)


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
        if comparison.row != "lips by audio" or comparison.clip is None:
            continue
        name = comparison.pair.split(" -> ")[0]
        try:
            found[name] = offset_of(comparison.clip)
        except InputError as error:
            found[name] = {"reason": str(error)}
            continue
        late = float(found[name]["seconds"])
        results.append(mouth_in_step(comparison.drivers["mouth"], comparison.output.signals, late))
    return {"mouth_in_step": summarise(results).to_json() if results else None, "sound_offsets": found}
