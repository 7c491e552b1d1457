"""The verbs `pdfgc evaluate self`, `cross`, `cross-identity` and `ablation`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pdfgc.arguments import Option
from pdfgc.errors import InputError
from pdfgc.evaluation.commands import DEFAULT_MODEL, ModelName, Seconds
from pdfgc.evaluation.video_commands import (
    Cache,
    EmocaPath,
    InceptionPath,
    Metrics,
    Report,
    SyncnetPath,
    TrainLse,
    header,
    open_judges,
    publish,
    require_something,
    split_names,
)
from pdfgc.model_digest import weights_digest
from pdfgc.progress import say

Data = Annotated[
    Path, Option("test clips: a folder, a video, a list (.txt, .tsv), or a dataset's folder", "CLIPS")
]
Layout = Annotated[Literal["folder", "voxceleb2", "mead"], Option("how a dataset's folder is laid out")]
TestList = Annotated[Path | None, Option("text file that names the clips or identities to take", "FILE")]
Limit = Annotated[int | None, Option("at most N clips, of as many people as can be", "N")]
Seed = Annotated[int, Option("draws the clips of --limit and which clips are crossed", "N")]
Offsets = Annotated[
    bool, Option("also measure how late each clip's sound is, and judge the mouth at that lag")
]
Portraits = Annotated[Path | None, Option("people to animate: pictures, given as clips are", "DIR")]
DryRun = Annotated[bool, Option("list the clips, and stop")]


def self_driving(
    *,
    data: Data,
    report: Report,
    model: ModelName = DEFAULT_MODEL,
    layout: Layout = "folder",
    test_list: TestList = None,
    limit: Limit = None,
    seconds: Seconds = 10.0,
    seed: Seed = 0,
    metrics: Metrics = "",
    sound_offset: Offsets = False,
    syncnet: SyncnetPath = None,
    inception: InceptionPath = None,
    emoca: EmocaPath = None,
    train_lse_c: TrainLse = None,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Self-driving: a clip's first frame is animated by the rest of the clip, and compared with it.

    The videos stay in OUT/generated and OUT/truth, for `pdfgc evaluate videos` and for looking at.

    Raises:
        InputError: nothing to evaluate, a model that cannot be loaded, or weights that are none.
    """
    _run("self", None, **locals())


def ablation(
    *,
    data: Data,
    report: Report,
    model: ModelName = DEFAULT_MODEL,
    layout: Layout = "folder",
    test_list: TestList = None,
    limit: Limit = None,
    seconds: Seconds = 10.0,
    seed: Seed = 0,
    metrics: Metrics = "",
    sound_offset: Offsets = False,
    syncnet: SyncnetPath = None,
    inception: InceptionPath = None,
    emoca: EmocaPath = None,
    train_lse_c: TrainLse = None,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Self-driving with the expression of the first frame: lips that suffer from it were not disentangled.

    Raises:
        InputError: as `self`.
    """
    _run("ablation", None, **locals())


def cross(
    *,
    data: Data,
    report: Report,
    portraits: Portraits = None,
    model: ModelName = DEFAULT_MODEL,
    layout: Layout = "folder",
    test_list: TestList = None,
    limit: Limit = None,
    seconds: Seconds = 10.0,
    seed: Seed = 0,
    metrics: Metrics = "",
    sound_offset: Offsets = False,
    syncnet: SyncnetPath = None,
    inception: InceptionPath = None,
    emoca: EmocaPath = None,
    train_lse_c: TrainLse = None,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Cross-video expression: portrait, sound, pose and eyes of one clip, the expression of another.

    Raises:
        InputError: as `self`, or a single clip.
    """
    _run("cross", **locals())


def cross_identity(
    *,
    data: Data,
    report: Report,
    portraits: Portraits = None,
    model: ModelName = DEFAULT_MODEL,
    layout: Layout = "folder",
    test_list: TestList = None,
    limit: Limit = None,
    seconds: Seconds = 10.0,
    seed: Seed = 0,
    metrics: Metrics = "",
    sound_offset: Offsets = False,
    syncnet: SyncnetPath = None,
    inception: InceptionPath = None,
    emoca: EmocaPath = None,
    train_lse_c: TrainLse = None,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Cross-identity: a portrait is driven by all of another person's clip.

    Raises:
        InputError: as `self`, or a single clip without --portraits.
    """
    _run("cross-identity", **locals())


def _run(
    name: str,
    portraits: Path | None,
    *,
    data: Path,
    report: Path,
    model: str,
    layout: str,
    test_list: Path | None,
    limit: int | None,
    seconds: float,
    seed: int,
    metrics: str,
    sound_offset: bool,
    syncnet: Path | None,
    inception: Path | None,
    emoca: Path | None,
    train_lse_c: float | None,
    cache: Path | None,
    dry_run: bool,
) -> None:
    import pdfgc
    from pdfgc.evaluation.cases import list_portraits
    from pdfgc.evaluation.datasets import list_test_clips
    from pdfgc.evaluation.scores import choose_metrics
    from pdfgc.evaluation.scoring import score_trials
    from pdfgc.evaluation.sound_lag import offsets
    from pdfgc.evaluation.studio import Studio
    from pdfgc.evaluation.video_protocols import PROTOCOLS, Setup, run_protocol

    if seconds <= 0 or (limit is not None and limit <= 0):
        raise InputError(f"expected --seconds and --limit above 0, got {seconds} and {limit}")
    protocol, chosen = PROTOCOLS[name], choose_metrics(split_names(metrics), sound_offset=sound_offset)
    clips = list_test_clips(data, layout, test_list, limit, seed)
    if dry_run:
        say("\n".join(f"{clip.name}: {clip.video}, {clip.identity}" for clip in clips))
        return
    people = None if portraits is None else list_portraits(portraits)
    with open_judges(cache or report / "cache", syncnet, inception, emoca) as judges:
        loaded = pdfgc.load(model)
        weights = weights_digest(loaded)
        studio = Studio(loaded, weights, judges.tracker, judges.store, report, seconds)
        offset_of = offsets(judges.store.folder) if sound_offset else None
        trials, skipped = run_protocol(protocol, Setup(studio, judges, clips, people, seed, offset_of))
        settings: dict[str, Any] = {
            "about": protocol.about,
            "data": str(data),
            "layout": layout,
            "test_list": None if test_list is None else str(test_list),
            "portraits": None if portraits is None else str(portraits),
            "clips": len(clips),
            "people": len({clip.identity for clip in clips}),
            "limit": limit,
            "seconds": seconds,
            "seed": seed,
            "metrics": chosen,
        }
        results = header(name, settings) | {"model": model, "weights": weights}
        results |= score_trials(trials, chosen, lse_reference=train_lse_c)
        results["skipped"] = skipped + results["skipped"]
        require_something(results)
        publish(protocol.title, protocol.about, results, trials, report)
