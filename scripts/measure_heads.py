"""How well the tracker reads each factor off rendered heads, whose truth is known: tables in Markdown.

pdfgc heads -o heads --clips 30
python scripts/measure_heads.py heads
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pdfgc.data.talking_head_3d.clip import MEASURES, SUFFIX, Truth
from pdfgc.data.talking_head_3d.performance import EXPRESSIONS
from pdfgc.evaluation.signals import signals_from_faces
from pdfgc.face.tracker import FaceTracker
from pdfgc.media.video import read_frames
from pdfgc.progress import track

PAIRS = (
    # the truth, and what the tracker says about it
    ("pitch", "pitch"), ("yaw", "yaw"), ("roll", "roll"),
    ("pitch", "matrix_pitch"), ("yaw", "matrix_yaw"), ("roll", "matrix_roll"),
    ("position x", "shift_x"), ("position y", "shift_y"), ("log scale", "zoom"),
    ("gaze_x angle", "gaze_x"), ("gaze_x of true points", "gaze_x"),
    ("gaze_y angle", "gaze_y"), ("gaze_y of true points", "gaze_y"),
    ("lids shut", "blink"), ("eye opening of true points", "blink"),
    ("jawOpen", "mouth"), ("mouth opening of true points", "mouth"),
    ("smile weight", "smile"), ("smile of true points", "smile"),
    ("brow_raise - brow_lower", "brow"), ("brow of true points", "brow"),
)  # fmt: skip
CAUSES = ("pitch", "yaw", "roll", "gaze_x angle", "gaze_y angle", "lids shut", "jawOpen", "smile weight",
          "brow_raise - brow_lower")  # fmt: skip
EFFECTS = ("pitch", "yaw", "roll", "gaze_x", "gaze_y", "blink", "mouth", "smile", "brow")


@dataclass(frozen=True)
class Measured:
    """A clip: what was done and what was seen, `[T]` each, in frames with a face."""

    truth: dict[str, np.ndarray]
    seen: dict[str, np.ndarray]
    found: float


def causes_of(truth: Truth) -> dict[str, np.ndarray]:
    """Everything of a clip's truth that is compared: degrees, cm, eye widths."""
    pitch, yaw, roll = np.degrees(truth.pose).T
    horizontal, vertical = np.degrees(truth.gaze).T
    own = dict(zip(MEASURES, truth.measures.T, strict=True))
    felt = dict(zip(EXPRESSIONS, truth.expression.T, strict=True))
    return {
        "pitch": pitch,
        "yaw": yaw,
        "roll": roll,
        "position x": truth.position[:, 0],
        "position y": -truth.position[:, 1],
        "log scale": np.log(truth.scale),
        "gaze_x angle": horizontal,
        "gaze_y angle": vertical,
        "gaze_x of true points": own["gaze_x"],
        "gaze_y of true points": own["gaze_y"],
        "lids shut": truth.blink.mean(1),
        "eye opening of true points": (own["eye_left"] + own["eye_right"]) / 2,
        "jawOpen": truth.lips[:, 0],
        "mouth opening of true points": own["mouth"],
        "smile weight": felt["smile"],
        "smile of true points": own["smile"],
        "brow_raise - brow_lower": felt["brow_raise"] - felt["brow_lower"],
        "brow of true points": own["brow"],
    }


def measure(video: Path, tracker: FaceTracker) -> Measured:
    """Tracks a rendered clip frame by frame."""
    truth = causes_of(Truth.load(video.with_suffix(SUFFIX)))
    faces = [next(iter(tracker.detect(frame.image)), None) for frame in read_frames(video)]
    signals = signals_from_faces(list(range(len(faces))), faces)
    found = signals.found
    return Measured(
        {name: value[found] for name, value in truth.items()},
        {name: value[found] for name, value in signals.values.items()},
        float(found.mean()),
    )


def fit(causes: list[np.ndarray], effects: list[np.ndarray]) -> tuple[float, float, float]:
    """Pooled correlation and slope of effects on causes, each clip without its mean; and the mean offset.

    Only frames count in which the effect is known (gaze is not where lids are nearly shut).
    """
    known = [np.isfinite(effect) for effect in effects]
    causes = [cause[k] for cause, k in zip(causes, known, strict=True)]
    effects = [effect[k] for effect, k in zip(effects, known, strict=True)]
    x = np.concatenate([cause - cause.mean() for cause in causes])
    y = np.concatenate([effect - effect.mean() for effect in effects])
    offset = float(
        np.mean([effect.mean() - cause.mean() for cause, effect in zip(causes, effects, strict=True)])
    )
    return (
        float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())),
        float((x * y).sum() / (x**2).sum()),
        offset,
    )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("heads", type=Path, help="what `pdfgc heads` made")
    videos = sorted(parser.parse_args().heads.glob("*/*.mp4"))
    with FaceTracker() as tracker:
        clips = [measure(video, tracker) for video in track(videos, len(videos), "track")]
    frames = sum(len(clip.truth["yaw"]) for clip in clips)
    lines = [
        f"{len(clips)} clips, {frames} frames; a face found in {np.mean([clip.found for clip in clips]):.1%}.",
        "",
        "| truth | tracker | r | slope | r, lowest clip |",
        "|---|---|---|---|---|",
    ]
    for cause, effect in PAIRS:
        x, y = [clip.truth[cause] for clip in clips], [clip.seen[effect] for clip in clips]
        r, slope, _ = fit(x, y)
        alone = [abs(fit([a], [b])[0]) for a, b in zip(x, y, strict=True) if a.std() > 1e-6]
        lines.append(f"| {cause} | {effect} | {r:.3f} | {slope:.4g} | {min(alone):.2f} |")
    lines += ["", "| truth \\ tracker | " + " | ".join(EFFECTS) + " |", "|---" * (len(EFFECTS) + 1) + "|"]
    for cause in CAUSES:
        row = [fit([c.truth[cause] for c in clips], [c.seen[effect] for c in clips])[0] for effect in EFFECTS]
        lines.append(f"| {cause} | " + " | ".join(f"{r:.2f}" for r in row) + " |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
