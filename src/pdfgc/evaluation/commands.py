"""The verbs `pdfgc evaluate control` and `pdfgc evaluate cases`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pdfgc.arguments import Option
from pdfgc.evaluation.options import (
    DEFAULT_MODEL,
    Cache,
    Data,
    DryRun,
    Layout,
    Limit,
    Measures,
    ModelName,
    Offsets,
    Portraits,
    Report,
    Seconds,
    Seed,
    TestList,
)
from pdfgc.evaluation.session import (
    header,
    open_judges,
    require_positive,
    require_something,
    split_names,
    told,
)
from pdfgc.model_digest import weights_digest
from pdfgc.progress import say
from pdfgc.report_folders import check_report
from pdfgc.wording import counted

if TYPE_CHECKING:
    from pdfgc.evaluation.bench import Bench


def control(
    *,
    data: Data,
    report: Report,
    portraits: Portraits = None,
    model: ModelName = DEFAULT_MODEL,
    layout: Layout = "folder",
    test_list: TestList = None,
    limit: Limit = None,
    seconds: Seconds = 5.0,
    seed: Seed = 0,
    metrics: Measures = "",
    sound_offset: Offsets = False,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Measures what each driver moves: the control matrix.

    Every clip drives one portrait: lips by sound, lips by video, pose, gaze, blink, expression, each alone,
    and all together. The diagonal says how well the result follows its driver, the rest how much moves that
    should not, relative to the driver's own movement. Two rows show the instruments: `nothing`, the held
    portrait, and `driver itself`, the driver's own frames in place of a result. --metrics picks columns; every
    row is rendered all the same.

    Raises:
        InputError: nothing to evaluate, an unknown measure, or a model that cannot be loaded.
    """
    from pdfgc.evaluation.cases import list_portraits
    from pdfgc.evaluation.control_report import write_control_page
    from pdfgc.evaluation.datasets import list_test_clips, selection
    from pdfgc.evaluation.portraits import usable
    from pdfgc.evaluation.protocols import ROWS, SENSOR_NOISE, control_matrix, mouths_in_step
    from pdfgc.evaluation.report import control_results, control_table
    from pdfgc.evaluation.signals import choose_measures
    from pdfgc.evaluation.sound_lag import offsets

    require_positive(seconds=seconds, limit=limit)
    check_report(report)
    measures = choose_measures(split_names(metrics))
    clips = list_test_clips(data, layout, test_list, limit, seed, report)
    pictures = None if portraits is None else list_portraits(portraits, report)
    if dry_run:
        sources = "their own first faces" if pictures is None else counted(len(pictures), "portrait")
        videos = f"{counted(len(clips), 'clip')} x {counted(len(ROWS), 'row')}"
        say(f"{videos} of at most {seconds:g} s, on {sources}, into {report}")
        say("\n".join(f"{clip.name}: {clip.video}, {clip.identity}" for clip in clips))
        return
    with _bench(model, report, cache, seconds) as (bench, about_model):
        unfit: list[dict[str, str]] = []
        if pictures is not None:
            pictures, unfit = usable(pictures, len(clips), bench.portrait)
        comparisons, skipped = control_matrix(bench, clips, pictures, data)
        skipped = unfit + skipped
        require_something(comparisons, skipped)
        settings = {
            **selection(clips, data, layout, test_list, limit, seed),
            "portraits": None if portraits is None else str(portraits),
            "seconds": seconds,
            "measures": list(measures),
            "sound_offset": sound_offset,
            "sensor_noise_of_nothing": SENSOR_NOISE,
        }
        results = header("control", settings, bench.identity, **about_model) | _measures(measures)
        results |= control_results(comparisons, measures) | {"skipped": skipped}
        if sound_offset:
            results |= mouths_in_step(comparisons, offsets(bench.store.folder))
        page = write_control_page(results, comparisons, report)
        told(control_table(results), page)


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
    cache: Cache = None,
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
    from pdfgc.evaluation.signals import choose_measures

    require_positive(seconds=seconds, fps=fps)
    check_report(report)
    listed = read_cases(cases, root)
    if dry_run:
        say("\n".join(f"{c.name}: {c.portrait}, {c.drivers}" for c in listed))
        return
    with _bench(model, report, cache, seconds) as (bench, about_model):
        run, skipped = run_cases(bench, listed, fps)
        require_something(run, skipped)
        settings = {"cases": str(cases), "fps": str(fps), "seconds": seconds}
        results = header("cases", settings, bench.identity, **about_model) | _measures(choose_measures([]))
        results |= case_results([comparison for _, comparison in run]) | {"skipped": skipped}
        page = write_cases_page(results, run, lambda p: bench.clip(p).times, report)
        told(case_table(results), page)


@contextmanager
def _bench(
    model: str, report: Path, cache: Path | None, seconds: float
) -> Iterator[tuple[Bench, dict[str, str]]]:
    """A bench, and what the results say about the model on it."""
    import pdfgc
    from pdfgc.evaluation.bench import Bench

    with open_judges(report, cache) as judges:
        loaded = pdfgc.load(model)
        weights = weights_digest(loaded)
        bench = Bench(loaded, weights, judges.tracker, judges.identity, judges.store, seconds)
        yield bench, {"model": model, "weights": weights}


def _measures(names: Sequence[str]) -> dict[str, Any]:
    from pdfgc.evaluation.signals import MEASURES

    return {
        "measures": {
            name: {"unit": MEASURES[name].unit, "min_driver_sd": MEASURES[name].min_sd} for name in names
        }
    }
