"""How the mouth follows voices and languages of which there is no film: a table in Markdown.

    python scripts/measure_voices.py sounds [--model small] [--portrait demo/astronaut.jpg]

A row is a sound in the folder, or a folder in it whose sounds are pooled. Beside NAME.flac may lie

- NAME.tsv, when which phone is said: a header, then start and end in seconds and the phone in IPA;
- NAME.mouth.tsv, the speaker's own mouth: a header, then seconds and cm. It gets a row of its own, measured alike.

What is measured is the mesh that is painted, not the picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pdfgc.data.sound_offset import RATE, heard_opening
from pdfgc.errors import InputError
from pdfgc.evaluation.tables import markdown
from pdfgc.face.crop import crop_mesh, head_box
from pdfgc.face.tracker import FaceTracker
from pdfgc.media.audio import SPEECH_RATE, read_audio
from pdfgc.media.images import read_image
from pdfgc.model import Model, load
from pdfgc.progress import track

SOUNDS = (".flac", ".wav", ".mp3", ".ogg")

STEP = 1 / float(RATE)
"""Seconds between two openings."""

LEVEL_SECONDS = 0.04
FLOOR_DB, PAUSE_DB, LOUD_DB = 40.0, 30.0, 10.0
"""Below the loud parts of a sound (95th percentile): where levels are cut off, where pauses lie, where it is loud."""

PAUSE_SECONDS = 0.2
EDGE_SECONDS = 0.1
"""At both ends of a pause, in which lips may still or already move."""

FARTHEST_LAG = 0.1
SHIFT = 0.3
"""Seconds by which phones are moved for the control: about two syllables, so only chance is left."""

SHUT = 0.2
"""Centimetres under which lips count as meeting; the model's mouth at rest reads 0.06."""

BILABIAL = frozenset("mbp")
OPEN = frozenset("aɑæɐɒ")
"""First letters of phones: lips meet, and the mouth is widest."""

FEWEST = 5
"""Phones of each kind for a comparison."""

HEADER = (
    "sound",
    "seconds",
    "r, level",
    "lag, s",
    "loud, cm",
    "pauses, cm",
    "pauses, s",
    "spread, cm",
    "AUC",
    "best AUC",
    "at, s",
    "control",
    "m b p, cm",
    "open vowels, cm",
    "m b p shut",
    "control",
    "phones",
)


@dataclass(frozen=True)
class Phone:
    """A speech sound: seconds, and its name in IPA."""

    start: float
    end: float
    name: str


@dataclass(frozen=True)
class Said:
    """A sound and a mouth: levels in dB and openings in cm, `[T]` each, every `STEP` seconds; phones where known."""

    level: np.ndarray
    opening: np.ndarray
    phones: Sequence[Phone] = ()


def levels(wave: np.ndarray, rate: int, count: int) -> np.ndarray:
    """`[count]` dB of the sound in `LEVEL_SECONDS` about each step, cut off `FLOOR_DB` below its loud parts."""
    half = round(LEVEL_SECONDS * rate / 2)
    energy = np.concatenate([[0.0], np.cumsum(np.pad(wave.astype(np.float64), half) ** 2)])
    starts = np.minimum(np.round(np.arange(count) * STEP * rate).astype(int), len(wave))
    power = (energy[starts + 2 * half] - energy[starts]) / (2 * half)
    level = 10 * np.log10(power + 1e-12)
    return np.maximum(level, np.percentile(level, 95) - FLOOR_DB) if count else level


def best_lag(level: np.ndarray, opening: np.ndarray) -> tuple[float, float]:
    """Correlation of opening and level where it is greatest, and by how many seconds the mouth is late there."""
    farthest = round(FARTHEST_LAG / STEP)
    found = []
    for lag in range(-farthest, farthest + 1):
        heard, seen = level[max(0, -lag) : len(level) - max(0, lag)], opening[max(0, lag) :]
        seen = seen[: len(heard)]
        moves = len(seen) > 1 and min(heard.std(), seen.std()) > 1e-6
        found.append((float(np.corrcoef(heard, seen)[0, 1]) if moves else 0.0, lag * STEP))
    return max(found, key=lambda fit: (fit[0], -abs(fit[1])))


