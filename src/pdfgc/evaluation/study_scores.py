"""From the answers of a user study to means with confidence intervals, per method and question."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdfgc.errors import InputError
from pdfgc.evaluation.result import MetricResult
from pdfgc.evaluation.study import FORMAT, HIGHEST, LOWEST, QUESTIONS, read_key

CONFIDENCE = 0.95

UNIT = f"{LOWEST}-{HIGHEST}"


@dataclass(frozen=True)
class Response:
    """One participant's answers.

    Attributes:
        name: what tells it from the others.
        scores: clip -> question -> score.
    """

    name: str
    scores: dict[str, dict[str, int]]


def read_response(path: Path, study: str, clips: Sequence[str]) -> Response:
    """The file that a participant saved.

    Args:
        path: the file.
        study: the study that it must belong to.
        clips: the clips of that study.

    Raises:
        InputError: not such a file, answers to another study, or scores that the page cannot give.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"expected answers saved by a study's page in {path}, but it is not JSON") from error
    if not isinstance(tree, dict) or tree.get("pdfgc_study") != FORMAT:
        raise InputError(f"expected answers saved by a study's page in {path}, but it is other JSON")
    if tree.get("study") != study:
        raise InputError(
            f"{path} answers another study ({tree.get('study')}) than the one it is scored with ({study})"
        )
    try:
        name, answers = str(tree["response"]), tree["answers"]
        given = {a["clip"]: a["scores"] for a in answers if not a["unplayable"]}
        twice = len({a["clip"] for a in answers}) < len(answers)
    except (KeyError, TypeError) as error:
        raise InputError(f"expected answers saved by a study's page in {path}, but it is damaged") from error
    if twice:
        raise InputError(f"{path} answers the same clip twice")
    for clip, scores in given.items():
        if clip not in clips:
            raise InputError(f"{path} answers the clip {clip}, which the study does not have")
        _check_scores(path, clip, scores)
    return Response(name, given)


def score_study(study: Path, files: Sequence[Path]) -> dict[str, dict[str, MetricResult]]:
    """Means of the collected answers.

    Args:
        study: the folder that `pdfgc study make` wrote; its key tells the methods.
        files: what participants saved.

    Returns:
        method -> question -> the mean; its interval is in `settings["interval"]`.

    Raises:
        InputError: no files, one that does not fit (see `read_response`), or one participant's answers twice.
    """
    identifier, key = read_key(study)
    if not files:
        raise InputError("expected at least one file of answers, got none")
    responses: dict[str, Path] = {}
    read = []
    for path in files:
        response = read_response(path, identifier, list(key))
        if response.name in responses:
            raise InputError(f"{path} and {responses[response.name]} hold the same participant's answers")
        responses[response.name] = path
        read.append(response)
    methods = sorted({method for method, _ in key.values()})
    return {
        method: {
            question: mean_score(question, [_scores_of(method, question, r, key) for r in read])
            for question in QUESTIONS
        }
        for method in methods
    }


def mean_score(question: str, by_participant: Sequence[Sequence[int]]) -> MetricResult:
    """Mean opinion score: every participant counts the same, and the interval is over participants.

    One participant's scores are not independent of each other, so the mean of each participant is one sample:
    `mean +- t s / sqrt(n)` with Student's t at n - 1 degrees of freedom.

    Args:
        question: name of the result.
        by_participant: each participant's scores, perhaps none.
    """
    answered = [np.mean(scores) for scores in by_participant if len(scores)]
    samples = sum(len(scores) for scores in by_participant)
    settings: dict[str, Any] = {
        "aggregate": "mean over participants of each one's mean",
        "participants": len(answered),
        "confidence": CONFIDENCE,
        "interval": None,
    }
    if not answered:
        return MetricResult(question, None, UNIT, 0, settings, "nobody rated it")
    mean = float(np.mean(answered))
    if len(answered) > 1:
        spread = float(np.std(answered, ddof=1)) / math.sqrt(len(answered))
        half = student_t(len(answered) - 1) * spread
        settings["interval"] = [mean - half, mean + half]
    return MetricResult(question, mean, UNIT, samples, settings)


def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t: a t-distributed number lies within +- it with that probability.

    With t = sqrt(n) tan(a) the density becomes cos(a)^(n - 1), which is integrated on a fine grid.

    Args:
        freedom: degrees of freedom n, at least 1.
        confidence: the probability, 0..1.
    """
    angle = np.linspace(0.0, math.pi / 2, 200_001)
    middles = (angle[1:] + angle[:-1]) / 2
    inside = np.concatenate([[0.0], np.cumsum(np.cos(middles) ** (freedom - 1))])
    return math.sqrt(freedom) * math.tan(float(np.interp(confidence, inside / inside[-1], angle)))


def score_table(scores: dict[str, dict[str, MetricResult]]) -> str:
    """The means as text, a method a line: mean and half the interval."""
    width = max(len("method"), *map(len, scores))
    lines = ["  ".join([f"{'method':<{width}}", *(f"{question:>15}" for question in QUESTIONS)])]
    for method, results in scores.items():
        cells = (f"{_cell(results[question]):>15}" for question in QUESTIONS)
        lines.append("  ".join([f"{method:<{width}}", *cells]))
    return "\n".join(lines) + "\n"


def _cell(result: MetricResult) -> str:
    if result.value is None:
        return "-"
    interval = result.settings["interval"]
    return f"{result.value:.2f}" + (f" +- {interval[1] - result.value:.2f}" if interval else "")


def _scores_of(method: str, question: str, response: Response, key: dict[str, tuple[str, str]]) -> list[int]:
    return [scores[question] for clip, scores in response.scores.items() if key[clip][0] == method]


def _check_scores(path: Path, clip: str, scores: Any) -> None:
    if not isinstance(scores, dict) or set(scores) != set(QUESTIONS):
        raise InputError(f"expected scores for {', '.join(QUESTIONS)} of the clip {clip} in {path}")
    for question, score in scores.items():
        if type(score) is not int or not LOWEST <= score <= HIGHEST:
            raise InputError(
                f"expected a whole number from {LOWEST} to {HIGHEST} as {question} of the clip {clip} in "
                f"{path}, got {score!r}"
            )
