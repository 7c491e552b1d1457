"""Scores of generated videos against true ones, clip by clip and over all of them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pdfgc.errors import InputError
from pdfgc.evaluation.cases import PICTURE_SUFFIXES
from pdfgc.evaluation.judges import Judges
from pdfgc.evaluation.pair import Pair
from pdfgc.evaluation.result import MetricResult, summarise
from pdfgc.evaluation.scores import METRICS, NLSE_C, POOLS, SCORES, nlse
from pdfgc.media.suffixes import VIDEO_SUFFIXES
from pdfgc.progress import track
from pdfgc.report_folders import is_made

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """A generated video and what it is compared with.

    Attributes:
        name: as in the report.
        comparisons: a pair and the metrics that make sense for it; the generated video is the same in all.
        about: how it was made, for the report (portrait, drivers, crops, offsets).
    """

    name: str
    comparisons: tuple[tuple[Pair, tuple[str, ...]], ...]
    about: dict[str, Any]

    def pair_for(self, metric: str) -> Pair | None:
        """The pair that a metric is worked out from."""
        return next((pair for pair, metrics in self.comparisons if metric in metrics), None)


def score_trials(
    trials: Sequence[Trial], metrics: Sequence[str], *, lse_reference: float | None = None
) -> dict[str, Any]:
    """Every trial's own numbers, and each metric over all of them.

    Args:
        trials: what is scored.
        metrics: names out of `METRICS`.
        lse_reference: LSE-C of the training data, for NLSE-C.

    Returns:
        `{"summary": {metric: result}, "clips": [{"name", "about", "metrics"}], "skipped": [{"name", "reason"}]}`.
        A video that cannot be read is left out and named in `skipped`.
    """
    clips: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    scored: list[tuple[Trial, dict[str, MetricResult]]] = []
    for trial in track(trials, len(trials), "scores"):
        try:
            results = _score(trial, metrics)
            frames = trial.comparisons[0][0].frames()
        except InputError as error:
            log.warning("left out %s: %s", trial.name, error)
            skipped.append({"name": trial.name, "reason": str(error)})
            continue
        finally:
            for pair, _ in trial.comparisons:
                pair.forget()
        scored.append((trial, results))
        numbers = {name: result.to_json() for name, result in results.items()}
        about = trial.about | {"frames_of_pair": frames}
        clips.append({"name": trial.name, "about": about, "metrics": numbers})
    summary = _summary(scored, metrics, lse_reference)
    return {"summary": summary, "clips": clips, "skipped": skipped}


def _score(trial: Trial, metrics: Sequence[str]) -> dict[str, MetricResult]:
    chosen = ((name, trial.pair_for(name)) for name in SCORES if name in metrics)
    return {name: SCORES[name].measure(pair) for name, pair in chosen if pair is not None}


def _summary(
    scored: Sequence[tuple[Trial, dict[str, MetricResult]]], metrics: Sequence[str], reference: float | None
) -> dict[str, Any]:
    summary: dict[str, MetricResult] = {}
    for name in SCORES:
        if each := [results[name] for _, results in scored if name in results]:
            summary[name] = _mean(each)
    if NLSE_C in metrics:
        synced = [(pair, results) for t, results in scored if (pair := t.pair_for("lse_c"))]
        if synced:
            confidences = [
                results["lse_c"] if "lse_c" in results else SCORES["lse_c"].measure(pair)
                for pair, results in synced
            ]
            summary[NLSE_C] = nlse([pair for pair, _ in synced], confidences, reference)
    for name, pool in POOLS.items():
        pairs = [pair for trial, _ in scored if (pair := trial.pair_for(name))]
        if name in metrics and pairs:
            summary[name] = pool.measure(pairs)
    return {name: summary[name].to_json() for name in METRICS if name in summary}


def _mean(each: Sequence[MetricResult]) -> MetricResult:
    """`summarise` without the settings that are of single clips, such as an offset that was found."""
    result, first = summarise(each), each[0].settings
    single = {name for name in first if any(other.settings.get(name) != first[name] for other in each)}
    return replace(result, settings={n: v for n, v in result.settings.items() if n not in single})


def match_by_name(generated: Path, truth: Path) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """Videos of two folders that share a name, whatever their suffix.

    Args:
        generated, truth: folders of videos, or of folders of numbered frames; sub-folders count, and their names are
            a part of the videos' (`anna/001`).

    Returns:
        `(name, generated file, true file)` by name, and a sentence about each file that is not compared.

    Raises:
        InputError: not a folder, or nothing that matches.
    """
    (ours, unclear), (theirs, unclear_too) = _by_name(generated), _by_name(truth)
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise InputError(
            f"expected videos of the same names in {generated} and {truth}, but none of the {len(ours)} here "
            f"is among the {len(theirs)} there"
        )
    lonely = [
        f"{ours[name]} has no video of that name in {truth}" for name in sorted(ours.keys() - theirs.keys())
    ]
    lonely += [
        f"{theirs[name]} has no video of that name in {generated}"
        for name in sorted(theirs.keys() - ours.keys())
    ]
    return [(name, ours[name], theirs[name]) for name in shared], unclear + unclear_too + lonely


def _by_name(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Name -> video, and a sentence about each name that several videos share."""
    if not folder.is_dir():
        raise InputError(f"expected a folder of videos at {folder}, but there is none")
    found: dict[str, list[Path]] = defaultdict(list)
    for path in _videos_below(folder):
        named = path if path.is_dir() else path.with_suffix("")
        found[named.relative_to(folder).as_posix()].append(path)
    shared = [f"{' and '.join(map(str, paths))} share a name" for paths in found.values() if len(paths) > 1]
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1}, shared


def _videos_below(folder: Path) -> Iterator[Path]:
    """Videos, and folders that hold pictures, which are the frames of one; none that a report made."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            if path.suffix.lower() in VIDEO_SUFFIXES:
                yield path
        elif is_made(path):
            continue
        elif any(file.suffix.lower() in PICTURE_SUFFIXES for file in path.iterdir()):
            yield path
        else:
            yield from _videos_below(path)


def video_trials(matched: Sequence[tuple[str, Path, Path]], judges: Judges) -> list[Trial]:
    """One trial for each matched pair of files, all metrics."""
    return [
        Trial(
            name,
            ((Pair(name, ours, theirs, judges), METRICS),),
            {"generated": str(ours), "truth": str(theirs)},
        )
        for name, ours, theirs in matched
    ]
