"""The verbs `pdfgc evaluate self`, `cross`, `cross-identity` and `ablation`: one signature, four protocols."""

from __future__ import annotations

from pdfgc.arguments import Verb
from pdfgc.evaluation.options import (
    DEFAULT_MODEL,
    Cache,
    Data,
    DryRun,
    EmocaPath,
    InceptionPath,
    Layout,
    Limit,
    Metrics,
    ModelName,
    Offsets,
    Portraits,
    Report,
    Seconds,
    Seed,
    SyncnetPath,
    TestList,
    TrainLse,
)
from pdfgc.evaluation.session import (
    header,
    open_judges,
    publish,
    require_positive,
    require_something,
    split_names,
)
from pdfgc.model_digest import weights_digest
from pdfgc.progress import say
from pdfgc.report_folders import check_report


def _verb(protocol: str, about: str) -> Verb:
    """The verb of a protocol; `about` is its documentation."""

    def verb(
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
        import pdfgc
        from pdfgc.evaluation.cases import list_portraits
        from pdfgc.evaluation.datasets import list_test_clips, selection
        from pdfgc.evaluation.portraits import usable
        from pdfgc.evaluation.scores import choose_metrics
        from pdfgc.evaluation.scoring import score_trials
        from pdfgc.evaluation.sound_lag import offsets
        from pdfgc.evaluation.studio import Studio
        from pdfgc.evaluation.video_protocols import PROTOCOLS, Setup, run_protocol

        require_positive(seconds=seconds, limit=limit)
        check_report(report)
        run, chosen = PROTOCOLS[protocol], choose_metrics(split_names(metrics), sound_offset=sound_offset)
        clips = list_test_clips(data, layout, test_list, limit, seed, report)
        people = None if portraits is None else list_portraits(portraits, report)
        run.require(len(clips), people is not None)
        if dry_run:
            say("\n".join(f"{clip.name}: {clip.video}, {clip.identity}" for clip in clips))
            return
        with open_judges(report, cache, syncnet=syncnet, inception=inception, emoca=emoca) as judges:
            loaded = pdfgc.load(model)
            weights = weights_digest(loaded)
            studio = Studio(loaded, weights, judges.tracker, judges.store, report, seconds)
            unfit: list[dict[str, str]] = []
            if people is not None:
                people, unfit = usable(people, len(clips), studio.portrait)
            offset_of = offsets(judges.store.folder) if sound_offset else None
            trials, skipped = run_protocol(run, Setup(studio, judges, clips, people, seed, offset_of, data))
            settings = {
                "about": run.about,
                **selection(clips, data, layout, test_list, limit, seed),
                "portraits": None if portraits is None else str(portraits),
                "seconds": seconds,
                "metrics": chosen,
            }
            identity = judges.identity if "csim" in chosen else None
            results = header(protocol, settings, identity, model=model, weights=weights)
            results |= score_trials(trials, chosen, lse_reference=train_lse_c)
            results["skipped"] = unfit + skipped + results["skipped"]
            require_something(results["clips"], results["skipped"])
            publish(run.title, run.about, results, trials, report)

    verb.__doc__ = about
    return verb


self_driving = _verb(
    "self",
    """Self-driving: a clip's first frame is animated by the rest of the clip, and compared with it.

    The videos stay in OUT/generated and OUT/truth, for `pdfgc evaluate videos` and for looking at. With --portraits
    other pictures are animated instead, and only what does not depend on the person is compared.

    Raises:
        InputError: nothing to evaluate, a model that cannot be loaded, or weights that are none.
    """,
)

ablation = _verb(
    "ablation",
    """Self-driving with the expression of the first frame: lips that suffer from it were not disentangled.

    Raises:
        InputError: as `self`.
    """,
)

cross = _verb(
    "cross",
    """Cross-video expression: portrait, sound, pose and eyes of one clip, the expression of another.

    Raises:
        InputError: as `self`, or a single clip.
    """,
)

cross_identity = _verb(
    "cross-identity",
    """Cross-identity: a portrait is driven by all of another person's clip.

    Raises:
        InputError: as `self`, or a single clip without --portraits.
    """,
)
