"""The metrics of pairs of videos by name, and what each is good for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pdfgc.errors import InputError, NoSoundError
from pdfgc.evaluation.identity import Unrecognised
from pdfgc.evaluation.lip_sync import mouth_correlations
from pdfgc.evaluation.metrics.blinks import blink_rate_error, blink_synchrony
from pdfgc.evaluation.metrics.csim import csim
from pdfgc.evaluation.metrics.expression_error import coefficient_error, expression_error
from pdfgc.evaluation.metrics.frechet import frechet
from pdfgc.evaluation.metrics.gaze_error import gaze_error
from pdfgc.evaluation.metrics.jitter import jitter
from pdfgc.evaluation.metrics.lmd import landmark_distance
from pdfgc.evaluation.metrics.lpips import lpips
from pdfgc.evaluation.metrics.lse import lse, nlse_c
from pdfgc.evaluation.metrics.pose_error import pose_error
from pdfgc.evaluation.metrics.psnr import psnr
from pdfgc.evaluation.metrics.silence_mouth import silence_mouth
from pdfgc.evaluation.metrics.ssim import ssim
from pdfgc.evaluation.metrics.sync_small import sync_small
from pdfgc.evaluation.pair import Pair, matched_embeddings
from pdfgc.evaluation.reconstruction import COEFFICIENTS
from pdfgc.evaluation.result import MetricResult, summarise
from pdfgc.evaluation.signals import MEASURES
from pdfgc.evaluation.sound_lag import mouth_in_step
from pdfgc.wording import nearest

Factor = Literal["picture", "identity", "lips", "pose", "eyes", "expression", "face"]
"""What a metric judges; `face` is all motion together."""

Better = Literal["higher", "lower", "one"]
"""The good direction, or 1 where that is what a perfect result has, and more and less are both worse."""


@dataclass(frozen=True)
class Score:
    """A metric of one pair of videos.

    Attributes:
        label: as tables call it.
        about: one line for readers.
        factor: what it judges.
        better: which way is good.
        measure: works it out.
    """

    label: str
    about: str
    factor: Factor
    better: Better
    measure: Callable[[Pair], MetricResult]


@dataclass(frozen=True)
class Pool:
    """A metric of all pairs together; fields as in `Score`."""

    label: str
    about: str
    factor: Factor
    better: Better
    measure: Callable[[Sequence[Pair]], MetricResult]


def _of_pixels(name: str, metric: Callable[[np.ndarray], MetricResult]) -> Callable[[Pair], MetricResult]:
    def measure(pair: Pair) -> MetricResult:
        if pair.incomparable is not None:
            return replace(metric(np.zeros(0)), reason=pair.incomparable)
        return metric(pair.pixels[name])

    return measure


def _lpips(pair: Pair) -> MetricResult:
    if pair.incomparable is not None:
        return replace(lpips(np.zeros(0)), reason=pair.incomparable)
    try:
        return lpips(pair.by_eye["lpips"])
    except InputError as error:  # the videos were read before, so it is the weights
        return replace(lpips(np.zeros(0)), reason=f"not computed: {error}")


def _csim(pair: Pair) -> MetricResult:
    result = csim(*matched_embeddings(pair), still=pair.still)
    judge = pair.judges.identity
    if isinstance(judge, Unrecognised):
        return replace(result, reason=f"not computed: {judge.reason}")
    return result


def _landmarks(pair: Pair, *, mouth: bool) -> MetricResult:
    scales = pair.judges.evidence(pair.generated).scale, pair.judges.evidence(pair.truth).scale
    return landmark_distance(pair.ours.landmarks, pair.theirs.landmarks, *scales, mouth=mouth)


def _pose(pair: Pair) -> MetricResult:
    if (weights := pair.judges.emoca) is None:
        return pose_error(pair.ours.pose[:, :3], pair.theirs.pose[:, :3])
    return _of_weights(pose_error(*pair.reconstructed("rotation")), pair.judges.store.digest(weights))


def _expression(pair: Pair) -> MetricResult:
    if (weights := pair.judges.emoca) is None:
        return expression_error(pair.ours.scores, pair.theirs.scores)
    error = coefficient_error(*pair.reconstructed("expression"), COEFFICIENTS)
    return _of_weights(error, pair.judges.store.digest(weights))


def _of_weights(result: MetricResult, digest: str) -> MetricResult:
    settings = result.settings | {"coefficients": COEFFICIENTS, "weights_sha256": digest}
    return replace(result, settings=settings)


def _jitter(pair: Pair) -> MetricResult:
    if len(pair.ours) > 1 and not pair.same_rate:
        return MetricResult("jitter", None, "ratio", 0, {}, "the videos run at different rates")
    scales = pair.judges.evidence(pair.generated).scale, pair.judges.evidence(pair.truth).scale
    return jitter(pair.ours.landmarks, pair.theirs.landmarks, *scales)


def _gaze(pair: Pair) -> MetricResult:
    ours, theirs = (
        np.stack([e.signals.values["gaze_x"], e.signals.values["gaze_y"]], -1)
        for e in (pair.ours, pair.theirs)
    )
    return gaze_error(ours, theirs)


def _silence(pair: Pair) -> MetricResult:
    if pair.silent is None:
        return MetricResult("silence_mouth", None, "cm", 0, {}, "neither video has sound")
    ours, theirs = (e.signals.values["mouth"] for e in (pair.ours, pair.theirs))
    return silence_mouth(ours, pair.silent, pair.ours.times, theirs)


def _mouth(pair: Pair) -> MetricResult:
    ours, theirs = (e.signals.values["mouth"] for e in (pair.ours, pair.theirs))
    return mouth_correlations(theirs, ours, MEASURES["mouth"].min_sd)[0]


def _mouth_in_step(pair: Pair) -> MetricResult:
    if pair.sound_late is None:
        reason = "the sound's offset was not looked for (--sound-offset), or there is no sound"
        return MetricResult(IN_STEP, None, "", 0, {}, reason)
    return mouth_in_step(pair.theirs.signals.values["mouth"], pair.ours.signals, pair.sound_late)


def _blinks(
    metric: Callable[[np.ndarray, np.ndarray, np.ndarray], MetricResult],
) -> Callable[[Pair], MetricResult]:
    def measure(pair: Pair) -> MetricResult:
        ours, theirs = (e.signals.values["blink"] for e in (pair.ours, pair.theirs))
        return metric(ours, theirs, pair.ours.times)

    return measure


def _sync(name: str) -> Callable[[Pair], MetricResult]:
    def measure(pair: Pair) -> MetricResult:
        settings: dict[str, Any] = {
            "network": "SyncNet, published weights by path",
            "faces": "published crop, about the box of MediaPipe's mesh in place of S3FD's",
        }
        if pair.judges.syncnet is None:
            reason = "not computed: it needs SyncNet's weights (--syncnet syncnet_v2.model)"
            return MetricResult(name, None, "", 0, settings, reason)
        settings["weights_sha256"] = pair.judges.store.digest(pair.judges.syncnet)
        try:
            seen = pair.judges.sync_distances(pair.generated)
        except NoSoundError:
            return MetricResult(name, None, "", 0, settings, "the generated video has no sound")
        if seen is None:
            return MetricResult(name, None, "", 0, settings, "no face, or fewer than 6 frames")
        return lse(*seen, settings)[name]

    return measure


def _sync_small(name: str) -> Callable[[Pair], MetricResult]:
    def measure(pair: Pair) -> MetricResult:
        settings: dict[str, Any] = {"network": "sync_small, a judge of our own: not SyncNet, not LSE"}
        settings["weights_sha256"] = pair.judges.sync_judge_digest
        try:
            seen = pair.judges.sync_small_distances(pair.generated)
        except NoSoundError:
            return MetricResult(name, None, "", 0, settings, "the generated video has no sound")
        return sync_small(*seen, settings)[name]

    return measure


SCORES: dict[str, Score] = {
    "psnr": Score("PSNR", "likeness of pixels", "picture", "higher", _of_pixels("psnr", psnr)),
    "ssim": Score("SSIM", "likeness of structure", "picture", "higher", _of_pixels("ssim", ssim)),
    "lpips": Score("LPIPS", "difference as eyes see it", "picture", "lower", _lpips),
    "csim": Score(
        "CSIM",
        "likeness of the person",
        "identity",
        "higher",
        _csim,
    ),
    "lmd": Score("LMD", "distance of 68 landmarks", "face", "lower", lambda p: _landmarks(p, mouth=False)),
    "lmd_m": Score(
        "LMD_m", "distance of the lips' landmarks", "lips", "lower", lambda p: _landmarks(p, mouth=True)
    ),
    "mouth_correlation": Score(
        "mouth r", "mouth opening follows the true speaker's", "lips", "higher", _mouth
    ),
    "mouth_correlation_in_step": Score(
        "mouth r in step", "the same with the sound's own offset taken out", "lips", "higher", _mouth_in_step
    ),
    "lse_c": Score("LSE-C", "SyncNet's confidence", "lips", "higher", _sync("lse_c")),
    "lse_d": Score("LSE-D", "SyncNet's distance", "lips", "lower", _sync("lse_d")),
    "sync_small_c": Score(
        "sync_small C",
        "confidence of our own sync judge; no LSE",
        "lips",
        "higher",
        _sync_small("sync_small_c"),
    ),
    "sync_small_d": Score(
        "sync_small D", "distance by our own sync judge; no LSE", "lips", "lower", _sync_small("sync_small_d")
    ),
    "silence_mouth": Score("silent mouth", "movement of the mouth in silence", "lips", "lower", _silence),
    "pose_error": Score(
        "pose MSE",
        "squared error of the head's angles",
        "pose",
        "lower",
        _pose,
    ),
    "expression_error": Score(
        "expression MSE",
        "squared error of expression coefficients",
        "expression",
        "lower",
        _expression,
    ),
    "blink_rate_error": Score(
        "blinks/min",
        "blinks a minute more or less than the truth",
        "eyes",
        "lower",
        _blinks(blink_rate_error),
    ),
    "blink_synchrony": Score(
        "blink F1", "blinks at the truth's moments", "eyes", "higher", _blinks(blink_synchrony)
    ),
    "gaze_error": Score("gaze", "angle between the two gazes", "eyes", "lower", _gaze),
    "jitter": Score("jitter", "unsteadiness against the driver's own", "face", "one", _jitter),
}
"""Metrics of each pair, in the order of the tables."""


def _fid(pairs: Sequence[Pair]) -> MetricResult:
    judges = pairs[0].judges
    settings: dict[str, Any] = {"network": "Inception-v3 of 2015-12-05, 2048 features"}
    if judges.inception is None:
        reason = (
            "not computed: it needs Inception's weights (--inception pt_inception-2015-12-05-6726825d.pth)"
        )
        return MetricResult("fid", None, "", 0, settings, reason)
    from pdfgc.evaluation.inception import is_published

    settings["weights_sha256"] = judges.store.digest(judges.inception)
    settings["weights_are_the_published"] = is_published(judges.inception)
    ours = np.concatenate([judges.inception_features(pair.generated) for pair in pairs])
    theirs = np.concatenate([judges.inception_features(pair.truth) for pair in pairs])
    return frechet("fid", ours, theirs, settings)


def _fid_vgg(pairs: Sequence[Pair]) -> MetricResult:
    judges = pairs[0].judges
    settings = {"network": "ImageNet VGG16, means of its last 512 maps"}
    try:
        ours = np.concatenate([judges.vgg_features(pair.generated) for pair in pairs])
        theirs = np.concatenate([judges.vgg_features(pair.truth) for pair in pairs])
    except InputError as error:  # the videos were read before, so it is the weights
        return MetricResult("fid_vgg", None, "", 0, settings, f"not computed: {error}")
    return frechet("fid_vgg", ours, theirs, settings)


POOLS: dict[str, Pool] = {
    "fid": Pool("FID", "frames look like the true ones as a set", "picture", "lower", _fid),
    "fid_vgg": Pool("fid_vgg", "the same with VGG16 features; no FID", "picture", "lower", _fid_vgg),
}
"""Metrics of all pairs together."""

IN_STEP = "mouth_correlation_in_step"
"""Can be worked out only where the sound's offset is known."""

