"""Why something of a video is not used. A module of its own, so that who only collects these loads no networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rejection:
    """Why a part of a video, or its sound, is not used."""

    reason: str
    """Of a part: `unreadable`, `no face`, `several faces`, `too short`, `tiny face`, `blurred face`, `cut`. Of its
    sound: `silent`, `no speech`, `out of step`."""
    detail: str
    """The measurement that decided it."""
