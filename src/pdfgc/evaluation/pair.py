"""A generated video beside the video that it should have become."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from pdfgc.errors import NoSoundError
from pdfgc.evaluation.evidence import Evidence, match_frames
from pdfgc.evaluation.judges import Judges, read_sound
from pdfgc.evaluation.pixels import comparable
from pdfgc.evaluation.store import Arrays

SMALLEST = 64
"""Pixels of the shorter side from which on pictures are compared: LPIPS's network sees nothing in smaller ones."""

_LOOKS = ("rows", "ours", "theirs", "pixels", "by_eye", "silent", "same_rate", "_all_ours", "_all_theirs")
"""Properties of a pair that hold what was seen."""


class Pair:
    """Two videos, and what the judges see in them at the same moments.

    Args:
        name: as in the report.
        generated: the video that is scored.
        truth: the video it is compared with.
        judges: look at them.
        skip: first generated frames that are not scored (the portrait itself in self-driving).
        sound_late: seconds by which the truth's sound follows its picture too late, where that is known.
    """

    def __init__(
        self,
        name: str,
        generated: Path,
        truth: Path,
        judges: Judges,
        *,
        skip: int = 0,
        sound_late: float | None = None,
    ) -> None:
        self.name = name
        self.generated = generated
        self.truth = truth
        self.judges = judges
        self.skip = skip
        self.sound_late = sound_late

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames of each that show the same moment."""
        ours, theirs = match_frames(self._all_ours.times, self._all_theirs.times)
        return ours[self.skip :], theirs[self.skip :]

    @cached_property
    def ours(self) -> Evidence:
        """What is seen in the generated video at matching moments."""
        return self._all_ours.take(self.rows[0])

    @cached_property
    def theirs(self) -> Evidence:
        """What is seen in the truth at these moments."""
        return self._all_theirs.take(self.rows[1])

    @property
    def still(self) -> bool:
        """Whether the truth is a single picture."""
        return len(self._all_theirs) == 1

    def frames(self) -> dict[str, int]:
        """How many frames each video has and how many moments are compared, where they were looked at; else nothing."""
        if "rows" not in self.__dict__:
            return {}
        ours, theirs = len(self._all_ours), len(self._all_theirs)
        return {"generated": ours, "truth": theirs, "compared": len(self.rows[0])}

    @cached_property
    def incomparable(self) -> str | None:
        """Why pictures of the two cannot be compared, if they cannot."""
        from pdfgc.media.video import probe

        sizes = [(info.width, info.height) for info in (probe(self.generated), probe(self.truth))]
        if not comparable(*sizes):
            shapes = " and ".join(f"{w} x {h}" for w, h in sizes)
            return f"pictures of {shapes} pixels do not show the same part of the world"
        if min(map(min, sizes)) < SMALLEST:
            return f"pictures of less than {SMALLEST} pixels are too small to compare"
        if not len(self.rows[0]):
            return "the videos have no moment in common"
        return None

    @cached_property
    def pixels(self) -> Arrays:
        """See `compare_pixels`; only of pictures that are not `incomparable`."""
        return self.judges.pixels(self.generated, self.truth, self.rows)

    @cached_property
    def by_eye(self) -> Arrays:
        """See `compare_by_eye`; only of pictures that are not `incomparable`.

        Raises:
            InputError: LPIPS's weights cannot be had.
        """
        return self.judges.by_eye(self.generated, self.truth, self.rows)

    @cached_property
    def silent(self) -> np.ndarray | None:
        """`[T]` whether nothing is heard at each moment; None where neither video has sound."""
        for path in (self.generated, self.truth):
            if (audio := _sound_if_any(path)) is not None:
                return _silence(audio, self.ours.times)
        return None

    def reconstructed(self, what: str) -> tuple[np.ndarray, np.ndarray]:
        """`rotation` or `expression` of both videos at matching moments, by the 3-D reconstructor."""
        ours, theirs = (self.judges.reconstruction(path)[what] for path in (self.generated, self.truth))
        return ours[self.rows[0]], theirs[self.rows[1]]

    def forget(self) -> None:
        """Lets go of what was seen; it is read again from disk when it is asked for."""
        for name in _LOOKS:
            self.__dict__.pop(name, None)

    @cached_property
    def same_rate(self) -> bool:
        """Whether both videos show a new picture at every matching moment."""
        steps = [np.diff(evidence.times) for evidence in (self.ours, self.theirs)]
        return len(steps[0]) > 0 and abs(float(np.median(steps[0]) - np.median(steps[1]))) < 2e-3

    @cached_property
    def _all_ours(self) -> Evidence:
        return self.judges.evidence(self.generated)

    @cached_property
    def _all_theirs(self) -> Evidence:
        return self.judges.evidence(self.truth)


def matched_embeddings(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the generated frames that have one, each with the truth's nearest in time."""
    ours, theirs = pair.ours, pair.theirs
    known = [np.flatnonzero(np.isfinite(e.embeddings).all(-1)) for e in (ours, theirs)]
    if not len(known[0]) or not len(known[1]):
        return np.zeros((0, 1)), np.zeros((0, 1))
    apart = np.abs(ours.times[known[0]][:, None] - theirs.times[known[1]][None])
    return ours.embeddings[known[0]], theirs.embeddings[known[1][apart.argmin(1)]]


def _sound_if_any(path: Path) -> np.ndarray | None:
    try:
        return read_sound(path)
    except NoSoundError:
        return None


def _silence(audio: np.ndarray, times: np.ndarray) -> np.ndarray:
    import torch

    from pdfgc.media.audio import SPEECH_RATE
    from pdfgc.silence import speech_share

    if not len(times):
        return np.zeros(0, bool)
    heard = speech_share(torch.from_numpy(audio), torch.from_numpy(times).float(), SPEECH_RATE)
    return heard.numpy() <= 0
