"""Curves as inline SVG: a measure of the driver and of the result over time."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 300, 92
_LEFT, _TOP, _BOTTOM = 42, 16, 4

DRIVER, RESULT = "#8a8f98", "#c2410c"
"""Colours of the two curves: grey for the driver, rust for the result."""

SHOWN = (
    ("pitch", "pitch", "°"),
    ("yaw", "yaw", "°"),
    ("roll", "roll", "°"),
    ("gaze_x", "gaze, across", "eye widths"),
    ("gaze_y", "gaze, up-down", "eye widths"),
    ("blink", "eye opening", "eye widths"),
    ("mouth", "mouth opening", "cm"),
)
"""Measures with a curve: name, title, unit."""


@dataclass(frozen=True)
class Curves:
    """What is drawn for one clip.

    Attributes:
        times: `[T]` seconds.
        driver, result: measure -> `[T]`, NaN where unknown; a measure that only one has is drawn alone.
    """

    times: np.ndarray
    driver: dict[str, np.ndarray]
    result: dict[str, np.ndarray]


def draw_curves(curves: Curves) -> str:
    """A row of small charts, one a measure of `SHOWN`."""
    charts = [
        _chart(title, unit, curves.times, curves.driver.get(name), curves.result.get(name))
        for name, title, unit in SHOWN
        if name in curves.driver or name in curves.result
    ]
    return f'<div class="charts">{"".join(charts)}</div>'


def _chart(
    title: str, unit: str, times: np.ndarray, driver: np.ndarray | None, result: np.ndarray | None
) -> str:
    both = [values for values in (driver, result) if values is not None]
    known = np.concatenate([values[np.isfinite(values)] for values in both])
    head = f'<text class="name" x="{_LEFT}" y="11">{escape(title)}, {escape(unit)}</text>'
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    if not len(known) or len(times) < 2:
        return f'{opening}{head}<text x="{_LEFT}" y="40">no face</text></svg>'
    low, high = float(known.min()), float(known.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    lines = ""
    for values, colour in ((driver, DRIVER), (result, RESULT)):
        if values is not None:
            lines += f'<path d="{_path(times, values, low, high)}" stroke="{colour}"/>'
    axis = (
        f'<text class="tick" x="{_LEFT - 4}" y="{_TOP + 8}">{_tick(high)}</text>'
        f'<text class="tick" x="{_LEFT - 4}" y="{HEIGHT - _BOTTOM}">{_tick(low)}</text>'
        f'<line x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
    )
    return f"{opening}{head}{axis}{lines}</svg>"


def _path(times: np.ndarray, values: np.ndarray, low: float, high: float) -> str:
    """Moves and lines through the known values; a gap is left where one is unknown."""
    span = max(float(times[-1] - times[0]), 1e-9)
    x = _LEFT + (times - times[0]) / span * (WIDTH - _LEFT - 2)
    y = HEIGHT - _BOTTOM - (values - low) / (high - low) * (HEIGHT - _BOTTOM - _TOP)
    parts, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if np.isfinite(b):
            parts.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def _tick(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"
