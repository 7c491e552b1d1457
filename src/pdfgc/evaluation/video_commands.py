"""The verb `pdfgc evaluate videos`: scores files that anyone made."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

from pdfgc.arguments import Option
from pdfgc.errors import InputError
from pdfgc.evaluation.options import Cache, EmocaPath, InceptionPath, Metrics, Report, SyncnetPath, TrainLse
from pdfgc.evaluation.session import (
    header,
    open_judges,
    publish,
    require_something,
    split_names,
)
from pdfgc.progress import say
from pdfgc.report_folders import check_report

log = logging.getLogger(__name__)


def videos(
    *,
    generated: Annotated[Path, Option("folder of the videos that are scored", "DIR")],
    truth: Annotated[Path, Option("folder of the true videos, under the same names", "DIR")],
    report: Report,
    name: Annotated[
        str | None,
        Option("what these videos are called beside the paper's (default: their folder's name)", "NAME"),
    ] = None,
    metrics: Metrics = "",
    syncnet: SyncnetPath = None,
    inception: InceptionPath = None,
    emoca: EmocaPath = None,
    train_lse_c: TrainLse = None,
    cache: Cache = None,
    dry_run: Annotated[bool, Option("list the pairs, and stop")] = False,
) -> None:
    """Scores videos that anyone made against the true ones.

    A video is matched with the true one of the same name, whatever its suffix, frame by frame in time; sub-folders
    count, and a folder of numbered frames is a video. Pictures are compared where both show the same part of the
    world; faces are compared in any framing. The report puts a row of these videos under those
    of the paper's tables that the metrics allow.

      pdfgc evaluate videos --generated wav2lip/ --truth clips/ --report report --name Wav2Lip

    Raises:
        InputError: folders without common names, an unknown metric, weights that are none, or a name of several lines.
    """
    from pdfgc.evaluation.scores import choose_metrics
    from pdfgc.evaluation.scoring import match_by_name, score_trials, video_trials

    chosen = choose_metrics(split_names(metrics))
    called = (name or "").strip() or generated.resolve().name
    if not called.isprintable():
        raise InputError(f"expected --name to be one line of text, got {name!r}")
    check_report(report)
    matched, unmatched = match_by_name(generated, truth)
    for sentence in unmatched:
        log.warning("%s", sentence)
    if dry_run:
        say("\n".join(f"{ours} against {theirs}" for _, ours, theirs in matched))
        return
    with open_judges(report, cache, syncnet=syncnet, inception=inception, emoca=emoca) as judges:
        trials = video_trials(matched, judges)
        settings = {"name": called, "generated": str(generated), "truth": str(truth), "metrics": chosen}
        results = header("videos", settings, judges.identity if "csim" in chosen else None)
        results |= score_trials(trials, chosen, lse_reference=train_lse_c) | {"unmatched": unmatched}
        require_something(results["clips"], results["skipped"])
        about = f"videos of {generated.name} against those of the same names in {truth.name}"
        publish("Videos against the truth", about, results, trials, report)
