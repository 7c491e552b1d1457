"""How strongly a driver's codes show: weaker or stronger than they were measured, about the neutral code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from pdfgc.errors import InputError

FACTORS = ("expression", "lips", "pose")
"""Those whose codes may be scaled; eyes look where they look."""

UNSCALED = ("hold", "zero")
"""Drivers that have nothing to scale: the portrait's own code, and the neutral one."""

MOST = 4.0
"""Beyond, no face is left."""


def read_strength(words: Sequence[str]) -> dict[str, float]:
    """`["expression=1.5", ...]` as `{"expression": 1.5, ...}`.

    Raises:
        InputError: a word that is not of this form; as `check_strength`.
    """
    strength: dict[str, float] = {}
    for word in words:
        factor, _, number = word.partition("=")
        if factor in strength:
            raise InputError(f"{factor} is given two strengths, {strength[factor]:g} and {number}")
        try:
            strength[factor] = float(number)
        except ValueError:
            raise InputError(f"a strength is written FACTOR=NUMBER, such as pose=0.5, not {word}") from None
        check_strength(strength)
    return strength


def check_strength(strength: Mapping[str, float]) -> None:
    """Raises InputError for factors that have no strength and for numbers beyond 0 to `MOST`."""
    if not isinstance(strength, Mapping):
        raise InputError(f"strengths are given by factor, such as {{'pose': 0.5}}, not as {strength!r}")
    for factor, number in strength.items():
        if factor not in FACTORS:
            raise InputError(f"a strength can be given to {', '.join(FACTORS)}, not to {factor!r}")
        if not isinstance(number, Real) or isinstance(number, bool):
            raise InputError(f"the strength of the {factor} must be a number, not {number!r}")
        if not 0 <= number <= MOST:  # false for NaN
            raise InputError(
                f"the strength of the {factor} must lie between 0 and {MOST:g} times, not {number}"
            )


def scaled(codes: np.ndarray, strength: float, neutral: np.ndarray | float) -> np.ndarray:
    """Codes `[T, D]` float32 scaled about the neutral one `[D]` (or 0); 1 leaves every bit."""
    if strength == 1:
        return codes
    return (neutral + strength * (codes - neutral)).astype(np.float32)
