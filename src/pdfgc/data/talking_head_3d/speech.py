"""What lips do when somebody speaks: from phones of an invented language, said aloud here, or from any sound.

The invented speech is crude to hear (a harmonic voice with three formants, hissing consonants) but its timing is
exact: every phone has its place in time, its sound and its lips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

RATE = 16_000

LIP_ACTIONS = (
    "jawOpen", "mouthFunnel", "mouthPucker", "mouthStretch",
    "mouthPress", "mouthRollLower", "mouthLowerDown", "mouthUpperUp",
)  # fmt: skip
"""ARKit's actions that speech uses, both sides alike; the columns of lip tracks."""

_STEP = 1 / 200
_COARTICULATION = 0.035  # seconds: standard deviation of the smoothing over neighbouring phones
_FORMANT_WIDTHS = (90.0, 130.0, 200.0)
_FORMANT_LEVELS = (1.0, 0.5, 0.25)
_HARMONICS = 36


@dataclass(frozen=True)
class Phone:
    """A speech sound.

    Attributes:
        lips: actions of `LIP_ACTIONS`.
        seconds: usual length.
        voice: loudness of the voice, 0..1.
        hiss: loudness of the noise, 0..1.
        sharp: how high the noise is, 0 (sh) to 1 (s).
        formants: Hz, of the voice.
    """

    lips: Mapping[str, float]
    seconds: float
    voice: float = 0.0
    hiss: float = 0.0
    sharp: float = 0.5
    formants: tuple[float, float, float] = (500.0, 1500.0, 2500.0)


VOWELS = {
    "a": Phone({"jawOpen": 0.55, "mouthStretch": 0.1}, 0.16, 1.0, formants=(730, 1090, 2440)),
    "e": Phone({"jawOpen": 0.30, "mouthStretch": 0.35, "mouthLowerDown": 0.2}, 0.13, 0.9, formants=(530, 1840, 2480)),
    "i": Phone({"jawOpen": 0.14, "mouthStretch": 0.55, "mouthLowerDown": 0.3}, 0.12, 0.8, formants=(270, 2290, 3010)),
    "o": Phone({"jawOpen": 0.35, "mouthFunnel": 0.6}, 0.15, 1.0, formants=(570, 840, 2410)),
    "u": Phone({"jawOpen": 0.14, "mouthPucker": 0.8}, 0.13, 0.8, formants=(300, 870, 2240)),
}  # fmt: skip
CONSONANTS = {
    "m": Phone({"mouthPress": 0.35}, 0.09, 0.35, formants=(250, 1000, 2200)),
    "p": Phone({"mouthPress": 0.5}, 0.10),
    "b": Phone({"mouthPress": 0.4}, 0.08, 0.12, formants=(200, 700, 2200)),
    "f": Phone({"jawOpen": 0.06, "mouthRollLower": 0.5, "mouthUpperUp": 0.15}, 0.11, 0.0, 0.25, 0.8),
    "s": Phone({"jawOpen": 0.06, "mouthStretch": 0.3, "mouthLowerDown": 0.25}, 0.11, 0.0, 0.5, 1.0),
    "sh": Phone({"jawOpen": 0.09, "mouthFunnel": 0.55}, 0.12, 0.0, 0.5, 0.0),
    "t": Phone({"jawOpen": 0.12}, 0.07, 0.0, 0.12, 0.8),
    "n": Phone({"jawOpen": 0.13}, 0.08, 0.4, formants=(280, 1700, 2600)),
    "l": Phone({"jawOpen": 0.2}, 0.07, 0.6, formants=(360, 1300, 2700)),
    "w": Phone({"jawOpen": 0.08, "mouthPucker": 0.75}, 0.09, 0.5, formants=(300, 650, 2300)),
}
SILENCE = Phone({}, 0.35)


@dataclass(frozen=True)
class Speech:
    """A sound and what lips do to it.

    Attributes:
        samples: `[N]` float32 at `RATE`, -1..1.
        track: `[K, L]` weights of `LIP_ACTIONS` every `_STEP` seconds.
        phones: the start in seconds and the name of each phone, in order; empty where they are not known.
    """

    samples: np.ndarray
    track: np.ndarray
    phones: list[tuple[float, str]] = field(default_factory=list)

    def lips(self, times: np.ndarray) -> np.ndarray:
        """Weights `[T, L]` at times in seconds; held past the ends."""
        clock = np.arange(len(self.track)) * _STEP
        return np.stack([np.interp(times, clock, column) for column in self.track.T], 1)