def pauses(level: np.ndarray) -> np.ndarray:
    """`[T]` bool, inside quiet of `PAUSE_SECONDS` and longer, `EDGE_SECONDS` from its ends.

    The ends of the sound are no ends of a pause.
    """
    quiet = level < np.percentile(level, 95) - PAUSE_DB
    inside = np.zeros(len(level), bool)
    edge = round(EDGE_SECONDS / STEP)
    changes = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    for start, stop in zip(changes[::2], changes[1::2], strict=True):
        if (stop - start) * STEP >= PAUSE_SECONDS - 1e-9:
            first = start + edge if start else 0
            last = stop - edge if stop < len(level) else stop
            inside[first:last] = True
    return inside


def loud(level: np.ndarray) -> np.ndarray:
    """`[T]` bool, within `LOUD_DB` of the sound's loud parts."""
    return level >= np.percentile(level, 95) - LOUD_DB


def openings_at(
    opening: np.ndarray,
    phones: Sequence[Phone],
    kind: frozenset[str],
    shift: float = 0.0,
    how: Callable[[np.ndarray], np.floating] = np.mean,
) -> np.ndarray:
    """Opening in each phone whose name begins with one of `kind`, `shift` seconds later than it is said."""
    found = []
    for phone in phones:
        first, last = (round((when + shift) / STEP) for when in (phone.start, phone.end))
        if phone.name[0] in kind and first >= 0 and last < len(opening):
            found.append(float(how(opening[first : max(last, first + 1)])))
    return np.array(found)