NLSE_C = "nlse_c"
"""Worked out from the mean LSE-C, see `nlse`."""

METRICS = (*SCORES, NLSE_C, *POOLS)
"""Names that `--metrics` knows."""

OF_FACTORS: dict[Factor, tuple[str, ...]] = {
    factor: tuple(name for name, metric in (SCORES | POOLS).items() if metric.factor == factor)
    for factor in ("picture", "identity", "lips", "pose", "eyes", "expression", "face")
}
"""Names of the metrics that judge each factor."""


def nlse(pairs: Sequence[Pair], generated: Sequence[MetricResult], reference: float | None) -> MetricResult:
    """NLSE-C of all pairs: against the given LSE-C of the training data, or that of the truth videos."""
    mean = summarise(generated)
    if reference is not None:
        return nlse_c(mean, reference)
    if mean.value is None:
        return nlse_c(mean, mean)
    return nlse_c(mean, summarise([_sync("lse_c")(Pair(p.name, p.truth, p.truth, p.judges)) for p in pairs]))


def choose_metrics(names: Sequence[str], *, sound_offset: bool = False) -> tuple[str, ...]:
    """Checked names, in the order of `METRICS`.

    Args:
        names: what was asked for; none means all (`IN_STEP` only with `sound_offset`, which it needs).
        sound_offset: whether the sound's offset is looked for.

    Raises:
        InputError: an unknown name.
    """
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        near = nearest(unknown[0], METRICS)
        hint = f"; did you mean {near}?" if near else ""
        raise InputError(f"expected metrics out of {', '.join(METRICS)}, got {unknown[0]!r}{hint}")
    if not names:
        return tuple(name for name in METRICS if sound_offset or name != IN_STEP)
    return tuple(name for name in METRICS if name in names)
