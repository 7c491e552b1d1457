"""What every verb of `pdfgc evaluate` begins and ends with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdfgc.errors import InputError
from pdfgc.files import make_folder, remove_unfinished
from pdfgc.lock import locked
from pdfgc.progress import say
from pdfgc.report_folders import OWN, make_marked

if TYPE_CHECKING:
    from pdfgc.evaluation.evidence import Identity
    from pdfgc.evaluation.judges import Judges
    from pdfgc.evaluation.scoring import Trial

log = logging.getLogger(__name__)

MESH = "MediaPipe Face Landmarker, image mode: also the model's own front end, and a teacher in its training"
SFACE = "SFace (not used in training)"


def split_names(text: str) -> list[str]:
    """Names parted by commas, as results spell them: `LSE-C` is `lse_c`."""
    return [name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()]


def require_positive(**values: float | Fraction | None) -> None:
    """Raises InputError for an option that is not above 0 (None is not given)."""
    for name, value in values.items():
        if value is not None and not value > 0:
            raise InputError(f"expected --{name} above 0, got {value}")


@contextmanager
def open_judges(
    report: Path,
    cache: Path | None = None,
    *,
    syncnet: Path | None = None,
    inception: Path | None = None,
    emoca: Path | None = None,
) -> Iterator[Judges]:
    """The judges of a report, which no other process works on meanwhile; what killed ones left half-written is removed.

    Args:
        report: its folder.
        cache: where they keep what they saw; a folder in the report by default.
        syncnet, inception, emoca: weights, see `Judges`.

    Raises:
        InputError: weights that are none, or another process works on the report.
    """
    from pdfgc.evaluation.judges import Judges
    from pdfgc.evaluation.store import ArrayStore
    from pdfgc.face.tracker import FaceTracker

    folder = cache or report / "cache"
    make_marked(folder)
    store = ArrayStore(folder)
    with (
        locked(make_folder(report), "evaluating into", "another --report") as alone,
        FaceTracker() as tracker,
    ):
        for name in OWN if alone else ():
            remove_unfinished(report / name)
        judges = Judges(tracker, _recogniser(), store, syncnet=syncnet, inception=inception, emoca=emoca)
        judges.load_given()
        yield judges


def _recogniser() -> Identity:
    """SFace, or where its weights cannot be had one that knows nobody, so that all else is measured."""
    from pdfgc.evaluation.identity import Unrecognised
    from pdfgc.priors.identity import FaceIdentity

    try:
        return FaceIdentity()
    except InputError as error:
        log.warning("the likeness of persons is not measured: %s", error)
        return Unrecognised(str(error))


def instruments(identity: Identity | None) -> dict[str, str]:
    """What looked at faces; `missing` says what should have, but could not be had.

    Args:
        identity: the recogniser, or None where no likeness was asked for.
    """
    from pdfgc.evaluation.identity import Unrecognised

    used = {"mesh": MESH}
    if isinstance(identity, Unrecognised):
        return used | {"missing": f"SFace, so no likeness of persons: {identity.reason}"}
    return used if identity is None else used | {"identity": SFACE}


def header(
    protocol: str,
    settings: dict[str, Any],
    identity: Identity | None,
    *,
    model: str | None = None,
    weights: str | None = None,
) -> dict[str, Any]:
    """What every results file begins with.

    Args:
        protocol: the verb.
        settings: whatever else one must know to measure the same again.
        identity: see `instruments`.
        model: what rendered, as it was named; None where the videos are others'.
        weights: its digest.
    """
    from datetime import datetime, timezone

    from pdfgc import __version__
    from pdfgc.evaluation.digests import measuring_digest, rendering_digest

    head = {
        "protocol": protocol,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "pdfgc": __version__,
        "measuring_code": measuring_digest(),
        "instruments": instruments(identity),
        "settings": settings,
    }
    made_by = {"model": model, "weights": weights, "rendering_code": rendering_digest()}
    return head if model is None else head | made_by


def require_something(measured: Sequence[Any], skipped: Sequence[dict[str, str]]) -> None:
    """Raises InputError where nothing was measured, with the first reason why something was left out."""
    if not measured:
        raise InputError(f"nothing could be evaluated; first reason: {skipped[0]['reason']}")


def publish(title: str, about: str, results: dict[str, Any], trials: Sequence[Trial], report: Path) -> None:
    """Writes everything that a report of scored videos consists of and says where."""
    from pdfgc.evaluation.publication import write_report
    from pdfgc.evaluation.tables import summary_table

    told(summary_table(results), write_report(title, about, results, trials, report))


def told(table: str, page: Path) -> None:
    """Shows a table, and where the whole report lies."""
    say(f"{table}written to {page.parent / 'results.json'}, report.md and {page.name}")
