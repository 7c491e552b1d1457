"""A video before the sync judge: its mouths, its sound, and how far apart they are at every shift."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pdfgc.evaluation.evidence import Evidence
from pdfgc.evaluation.metrics.sync_small import SHIFT, frame_distances
from pdfgc.evaluation.sync_judge import RATE, SyncJudge, normalise, speech_rows
from pdfgc.evaluation.sync_mouths import Mouths, clock, mouth_picture
from pdfgc.networks.hearing import Hearing
from pdfgc.networks.speech import FEATURE_RATE


def sync_small_distances(
    path: Path, audio: np.ndarray, evidence: Evidence, judge: SyncJudge, hearing: Hearing
) -> tuple[np.ndarray, int]:
    """How far a video's mouth is from its sound at every shift.

    Args:
        path: the video.
        audio: `[N]` its sound at 16 kHz, -1..1, time 0 the first frame.
        evidence: what was seen in it: times and poses.
        judge: of `load_judge`.
        hearing: of `load_hearing`.

    Returns:
        `[2 SHIFT + 1]` mean distances (see `frame_distances`; zeros without frames), and how many frames they rest on.
    """
    from pdfgc.data.speech_features import features_of

    mouths = video_mouths(path, evidence)
    if mouths is None:
        return np.zeros(2 * SHIFT + 1), 0
    features = features_of(torch.from_numpy(np.ascontiguousarray(audio, np.float32)), hearing)
    apart = judge_mouths(mouths, features, judge)
    return (apart.mean(0) if len(apart) else np.zeros(2 * SHIFT + 1)), len(apart)


def video_mouths(path: Path, evidence: Evidence) -> Mouths | None:
    """The mouth pictures of a video; None where no face is seen."""
    from pdfgc.media.video import read_frames

    known = np.flatnonzero(np.isfinite(evidence.pose).all(-1))
    if not len(known):
        return None
    moments, nearest, usable = clock(evidence.times[known])
    wanted = {int(row) for row in known[nearest]}
    pictures = {
        number: mouth_picture(frame.image, evidence.pose[number])
        for number, frame in enumerate(read_frames(path))
        if number in wanted
    }
    stacked = np.stack([pictures[int(row)] for row in known[nearest]])
    return Mouths(stacked, usable, float(moments[0]))


def judge_mouths(mouths: Mouths, features: Tensor, judge: SyncJudge) -> np.ndarray:
    """Distances of mouths to what is heard, `[N, 2 SHIFT + 1]` as `frame_distances`.

    Args:
        mouths: the mouths.
        features: `[L, 384]` of Whisper's trunk, from second 0 on.
        judge: of `load_judge`.
    """
    count = len(mouths.pictures)
    first = mouths.first - SHIFT / RATE
    with torch.inference_mode():
        seen = judge.see(normalise(torch.from_numpy(mouths.pictures)[None]))[0]
        heard = judge.hear(speech_rows(features.float(), count + 2 * SHIFT, first)[None])[0]
    start = first + np.arange(count) / RATE
    end = start + (2 * SHIFT + 1) / RATE
    inside = (start >= -1e-6) & (end <= len(features) / FEATURE_RATE + 1e-6)
    return frame_distances(seen.numpy(), heard.numpy(), mouths.usable & inside)
