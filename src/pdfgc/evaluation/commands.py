"""The verbs `pdfgc evaluate control` and `pdfgc evaluate cases`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pdfgc.arguments import Option
from pdfgc.errors import InputError
from pdfgc.model_digest import weights_digest
from pdfgc.progress import say

if TYPE_CHECKING:
    from pdfgc.evaluation.bench import Bench

DEFAULT_MODEL = "small"

Report = Annotated[Path, Option("folder for results.json and the cache; run again to go on", "OUT")]
ModelName = Annotated[str, Option("a preset, a run's folder or a .safetensors file", "M")]
Seconds = Annotated[float, Option("longest stretch that is rendered of each", "S")]


def control(
    *,
    data: Annotated[Path, Option("driving clips: a folder, a video, or a list (.txt, .tsv)", "CLIPS")],
    report: Report,
    portraits: Annotated[
        Path | None, Option("pictures, given likewise; default: each clip's own", "DIR")
    ] = None,
    model: ModelName = DEFAULT_MODEL,
    seconds: Seconds = 5.0,
    limit: Annotated[int | None, Option("use only the first N clips", "N")] = None,
    sound_offset: Annotated[
        bool, Option("also measure how late each clip's sound is, and judge the mouth at that lag")
    ] = False,
    dry_run: Annotated[bool, Option("show what would be done, and stop")] = False,
) -> None:
    """Measures what each driver moves: the control matrix.

    Every clip drives one portrait: lips by sound, lips by video, pose, gaze, blink, expression, each alone,
    and all together. The diagonal says how well the result follows its driver, the rest how much moves that
    should not, relative to the driver's own movement. Two rows show the instruments: `nothing`, the held
    portrait, and `driver itself`, the driver's own frames in place of a result. There is no --metrics: the
    matrix is every measure under every driver.

    Raises:
        InputError: nothing to evaluate, or a model that cannot be loaded.
    """
    from pdfgc.evaluation.cases import list_clips, list_portraits
    from pdfgc.evaluation.control_report import write_control_page
    from pdfgc.evaluation.protocols import ROWS, SENSOR_NOISE, control_matrix
    from pdfgc.evaluation.report import control_results, control_table

    _require_positive(seconds=seconds, limit=limit)
    clips = list_clips(data)[:limit]
    pictures = None if portraits is None else list_portraits(portraits)
    if dry_run:
        sources = "their own first faces" if pictures is None else f"{len(pictures)} portraits"
        say(f"{len(clips)} clips x {len(ROWS)} rows of at most {seconds:g} s, on {sources}, into {report}")
        return
    with _bench(model, report, seconds) as bench:
        comparisons, skipped = control_matrix(bench, clips, pictures)
        if not comparisons:
            raise InputError(f"nothing could be evaluated; first reason: {skipped[0]['reason']}")
        settings = {"data": str(data), "portraits": str(portraits), "sensor_noise_of_nothing": SENSOR_NOISE}
        results = _header("control", bench, settings) | control_results(comparisons) | {"skipped": skipped}
        if sound_offset:
            from pdfgc.evaluation.protocols import mouths_in_step
            from pdfgc.evaluation.sound_lag import offsets

            results |= mouths_in_step(comparisons, clips, offsets(bench.cache.folder))
        write_control_page(results, comparisons, report)
        _finish(results, control_table(results), report)


def cases(
    *,
    cases: Annotated[
        Path, Option("YAML, JSON or TSV with portrait, audio, pose, eyes ... of each case", "FILE")
    ],
    report: Report,
    root: Annotated[Path | None, Option("where its relative paths start; default: beside it", "DIR")] = None,
    model: ModelName = DEFAULT_MODEL,
    seconds: Seconds = 60.0,
    fps: Annotated[Fraction, Option("frames a second of the results", "RATE")] = Fraction(25),
    dry_run: Annotated[bool, Option("show what would be done, and stop")] = False,
) -> None:
    """Renders listed cases and measures how each factor follows the file that drives it.

    Raises:
        InputError: a case that names missing files, or a model that cannot be loaded.
    """
    from pdfgc.evaluation.cases import read_cases
    from pdfgc.evaluation.control_report import write_cases_page
    from pdfgc.evaluation.protocols import run_cases
    from pdfgc.evaluation.report import case_results, case_table

    _require_positive(seconds=seconds, fps=fps)
    listed = read_cases(cases, root)
    if dry_run:
        say("\n".join(f"{c.name}: {c.portrait}, {c.drivers}" for c in listed))
        return
    with _bench(model, report, seconds) as bench:
        settings = {"cases": str(cases), "fps": str(fps)}
        comparisons = run_cases(bench, listed, fps)
        results = _header("cases", bench, settings) | case_results(comparisons)
        write_cases_page(results, listed, comparisons, lambda p: bench.clip(p).signals.times, report)
        _finish(results, case_table(results), report)


@contextmanager
def _bench(model: str, report: Path, seconds: float) -> Iterator[Bench]:
    import pdfgc
    from pdfgc.evaluation.bench import Bench
    from pdfgc.evaluation.cache import MeasurementCache
    from pdfgc.evaluation.measurement import Meter
    from pdfgc.face.tracker import FaceTracker
    from pdfgc.priors.identity import FaceIdentity

    loaded = pdfgc.load(model)
    cache = MeasurementCache(report / "cache")
    with FaceTracker() as tracker:
        yield Bench(loaded, weights_digest(loaded), Meter(tracker, FaceIdentity()), cache, seconds)


def _header(protocol: str, bench: Bench, settings: dict[str, Any]) -> dict[str, Any]:
    from pdfgc import __version__
    from pdfgc.evaluation.cache import code_digest
    from pdfgc.evaluation.signals import MEASURES

    trackers = {
        "mesh": "MediaPipe Face Landmarker, image mode: also the model's own front end",
        "identity": "SFace (not used in training)",
    }
    return {
        "protocol": protocol,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "pdfgc": __version__,
        "weights": bench.weights,
        "code": code_digest(),
        "settings": settings | {"seconds": bench.seconds, "trackers": trackers},
        "measures": {name: {"unit": m.unit, "min_driver_sd": m.min_sd} for name, m in MEASURES.items()},
    }


def _finish(results: dict[str, Any], table: str, report: Path) -> None:
    from pdfgc.evaluation.report import write_results

    path = write_results(results, report)
    say(f"{table}written to {path}")


def _require_positive(**values: float | Fraction | None) -> None:
    for name, value in values.items():
        if value is not None and value <= 0:
            raise InputError(f"expected --{name} above 0, got {value}")
