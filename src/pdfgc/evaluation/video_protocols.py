"""The paper's protocols (section 4; spec, section 5): which videos are made, and what each is compared with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pdfgc.errors import InputError
from pdfgc.evaluation.datasets import SourceClip, partners, place
from pdfgc.evaluation.judges import Judges
from pdfgc.evaluation.pair import Pair
from pdfgc.evaluation.scores import METRICS, NLSE_C, OF_FACTORS, POOLS
from pdfgc.evaluation.scoring import Trial
from pdfgc.evaluation.sound_lag import OffsetOf
from pdfgc.evaluation.studio import Portrait, Studio, Truth, describe, heard
from pdfgc.progress import track

log = logging.getLogger(__name__)

T = TypeVar("T")

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
        data: where the clips are from; drivers are recorded by their paths below it.
        unfit: names of clips that could not be crossed with, so that none is tried twice.
    """

    studio: Studio
    judges: Judges
    clips: Sequence[SourceClip]
    portraits: Sequence[Path] | None
    seed: int
    offset_of: OffsetOf | None
    data: Path
    unfit: set[str] = field(default_factory=set)

    def crossed(self, index: int, use: Callable[[SourceClip], T]) -> tuple[SourceClip, T]:
        """The first partner of clip number `index` that can be used, and what became of it.

        Raises:
            InputError: there is none.
        """
        for other in partners(self.clips, index, self.seed):
            if other.name in self.unfit:
                continue
            try:
                return other, use(other)
            except InputError as error:
                log.warning("crossed nothing with %s: %s", other.name, error)
                self.unfit.add(other.name)
        raise InputError(f"no other clip can be crossed with {self.clips[index].name}")

    def framed(self, clip: SourceClip) -> tuple[Portrait, Truth]:
        """The portrait that goes with a clip, and the clip framed as it: the same file whoever asks for it."""
        given = self.given(self.clips.index(clip))
        portrait = self.studio.portrait(given or clip.video)
        return portrait, self.studio.truth(heard(clip), portrait)

    def given(self, index: int) -> Path | None:
        """The portrait that was given for a clip, or None."""
        return self.portraits[index % len(self.portraits)] if self.portraits else None

    def late(self, clip: SourceClip) -> dict[str, Any] | None:
        """The offset of a clip's sound, if it is asked for: of the whole clip, for a longer one is surer."""
        if self.offset_of is None:
            return None
        if clip.sound is None:
            return {"seconds": 0.0, "reason": "no sound: the lips follow the pictures"}
        try:
            return self.offset_of(clip.video, clip.sound)
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
        crosses: whether it takes something from another clip even where portraits are given, or only without them.
    """

    name: str
    title: str
    about: str
    make: Callable[[Setup, int], Trial]
    crosses: Literal["never", "without portraits", "always"] = "never"

    def require(self, clips: int, portraits: bool) -> None:
        """Raises InputError where there are too few clips."""
        needs = self.crosses == "always" or (self.crosses == "without portraits" and not portraits)
        if needs and clips < 2:
            hint = ", or --portraits" if self.crosses == "without portraits" else ""
            raise InputError(f"expected at least two clips to cross{hint}, got one")


def _self_driving(setup: Setup, index: int, *, expression: str | None = None) -> Trial:
    clip = heard(setup.clips[index])
    drivers = _drivers(clip) | ({} if expression is None else {"expression": expression})
    ending = "" if expression is None else f"__{expression}"
    if (who := setup.given(index)) is not None:
        return _driven_by_another(setup, clip, who, who.stem, drivers, ending)
    portrait = setup.studio.portrait(clip.video)
    truth = setup.studio.truth(clip, portrait)
    name = clip.name + ending
    generated = setup.studio.perform(name, portrait, drivers, truth.fps, truth.frames, clip.sound)
    late = setup.late(clip)
    skip = 1 + (portrait.frame or 0)
    pair = Pair(name, generated, truth.video, setup.judges, skip=skip, sound_late=(late or {}).get("seconds"))
    metrics = METRICS if expression is None else (*MOTION, "csim", "lmd")
    return Trial(name, ((pair, metrics),), _about(setup, portrait, drivers, truth, late, skip))


def _ablation(setup: Setup, index: int) -> Trial:
    return _self_driving(setup, index, expression="hold")


def _cross_expression(setup: Setup, index: int) -> Trial:
    clip = setup.clips[index]
    portrait, truth = setup.framed(clip)
    other, (_, felt) = setup.crossed(index, setup.framed)
    clip = heard(clip)
    drivers = _drivers(clip) | {"expression": str(other.video)}
    name = f"{clip.name}__{other.name}"
    generated = setup.studio.perform(name, portrait, drivers, truth.fps, truth.frames, clip.sound)
    late = setup.late(clip)
    spoken = Pair(name, generated, truth.video, setup.judges, sound_late=(late or {}).get("seconds"))
    feeling = Pair(name, generated, felt.video, setup.judges)
    known: tuple[tuple[Pair, tuple[str, ...]], ...] = (
        (spoken, (*MOTION, *POOLS)),
        (feeling, OF_FACTORS["expression"]),
    )
    return Trial(
        name,
        (*known, _likeness(setup, name, generated, portrait)),
        _about(setup, portrait, drivers, truth, late, 0),
    )


def _cross_identity(setup: Setup, index: int) -> Trial:
    clip = heard(setup.clips[index])
    who = setup.given(index)
    if who is not None:
        return _driven_by_another(setup, clip, who, who.stem, _drivers(clip))
    other, _ = setup.crossed(index, lambda other: setup.studio.portrait(other.video))
    return _driven_by_another(setup, clip, other.video, other.name, _drivers(clip))


def _driven_by_another(
    setup: Setup, clip: SourceClip, who: Path, called: str, drivers: dict[str, str], ending: str = ""
) -> Trial:
    """A portrait that is not the clip's own frame: what depends on the person is compared with the portrait alone."""
    portrait = setup.studio.portrait(who)
    truth = setup.studio.truth(clip, portrait)
    name = f"{called}__{clip.name}{ending}"
    generated = setup.studio.perform(name, portrait, drivers, truth.fps, truth.frames, clip.sound)
    late = setup.late(clip)
    moved = Pair(name, generated, truth.video, setup.judges, sound_late=(late or {}).get("seconds"))
    felt = OF_FACTORS["expression"] if drivers["expression"] != "hold" else ()
    metrics = tuple(m for m in (*MOTION, *felt) if m != "lmd_m")
    likeness = _likeness(setup, name, generated, portrait)
    return Trial(name, ((moved, metrics), likeness), _about(setup, portrait, drivers, truth, late, 0))


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
            "always",
        ),
        Protocol(
            "cross-identity",
            "Cross-identity",
            "a portrait is driven by sound and all motion of another person's clip",
            _cross_identity,
            "without portraits",
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


def _likeness(setup: Setup, name: str, generated: Path, portrait: Portrait) -> tuple[Pair, tuple[str, ...]]:
    return Pair(name, generated, portrait.picture, setup.judges), OF_FACTORS["identity"]


def _about(
    setup: Setup,
    portrait: Portrait,
    drivers: dict[str, str],
    truth: Truth,
    late: dict[str, Any] | None,
    skip: int,
) -> dict[str, Any]:
    return {
        "portrait": describe(portrait),
        "drivers": {factor: place(driver, setup.data) for factor, driver in drivers.items()},
        "fps": str(truth.fps),
        "frames": truth.frames,
        "truth_crop": truth.crop,
        "first_scored_frame": skip,
        "sound_offset": late,
    }
