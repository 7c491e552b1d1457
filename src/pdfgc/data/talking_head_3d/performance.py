"""What a rendered head does over time: every factor drawn by itself, so that none can be told from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdfgc.data.talking_head_3d.head import Act
from pdfgc.data.talking_head_3d.speech import LIP_ACTIONS

EXPRESSIONS: dict[str, dict[str, float]] = {
    "smile": {"mouthSmile": 0.7, "cheekSquint": 0.25},
    "frown": {"mouthFrown": 0.8},
    "brow_raise": {"browInnerUp": 0.9, "browOuterUp": 0.9},
    "brow_lower": {"browDown": 0.9},
    "sneer": {"noseSneer": 0.7},
    "squint": {"eyeSquint": 0.6},
}
"""Feelings in parts: name -> ARKit actions (both sides) at full strength; the columns of expression tracks."""

_LARGEST_GAZE = np.radians((20.0, 11.0))


@dataclass(frozen=True)
class Performance:
    """Tracks of all factors; units as in `head.Act`.

    Attributes:
        times: `[T]` seconds.
        pose: `[T, 3]`; shift: `[T, 3]`; gaze: `[T, 2]`; blink: `[T, 2]`.
        lips: `[T, len(LIP_ACTIONS)]`.
        expression: `[T, len(EXPRESSIONS)]` 0..1.
    """

    times: np.ndarray
    pose: np.ndarray
    shift: np.ndarray
    gaze: np.ndarray
    blink: np.ndarray
    lips: np.ndarray
    expression: np.ndarray

    @classmethod
    def random(cls, times: np.ndarray, lips: np.ndarray, random: np.random.Generator) -> Performance:
        """A lively performance; each factor from a generator of its own.

        Args:
            times: `[T]` seconds, evenly spaced.
            lips: `[T, len(LIP_ACTIONS)]`, from speech.
            random: source of the generators.
        """
        of_pose, of_shift, of_gaze, of_blink, of_expression = random.spawn(5)
        reach = np.radians(of_pose.uniform((2, 4, 1.5), (8, 16, 6)))
        rest = np.radians(of_pose.normal(0, (3, 5, 2)))
        sway = _wander(times, 3, of_pose, slowest=2.5)
        return cls(
            times=times,
            pose=rest + reach * sway,
            shift=_wander(times, 3, of_shift, slowest=4.0) * (0.5, 0.4, 0.8)
            + of_shift.normal(0, (0.8, 0.5, 0)),
            gaze=_look_about(times, of_gaze),
            blink=_blinks(times, of_blink),
            lips=lips,
            expression=_feel(times, of_expression),
        )

    def __len__(self) -> int:
        return len(self.times)

    def act(self, frame: int) -> Act:
        """What is done in a frame."""
        expression: dict[str, float] = {}
        for share, actions in zip(self.expression[frame], EXPRESSIONS.values(), strict=True):
            for action, weight in actions.items():
                expression[action] = expression.get(action, 0.0) + float(share) * weight
        return Act(
            pose=_three(self.pose[frame]),
            shift=_three(self.shift[frame]),
            gaze=(float(self.gaze[frame, 0]), float(self.gaze[frame, 1])),
            blink=(float(self.blink[frame, 0]), float(self.blink[frame, 1])),
            lips=dict(zip(LIP_ACTIONS, self.lips[frame].tolist(), strict=True)),
            expression=expression,
        )


def _three(row: np.ndarray) -> tuple[float, float, float]:
    return float(row[0]), float(row[1]), float(row[2])


def _wander(times: np.ndarray, columns: int, random: np.random.Generator, *, slowest: float) -> np.ndarray:
    """Sums of sines of unit variance `[T, columns]`, periods from half a second to `slowest` seconds."""
    waves = 5
    period = random.uniform(0.8, slowest, (waves, columns))
    size = period / np.sqrt(0.5 * (period**2).sum(0))
    phase = random.uniform(0, 2 * np.pi, (waves, columns))
    return (size * np.sin(2 * np.pi * times[:, None, None] / period + phase)).sum(1)


def _look_about(times: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Fixations of a third of a second to two, with quick jumps between them: `[T, 2]` radians."""
    clock, places = [0.0], [random.normal(0, 0.3, 2)]
    while clock[-1] < times[-1]:
        stay = random.uniform(0.3, 1.6)
        place = random.normal(0, 0.6, 2)
        clock += [clock[-1] + stay, clock[-1] + stay + 0.06]
        places += [places[-1], place]
    track = np.stack([np.interp(times, clock, column) for column in np.array(places).T], 1)
    return np.clip(track, -1, 1) * _LARGEST_GAZE


def _blinks(times: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Lids of both eyes `[T, 2]`: quick down, slower up; some blinks half, a few with one eye."""
    shut = np.zeros((len(times), 2))
    start = random.uniform(0.2, 1.5)
    while start < times[-1]:
        length = random.uniform(0.25, 0.5)
        depth = random.choice([1.0, 1.0, 1.0, random.uniform(0.4, 0.8)])
        phase = (times - start) / length
        lid = depth * np.clip(2.2 * np.minimum(phase / 0.4, (1 - phase) / 0.6), 0, 1)
        wink = random.random() < 0.05
        sides = np.roll((1.0, 0.0), random.integers(2)) if wink else np.ones(2)
        shut = np.maximum(shut, lid[:, None] * sides)
        start += length + random.uniform(0.6, 3.0)
    return shut


def _feel(times: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each part of expression comes and goes by itself: `[T, len(EXPRESSIONS)]`."""
    columns = []
    for _ in EXPRESSIONS:
        clock, level = [-random.uniform(0, 3.0)], [_strength(random)]
        while clock[-1] < times[-1]:
            stay, ease = random.uniform(0.6, 2.5), random.uniform(0.25, 0.7)
            clock += [clock[-1] + stay, clock[-1] + stay + ease]
            level += [level[-1], _strength(random)]
        columns.append(np.interp(times, clock, level))
    return np.stack(columns, 1)


def _strength(random: np.random.Generator) -> float:
    """Nothing, half of the time."""
    return float(random.choice([0, random.uniform(0.2, 1)]))