def invent(seconds: float, random: np.random.Generator) -> Speech:
    """Words of two to four syllables with pauses between them, silent at both ends."""
    said: list[tuple[str, Phone, float]] = [("", SILENCE, random.uniform(0.1, 0.4))]
    while (length := sum(part[2] for part in said)) < seconds - 0.4:
        for _ in range(random.integers(2, 5)):
            for table in (CONSONANTS, VOWELS):
                name = str(random.choice(list(table)))
                said.append((name, table[name], table[name].seconds * random.uniform(0.8, 1.3)))
        said.append(("", SILENCE, random.choice([0.08, SILENCE.seconds]) * random.uniform(0.7, 1.5)))
    said.append(("", SILENCE, max(seconds - length, 0.5)))
    starts = np.cumsum([0.0, *(part[2] for part in said)])
    steps = int(np.ceil(seconds / _STEP)) + 1
    which = np.searchsorted(starts, np.arange(steps) * _STEP, side="right") - 1
    phones = [said[i][1] for i in which]
    targets = np.array([[phone.lips.get(action, 0.0) for action in LIP_ACTIONS] for phone in phones])
    samples = _say(phones, round(seconds * RATE), random)
    names = [(float(start), name or "silence") for start, (name, _, _) in zip(starts, said, strict=False)]
    return Speech(
        samples, _smooth(targets, _COARTICULATION), [entry for entry in names if entry[0] < seconds]
    )


def follow(samples: np.ndarray) -> Speech:
    """Lips that follow a sound `[N]` at `RATE`: the jaw its loudness, round or wide lips its brightness.

    Not what a speaker of these words would do, but as tightly timed.
    """
    window = 400
    frames = max(1, round(len(samples) / RATE / _STEP))
    padded = np.pad(np.asarray(samples, np.float32), (window, window))
    starts = (np.arange(frames) * _STEP * RATE).astype(int) + window // 2
    pieces = padded[starts[:, None] + np.arange(window)] * np.hanning(window).astype(np.float32)
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2
    level = np.sqrt(power.sum(1))
    loud = np.clip(level / (np.quantile(level, 0.95) + 1e-9), 0, 1)
    hertz = np.fft.rfftfreq(window, 1 / RATE)
    brightness = (power * hertz).sum(1) / (power.sum(1) + 1e-9)
    bright = np.clip((brightness - 400) / 1800, 0, 1)
    track = np.zeros((frames, len(LIP_ACTIONS)))
    spoken = loud**0.7
    track[:, 0] = 0.55 * spoken * (1 - 0.5 * bright)
    track[:, 2] = 0.6 * spoken * np.clip(1 - 3 * bright, 0, 1)
    track[:, 3] = 0.5 * spoken * bright
    return Speech(np.asarray(samples, np.float32), _smooth(track, _COARTICULATION))


def _smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """Gaussian smoothing of every column, ends held."""
    reach = round(3 * seconds / _STEP)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * _STEP / seconds) ** 2)
    padded = np.pad(track, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in padded.T], 1)


def _say(phones: list[Phone], count: int, random: np.random.Generator) -> np.ndarray:
    """The sound of phones, one every `_STEP` seconds: `[count]` float32."""
    clock = np.arange(len(phones)) * _STEP
    time = np.arange(count) / RATE
    control = _smooth(np.array([(p.voice, p.hiss, p.sharp, *p.formants) for p in phones]), 0.012)
    voice, hiss, sharp, *formants = (np.interp(time, clock, column) for column in control.T)
    pitch = random.uniform(95, 220)
    tune = 1 + 0.12 * np.sin(2 * np.pi * random.uniform(0.3, 0.6) * time + random.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch * tune) / RATE
    tone = np.zeros(count)
    for harmonic in range(1, _HARMONICS + 1):
        hertz = harmonic * pitch * tune
        level = sum(
            gain / (1 + ((hertz - formant) / width) ** 2)
            for gain, formant, width in zip(_FORMANT_LEVELS, formants, _FORMANT_WIDTHS, strict=True)
        )
        tone += level * (hertz < RATE / 2) * np.sin(harmonic * phase)
    noise = random.normal(size=count + 2)
    high, middle = noise[2:] - noise[1:-1], noise[2:] - noise[:-2]
    sound = 0.25 * voice * tone + 0.12 * hiss * (sharp * high + (1 - sharp) * middle)
    return (0.6 * sound / max(float(np.abs(sound).max()), 1e-6)).astype(np.float32)
