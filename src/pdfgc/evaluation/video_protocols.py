"""The paper's protocols (section 4; spec, section 5): which videos are made, and what each is compared with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdfgc.errors import InputError
from pdfgc.evaluation.datasets import SourceClip, partners
from pdfgc.evaluation.judges import Judges
from pdfgc.evaluation.pair import Pair
from pdfgc.evaluation.scores import METRICS, NLSE_C, OF_FACTORS, POOLS
from pdfgc.evaluation.scoring import Trial
from pdfgc.evaluation.sound_lag import OffsetOf
from pdfgc.evaluation.studio import Portrait, Studio, Truth, describe, heard
from pdfgc.progress import track

log = logging.getLogger(__name__)

SYNC = (*OF_FACTORS["lips"], NLSE_C)
MOTION = (*SYNC, *OF_FACTORS["pose"], *OF_FACTORS["eyes"], "jitter")
"""Metrics of everything that moves but the expression and the shape of the face."""


@dataclass(frozen=True)
class Setup:
    """What a protocol works with.

    Attributes:
        studio: makes the videos.
        judges: look at them.
        clips: the test set.
        portraits: pictures or clips of the people who are animated, i modulo their number; None = the protocol's
            own choice.
        seed: draws which clips are crossed.
        offset_of: measures the sound's offset, or None.
    """

    studio: Studio
    judges: Judges
    clips: Sequence[SourceClip]
    portraits: Sequence[Path] | None
    seed: int
    offset_of: OffsetOf | None

    def late(self, truth: Truth, clip: SourceClip) -> dict[str, Any] | None:
        """The offset of a clip's sound, if it is asked for: of the whole clip, for a longer one is surer."""
        if self.offset_of is None:
            return None
        if clip.sound is None:
            return {"seconds": 0.0, "reason": "no sound: the lips follow the pictures"}
        try:
            return self.offset_of(clip.video if clip.sound == clip.video else truth.video)
        except InputError as error:
            return {"seconds": None, "reason": str(error)}


@dataclass(frozen=True)
class Protocol:
    """A protocol by name.

    Attributes:
        name: as in the command.
        title: for the report.
        about: one line on what is driven by what.
        make: the trial of clip number i.
    """

    name: str
    title: str
    about: str
    make: Callable[[Setup, int], Trial]


def _self_driving(setup: Setup, index: int, *, expression: str | None = None) -> Trial:
    clip = heard(setup.clips[index])
    portrait = setup.studio.portrait(clip.video)
    truth = setup.studio.truth(clip, portrait)
    drivers = _drivers(clip) | ({} if expression is None else {"expression": expression})
    name = clip.name if expression is None else f"{clip.name}__{expression}"
    generated = setup.studio.perform(name, portrait, drivers, truth.fps, truth.frames, clip.sound)
    late = setup.late(truth, clip)
    skip = 1 + (portrait.frame or 0)
    pair = Pair(name, generated, truth.video, setup.judges, skip=skip, sound_late=(late or {}).get("seconds"))
    metrics = METRICS if expression is None else (*MOTION, "csim", "lmd")
    return Trial(name, ((pair, metrics),), _about(portrait, drivers, truth, late, skip))


def _ablation(setup: Setup, index: int) -> Trial:
    return _self_driving(setup, index, expression="hold")


def _cross_expression(setup: Setup, index: int) -> Trial:
    clip, other = heard(setup.clips[index]), heard(partners(setup.clips, setup.seed)[index])
    portrait = setup.studio.portrait(_portrait_of(setup, index, clip))
    truth, felt = setup.studio.truth(clip, portrait), setup.studio.truth(other)
    drivers = _drivers(clip) | {"expression": str(other.video)}
    name = f"{clip.name}__{other.name}"
    generated = setup.studio.perform(name, portrait, drivers, truth.fps, truth.frames, clip.sound)
    late = setup.late(truth, clip)
    spoken = Pair(name, generated, truth.video, setup.judges, sound_late=(late or {}).get("seconds"))
    feeling = Pair(name, generated, felt.video, setup.judges)
    known: tuple[tuple[Pair, tuple[str, ...]], ...] = (
        (spoken, (*MOTION, *POOLS)),
        (feeling, OF_FACTORS["expression"]),
    )
    return Trial(
        name, (*known, _likeness(setup, name, generated, portrait)), _about(portrait, drivers, truth, late, 0)
    )


