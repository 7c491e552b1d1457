"""Finds how far the sound of prepared clips is off their pictures, and shifts it back.

    python scripts/align_sound.py SHARDS [--model small]

A sync network cannot learn from clips whose sound leads or lags. A trained model opens a mouth to the sound of every
clip; the offset at which that fits the tracked mouth best is taken out, where the fit is clear.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import pdfgc
from pdfgc.data.clips import AUDIO_RATE, Clip, ClipSet, write_clip
from pdfgc.face.mesh import mouth_opening
from pdfgc.files import atomic_path
from pdfgc.model import Model
from pdfgc.progress import track

log = logging.getLogger(__name__)

RATE = Fraction(50)
"""Steps a second in which offsets are searched."""

FARTHEST = 15
"""Steps searched to both sides: 0.3 s."""

CLEAR, BETTER = 0.35, 0.1
"""An offset is believed when the mouth correlates at least so much there, and so much more than without it."""


def find_offset(model: Model, clip: Clip) -> tuple[float, float, float]:
    """Seconds by which a clip's sound is late, the correlation there, and the correlation as it is."""
    meshes, scores, times = clip.mesh(), clip.blendshapes(), clip.times()
    codes = model.encode_motion(None, meshes, scores)
    image = np.zeros((model.size, model.size, 3), np.uint8)
    portrait = model.portrait(image, meshes[0], scores[0])
    spoken = np.concatenate(list(model.encode_speech([clip.audio()], RATE)))
    held = {name: np.repeat(code[:1], len(spoken), 0) for name, code in codes.items()}
    heard = mouth_opening(model.driving_mesh(portrait, {**held, "lips": spoken}).cpu().numpy())
    seen = mouth_opening(meshes)
    fits = []
    for step in range(-FARTHEST, FARTHEST + 1):
        at = times + step / float(RATE)
        inside = (at >= 0) & (at <= (len(heard) - 1) / float(RATE))
        there = np.interp(at[inside], np.arange(len(heard)) / float(RATE), heard)
        fits.append(float(np.corrcoef(there, seen[inside])[0, 1]) if there.std() > 0 else 0.0)
    best = int(np.argmax(fits))
    return (best - FARTHEST) / float(RATE), fits[best], fits[FARTHEST]


def shift_sound(clip: Clip, seconds: float) -> Clip:
    """The clip with its sound earlier by `seconds`, its file rewritten."""
    samples = round(seconds * AUDIO_RATE)
    tensors = load_file(clip.path)
    audio = tensors["audio"]
    audio = audio[samples:] if samples > 0 else np.concatenate([np.zeros(-samples, audio.dtype), audio])
    shifts = float(clip.info.labels.get("sound_shifted_seconds", 0)) + seconds
    labels = {**clip.info.labels, "sound_shifted_seconds": f"{shifts:.3f}"}
    info = dataclasses.replace(clip.info, samples=len(audio), labels=labels)
    write_clip(clip.path, info, {**tensors, "audio": audio})
    return Clip(clip.path, info)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("shards", type=Path, help="a folder made by pdfgc prepare")
    parser.add_argument("--model", default="small", help="the model that listens")
    options = parser.parse_args()
    model = pdfgc.load(options.model)
    clips = ClipSet.open(options.shards).where(sound=True, min_frames=25)
    shifted: dict[str, Clip] = {}
    for clip in track(list(clips), total=len(clips), description="sound offsets"):
        offset, best, now = find_offset(model, clip)
        if offset and best >= CLEAR and best - now >= BETTER:
            log.info(
                "%s: late by %+.2f s, mouth r %.2f there, %.2f as it was", clip.path.stem, offset, best, now
            )
            shifted[str(clip.path.relative_to(options.shards))] = shift_sound(clip, offset)
    index = options.shards / "index.json"
    tree = json.loads(index.read_text())
    for entry in tree["clips"]:
        if entry["file"] in shifted:
            entry["info"] = shifted[entry["file"]].info.to_json()
    with atomic_path(index) as temporary:
        temporary.write_text(json.dumps(tree, indent=1))
    log.info("%d of %d clips with sound were shifted", len(shifted), len(clips))


if __name__ == "__main__":
    main()
