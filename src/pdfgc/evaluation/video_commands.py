"""The verb `pdfgc evaluate videos`: scores files that anyone made."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pdfgc.arguments import Option
from pdfgc.errors import InputError
from pdfgc.progress import say

if TYPE_CHECKING:
    from pdfgc.evaluation.judges import Judges
    from pdfgc.evaluation.scoring import Trial

log = logging.getLogger(__name__)

Report = Annotated[
    Path, Option("folder for results.json, report.html and the cache; run again to go on", "OUT")
]
Metrics = Annotated[str, Option("only these, parted by commas, such as lmd,csim (default: all)", "NAMES")]
SyncnetPath = Annotated[
    Path | None, Option("SyncNet's weights syncnet_v2.model, for LSE-C, LSE-D and NLSE-C", "FILE")
]
InceptionPath = Annotated[
    Path | None, Option("Inception's weights pt_inception-2015-12-05-6726825d.pth, for FID", "FILE")
]
EmocaPath = Annotated[
    Path | None, Option("EMOCA's checkpoint, to measure pose and expression in 3-D", "FILE")
]
TrainLse = Annotated[
    float | None, Option("LSE-C of the training data, for NLSE-C (default: that of the truth)", "VALUE")
]

Cache = Annotated[
    Path | None, Option("where measurements are kept, to share them (default: OUT/cache)", "DIR")
]


def videos(
    *,
    generated: Annotated[Path, Option("folder of the videos that are scored", "DIR")],
    truth: Annotated[Path, Option("folder of the true videos, under the same names", "DIR")],
    report: Report,
    metrics: Metrics = "",
    syncnet: SyncnetPath = None,
    inception: InceptionPath = None,
    emoca: EmocaPath = None,
    train_lse_c: TrainLse = None,
    cache: Cache = None,
    dry_run: Annotated[bool, Option("list the pairs, and stop")] = False,
) -> None:
    """Scores videos that anyone made against the true ones.

    A video is matched with the true one of the same name, whatever its suffix, frame by frame in time. Pictures
    are compared where both show the same part of the world; faces are compared in any framing.

      pdfgc evaluate videos --generated wav2lip/ --truth clips/ --report report --metrics lmd,lmd_m,csim

    Raises:
        InputError: folders without common names, an unknown metric, or weights that are none.
    """
    from pdfgc.evaluation.scores import choose_metrics
    from pdfgc.evaluation.scoring import match_by_name, score_trials, video_trials

    chosen = choose_metrics(split_names(metrics))
    matched, unmatched = match_by_name(generated, truth)
    for sentence in unmatched:
        log.warning("%s", sentence)
    if dry_run:
        say("\n".join(f"{ours} against {theirs}" for _, ours, theirs in matched))
        return
    with open_judges(cache or report / "cache", syncnet, inception, emoca) as judges:
        trials = video_trials(matched, judges)
        results = header("videos", {"generated": str(generated), "truth": str(truth), "metrics": chosen})
        results |= score_trials(trials, chosen, lse_reference=train_lse_c) | {"unmatched": unmatched}
        require_something(results)
        about = f"videos of {generated.name} against those of the same names in {truth.name}"
        publish("Videos against the truth", about, results, trials, report)


def split_names(text: str) -> list[str]:
    """Names parted by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


@contextmanager
def open_judges(
    cache: Path, syncnet: Path | None, inception: Path | None, emoca: Path | None
) -> Iterator[Judges]:
    """The judges, who keep what they saw in `cache`.

    Raises:
        InputError: weights that are none.
    """
    from pdfgc.evaluation.judges import Judges
    from pdfgc.evaluation.store import ArrayStore
    from pdfgc.face.tracker import FaceTracker
    from pdfgc.priors.identity import FaceIdentity

    store = ArrayStore(cache)
    with FaceTracker() as tracker:
        judges = Judges(tracker, FaceIdentity(), store, syncnet=syncnet, inception=inception, emoca=emoca)
        judges.load_given()
        yield judges


def header(protocol: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What every results file begins with."""
    from datetime import datetime, timezone

    from pdfgc import __version__
    from pdfgc.evaluation.store import measuring_digest

    return {
        "protocol": protocol,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "pdfgc": __version__,
        "measuring_code": measuring_digest(),
        "settings": settings,
    }


def require_something(results: dict[str, Any]) -> None:
    """Raises InputError where every clip was left out."""
    if not results["clips"]:
        raise InputError(f"nothing could be evaluated; first reason: {results['skipped'][0]['reason']}")


def publish(title: str, about: str, results: dict[str, Any], trials: Sequence[Trial], report: Path) -> None:
    """Writes everything that a report consists of and says where."""
    from pdfgc.evaluation.publication import write_report
    from pdfgc.evaluation.tables import summary_table

    report.mkdir(parents=True, exist_ok=True)
    path = write_report(title, about, results, trials, report)
    say(f"{summary_table(results)}written to {path.parent / 'results.json'}, report.md and {path.name}")