def _cross_identity(setup: Setup, index: int) -> Trial:
    clip = heard(setup.clips[index])
    who = _portrait_of(
        setup, index, partners(setup.clips, setup.seed)[index] if not setup.portraits else clip
    )
    portrait = setup.studio.portrait(who)
    truth = setup.studio.truth(clip, portrait)
    name = f"{who.stem}__{clip.name}"
    drivers = _drivers(clip)
    generated = setup.studio.perform(name, portrait, drivers, truth.fps, truth.frames, clip.sound)
    late = setup.late(truth, clip)
    moved = Pair(name, generated, truth.video, setup.judges, sound_late=(late or {}).get("seconds"))
    metrics = tuple(m for m in (*MOTION, *OF_FACTORS["expression"]) if m != "lmd_m")
    likeness = _likeness(setup, name, generated, portrait)
    return Trial(name, ((moved, metrics), likeness), _about(portrait, drivers, truth, late, 0))


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "self",
            "Self-driving",
            "the first frame of a clip is the portrait; sound and all motion come from the clip itself",
            _self_driving,
        ),
        Protocol(
            "ablation",
            "Ablation: expression of the first frame",
            "self-driving, but the expression stays that of the first frame",
            _ablation,
        ),
        Protocol(
            "cross",
            "Cross-video expression",
            "portrait, sound, pose and eyes come from one clip, the expression from another person's",
            _cross_expression,
        ),
        Protocol(
            "cross-identity",
            "Cross-identity",
            "a portrait is driven by sound and all motion of another person's clip",
            _cross_identity,
        ),
    )
}


def run_protocol(protocol: Protocol, setup: Setup) -> tuple[list[Trial], list[dict[str, str]]]:
    """Makes the videos of every clip.

    Returns:
        the trials, and what was left out: `{"name", "reason"}`.
    """
    trials: list[Trial] = []
    skipped: list[dict[str, str]] = []
    for index in track(range(len(setup.clips)), len(setup.clips), protocol.title):
        name = setup.clips[index].name
        try:
            trials.append(protocol.make(setup, index))
        except InputError as error:
            log.warning("left out %s: %s", name, error)
            skipped.append({"name": name, "reason": str(error)})
    return trials, skipped


def _drivers(clip: SourceClip) -> dict[str, str]:
    """Everything by one clip; lips by its sound, or by its pictures where it is silent."""
    video = str(clip.video)
    spoken = {"lips": video} if clip.sound is None else {"audio": str(clip.sound)}
    return spoken | {"pose": video, "eyes": video, "expression": video}


def _portrait_of(setup: Setup, index: int, default: SourceClip) -> Path:
    if not setup.portraits:
        return default.video
    return setup.portraits[index % len(setup.portraits)]


def _likeness(setup: Setup, name: str, generated: Path, portrait: Portrait) -> tuple[Pair, tuple[str, ...]]:
    return Pair(name, generated, portrait.picture, setup.judges), OF_FACTORS["identity"]


def _about(
    portrait: Portrait, drivers: dict[str, str], truth: Truth, late: dict[str, Any] | None, skip: int
) -> dict[str, Any]:
    return {
        "portrait": describe(portrait),
        "drivers": {factor: Path(driver).name for factor, driver in drivers.items()},
        "fps": str(truth.fps),
        "frames": truth.frames,
        "truth_crop": truth.crop,
        "first_scored_frame": skip,
        "sound_offset": late,
    }