def area_under_curve(low: np.ndarray, high: np.ndarray) -> float | None:
    """How often one of `high` is greater than one of `low`, ties half: 0.5 is chance. None for too few."""
    if min(len(low), len(high)) < FEWEST:
        return None
    return float((high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean())


def read_phones(path: Path) -> list[Phone]:
    """The phones of NAME.tsv; none where there is no such file.

    Raises:
        InputError: a row that is not start, end and phone.
    """
    if not path.is_file():
        return []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    try:
        return [Phone(float(start), float(end), name) for start, end, name in rows if name]
    except ValueError as error:
        raise InputError(
            f"expected rows of start, end and phone with tabs between in {path}: {error}"
        ) from error


def read_mouth(path: Path, count: int) -> np.ndarray:
    """The speaker's own opening at each step: `[n]`, n at most `count`, since films may be shorter than their sound.

    Raises:
        InputError: a row that is not seconds and centimetres.
    """
    try:
        seconds, cm = np.loadtxt(path, skiprows=1, ndmin=2).T
    except ValueError as error:
        raise InputError(f"expected rows of seconds and centimetres in {path}: {error}") from error
    steps = np.arange(count) * STEP
    return np.interp(steps[steps <= seconds[-1]], seconds, cm)


@dataclass(frozen=True)
class Contrast:
    """How well lips tell m, b and p from open vowels with all phones moved by `shift` seconds."""

    auc: float
    shift: float
    closures: float
    """Median opening at m, b and p."""
    vowels: float
    """Median opening at open vowels."""
    shut: float
    """Share of m, b and p in which the lips meet at any moment."""


def contrast(said: Sequence[Said], shift: float = 0.0) -> Contrast | None:
    """The contrast of several sounds together; None where too few phones are known."""
    closures, lowest, vowels = (
        np.concatenate([openings_at(one.opening, one.phones, kind, shift, how) for one in said])
        for kind, how in ((BILABIAL, np.mean), (BILABIAL, np.min), (OPEN, np.mean))
    )
    auc = area_under_curve(closures, vowels)
    if auc is None:
        return None
    shut = float((lowest < SHUT).mean())
    return Contrast(auc, shift, float(np.median(closures)), float(np.median(vowels)), shut)


def best_contrast(said: Sequence[Said], about: float = 0.0) -> Contrast | None:
    """The best one within `FARTHEST_LAG` of a shift, since phone times are off and lips move before they are heard."""
    steps = round(FARTHEST_LAG / STEP)
    found = [contrast(said, about + step * STEP) for step in range(-steps, steps + 1)]
    return max((one for one in found if one is not None), key=lambda one: one.auc, default=None)


def row(name: str, said: Sequence[Said]) -> list[str]:
    """A line of the table; correlations, lags and spreads are means over the sounds, the rest is pooled."""
    fits = [best_lag(one.level, one.opening) for one in said]
    open_loud = np.concatenate([one.opening[loud(one.level)] for one in said])
    at_rest = np.concatenate([one.opening[pauses(one.level)] for one in said])
    spreads = [np.subtract(*np.percentile(one.opening, (95, 5))) for one in said]
    return [
        name,
        f"{sum(len(one.level) for one in said) * STEP:.1f}",
        f"{np.mean([r for r, _ in fits]):.2f}",
        f"{np.mean([lag for _, lag in fits]):+.2f}",
        f"{np.median(open_loud):.2f}",
        f"{np.median(at_rest):.2f}, {np.percentile(at_rest, 95):.2f}" if len(at_rest) else "-",
        f"{len(at_rest) * STEP:.1f}",
        f"{np.mean(spreads):.2f}",
        *_phone_cells(said),
    ]


def _phone_cells(said: Sequence[Said]) -> list[str]:
    plain, best = contrast(said), best_contrast(said)
    controls = [one for one in (best_contrast(said, -SHIFT), best_contrast(said, SHIFT)) if one is not None]
    if plain is None or best is None or not controls:
        return ["-"] * 9
    counts = (sum(phone.name[0] in kind for one in said for phone in one.phones) for kind in (BILABIAL, OPEN))
    return [
        f"{plain.auc:.2f}",
        f"{best.auc:.2f}",
        f"{best.shift:+.2f}",
        f"{np.mean([one.auc for one in controls]):.2f}",
        f"{best.closures:.2f}",
        f"{best.vowels:.2f}",
        f"{best.shut:.0%}",
        f"{np.mean([one.shut for one in controls]):.0%}",
        ", ".join(map(str, counts)),
    ]


def groups(folder: Path) -> dict[str, list[Path]]:
    """Sounds by the rows that they go into.

    Raises:
        InputError: when there are none.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SOUNDS:
            inside = path.relative_to(folder)
            found.setdefault(inside.parts[0] if len(inside.parts) > 1 else path.stem, []).append(path)
    if not found:
        raise InputError(f"expected sounds in {folder}, but there are none ({', '.join(SOUNDS)})")
    return found


class Speaker:
    """A model with a portrait that opens its mouth to sounds."""

    def __init__(self, model: Model, portrait: Path) -> None:
        self._model = model
        with FaceTracker() as tracker:
            faces = tracker.detect(read_image(portrait))
        if not faces:
            raise InputError(f"expected a face in {portrait}, but none was found")
        self._mesh = crop_mesh(faces[0].mesh, head_box(faces[:1]))
        self._blendshapes = faces[0].blendshapes

    def say(self, sound: Path) -> tuple[Said, Said | None]:
        """The model's mouth, and the speaker's own where that is known."""
        wave = read_audio(sound)
        opening = heard_opening(self._model, wave, self._mesh, self._blendshapes)
        level = levels(wave, SPEECH_RATE, len(opening))
        phones = read_phones(sound.with_suffix(".tsv"))
        film = sound.with_suffix(".mouth.tsv")
        if not film.is_file():
            return Said(level, opening, phones), None
        own = read_mouth(film, len(opening))
        return Said(level, opening, phones), Said(level[: len(own)], own, phones)


def table(speaker: Speaker, folder: Path) -> str:
    """The table of a folder of sounds."""
    found = groups(folder)
    lines = [list(HEADER)]
    for name, sounds in track(found.items(), len(found), "listen"):
        spoken = [speaker.say(sound) for sound in sounds]
        lines.append(row(name, [heard for heard, _ in spoken]))
        films = [own for _, own in spoken if own is not None]
        if films:
            lines.append(row(f"{name}, tracked", films))
    return markdown(lines)


def main() -> int:
    """Reads the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sounds", type=Path, help="a folder")
    parser.add_argument("--model", default="small", help="name, run folder or file (default: small)")
    parser.add_argument("--portrait", type=Path, default=Path("demo/astronaut.jpg"), help="whose mouth opens")
    options = parser.parse_args()
    try:
        model = load(options.model, device="cpu")
        if not isinstance(model, Model):
            raise InputError(f"expected a model with a face mesh, but got preset {model.preset}")
        sys.stdout.write(table(Speaker(model, options.portrait), options.sounds) + "\n")
    except InputError as error:
        sys.stderr.write(f"measure_voices: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
