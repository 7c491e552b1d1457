"""Trains the sync judge (`pdfgc.evaluation.sync_judge`) on prepared clips, and measures it on people held out.

    python scripts/train_sync_judge.py --data SHARDS --run RUN --max-minutes 5 [--device cuda]

The same command again goes on. RUN/sync_small.safetensors are the weights that did best on a few people of the
training set who were set aside for choosing (`DEVELOPMENT`); RUN/report.json says how they do on the people held out.
Needs torch, numpy, cv2, safetensors, pyyaml and tqdm; no MediaPipe, no PyAV.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import save_file
from torch import Tensor

from pdfgc.data.clips import Clip, ClipSet
from pdfgc.data.speech_features import features_of
from pdfgc.errors import InputError
from pdfgc.evaluation.metrics.sync_small import SHIFT
from pdfgc.evaluation.sync_judge import (
    ASSET,
    SyncJudge,
    load_hearing,
    load_judge,
    normalise,
    speech_rows,
)
from pdfgc.evaluation.sync_mouths import Mouths, clock, mouth_picture
from pdfgc.evaluation.sync_small import judge_mouths
from pdfgc.face.geometry import fit_pose
from pdfgc.files import atomic_path
from pdfgc.progress import track
from pdfgc.training.averages import Averages

log = logging.getLogger(__name__)

DEVELOPMENT = ("lrs3_15", "lrs3_00", "vox2_04", "vox2_08", "mead_02", "portrait_01", "grid_11")
"""People of the training set who choose the step that is kept."""

FAR = 5
"""Frames of 1/25 s from which a shift counts as out of sync: 0.2 s."""

STRETCHES = {"0.2 s": 1, "1 s": 25, "2 s": 50}
"""Features averaged for a verdict; a single one looks at 0.2 s."""

WINDOW = 40
"""Frames of a clip that are learnt from at once."""

CLIPS = 24
"""Windows in a batch."""

TEMPERATURE = 0.1
TARGET = {-1: 0.2, 0: 0.6, 1: 0.2}
"""What the softmax over shifts should say: clips are in sync to a frame, not better."""

RATE, DECAY, AVERAGE = 1e-3, 0.02, 0.995
QUIET = 3e-3
CHECK_EVERY = 200


@dataclass(frozen=True)
class Example:
    """A clip as the judge sees and hears it."""

    clip: Clip
    mouths: Mouths
    features: Tensor


def read_examples(clips: ClipSet) -> list[Example]:
    """The clips that have pictures and audible sound."""
    hearing = load_hearing()
    examples = []
    chosen = list(clips.where(pictures=True, sound=True, min_frames=15))
    for clip in track(chosen, len(chosen), "mouths and speech"):
        audio = clip.audio()
        if float(np.sqrt(np.square(audio).mean())) > QUIET:
            features = features_of(torch.from_numpy(audio), hearing)
            examples.append(Example(clip, clip_mouths(clip), features))
    return examples


def clip_mouths(clip: Clip) -> Mouths:
    """The mouth pictures of a prepared clip."""
    half = clip.info.picture_size / 2
    pose = fit_pose(
        torch.from_numpy((clip.mesh() + np.array([1, 1, 0], np.float32)) * np.float32(half))
    ).numpy()
    moments, nearest, usable = clock(clip.times())
    rows, back = np.unique(nearest, return_inverse=True)
    pictures = [mouth_picture(clip.picture(int(row)), pose[row]) for row in rows]
    return Mouths(np.stack(pictures)[back], usable, float(moments[0]))


class Windows:
    """Draws batches of windows, all on one device."""

    def __init__(self, examples: list[Example], device: torch.device) -> None:
        self.device = device
        counts = [len(e.mouths.pictures) for e in examples]
        self.counts = torch.tensor(counts, device=device)
        self.starts = torch.tensor(np.cumsum([0, *counts[:-1]]), device=device)
        self.pictures = torch.cat([torch.from_numpy(e.mouths.pictures) for e in examples]).to(device)
        self.usable = torch.cat([torch.from_numpy(e.mouths.usable) for e in examples]).to(device)
        heard = [speech_rows(e.features, n, e.mouths.first) for e, n in zip(examples, counts, strict=True)]
        self.heard = torch.cat(heard).to(device)
        people: dict[str, list[int]] = {}
        for number, example in enumerate(examples):
            people.setdefault(example.clip.identity, []).append(number)
        self.people = list(people.values())
        minutes = np.array([sum(counts[n] for n in clips) for clips in self.people]) ** 0.5
        self.share = minutes / minutes.sum()  # between all people alike and all frames alike

    def draw(self, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A batch.

        Returns:
            `[B, WINDOW, 48, 72]` uint8 mouths, `[B, WINDOW + 2 SHIFT, HEARD]` speech, `[B, WINDOW]` which mouths count,
            `[B, WINDOW + 2 SHIFT]` which speech is the clip's.
        """
        people = random.choice(len(self.people), CLIPS, p=self.share)
        clips = torch.tensor([random.choice(self.people[p]) for p in people], device=self.device)
        count, start = self.counts[clips, None], self.starts[clips, None]
        spare = (count - WINDOW).clamp(min=0) + 1
        offset = (torch.tensor(random.random((CLIPS, 1)), device=self.device) * spare).long()
        at = offset + torch.arange(WINDOW, device=self.device)
        heard = offset + torch.arange(-SHIFT, WINDOW + SHIFT, device=self.device)
        mouths = start + at.minimum(count - 1)
        valid = (heard >= 0) & (heard < count)
        speech = self.heard[start + heard.clamp(min=0).minimum(count - 1)] * valid[..., None]
        return self.pictures[mouths], speech, self.usable[mouths] & (at < count), valid


def augment(mouths: Tensor) -> Tensor:
    """Rows of mouths mirrored, scaled, turned, moved, lit otherwise, blurred and under noise, each row as one.

    Args:
        mouths: `[B, T, 48, 72]` uint8.
    """
    pictures = mouths.float()
    size = len(pictures)
    scale = 1 + 0.12 * normal(pictures, size).clamp(-2, 2)
    angle = 0.08 * normal(pictures, size)
    mirror = normal(pictures, size).sign()
    theta = torch.stack(
        [angle.cos() / scale * mirror, angle.sin() / scale, normal(pictures, size) * 0.08], -1
    )
    other = torch.stack(
        [-angle.sin() / scale * mirror, angle.cos() / scale, normal(pictures, size) * 0.08], -1
    )
    grid = F.affine_grid(torch.stack([theta, other], 1), list(pictures.shape), align_corners=False)
    moved = normalise(F.grid_sample(pictures, grid, padding_mode="border", align_corners=False))
    blurred = F.avg_pool2d(moved, 3, 1, 1)
    moved = moved.lerp(blurred, torch.rand(size, 1, 1, 1, device=moved.device).mul(1.6).sub(0.6).clamp(min=0))
    contrast, light = (0.2 * normal(pictures, size, 1, 1, 1) for _ in range(2))
    noise = 0.06 * torch.rand(size, 1, 1, 1, device=moved.device) * torch.randn_like(moved)
    return moved * (1 + contrast) + light + noise


def normal(like: Tensor, *shape: int) -> Tensor:
    """Normal numbers on the device of a tensor."""
    return torch.randn(*shape, device=like.device)


def contrast_in_time(judge: SyncJudge, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the shift at which a mouth and speech belong together; both ways, within the clip.

    Shifts of the same clip are the only negatives: who speaks says nothing then.
    """
    mouths, speech, usable, valid = batch
    seen, heard = (
        judge.see(augment(mouths)),
        judge.hear(speech + 0.1 * judge.heard_sd * torch.randn_like(speech)),
    )
    index = torch.arange(WINDOW, device=seen.device)[:, None] + torch.arange(
        2 * SHIFT + 1, device=seen.device
    )
    likeness = torch.einsum("btd,btkd->btk", seen, heard[:, index]) / TEMPERATURE
    allowed = valid[:, index]
    wanted = torch.zeros(2 * SHIFT + 1, device=seen.device)
    for shift, share in TARGET.items():
        wanted[SHIFT + shift] = share
    wanted = wanted * allowed
    wanted = wanted / wanted.sum(-1, keepdim=True).clamp(min=1e-6)
    scores = likeness.masked_fill(~allowed, -1e4).log_softmax(-1)
    of_mouths = -(wanted * scores).sum(-1)[usable].mean()
    every = torch.einsum("btd,bsd->bst", seen, heard[:, SHIFT : SHIFT + WINDOW]) / TEMPERATURE
    every = every.masked_fill(~usable[:, None], -1e4)
    own = torch.arange(WINDOW, device=seen.device).expand(len(seen), -1)
    return of_mouths + F.cross_entropy(every[usable], own[usable])


def measure(judge: SyncJudge, examples: list[Example]) -> dict[str, Any]:
    """How well the judge tells sync from shifts of at least 0.2 s, and how well it finds the offset.

    Returns:
        `in_sync_nearer` for the `STRETCHES`: share of all (stretch, shift of 0.2 to 0.6 s) in which the mouth is nearer
        to its own sound, mean over people (chance 0.5); `offsets`: what is found in whole clips of at least 2 s.
    """
    nearer: dict[str, dict[str, list[float]]] = {name: {} for name in STRETCHES}
    offsets: dict[str, int] = {}
    frames = 0
    far = np.abs(np.arange(-SHIFT, SHIFT + 1)) >= FAR
    for example in examples:
        apart = judge_mouths(example.mouths, example.features, judge)
        frames += len(apart)
        for name, length in STRETCHES.items():
            if len(apart) < length:
                continue
            windows = np.lib.stride_tricks.sliding_window_view(apart, length, axis=0)[:: max(length // 5, 1)]
            means = windows.mean(-1)
            share = float((means[:, [SHIFT]] < means[:, far]).mean())
            nearer[name].setdefault(example.clip.identity, []).append(share)
        if len(apart) >= 50 - 2 * SHIFT:
            offsets[example.clip.path.stem] = SHIFT - int(apart.mean(0).argmin())
    wrong = np.abs(np.array(list(offsets.values()), float))
    each = {n: {who: float(np.mean(v)) for who, v in p.items()} for n, p in nearer.items()}
    return {
        "clips": len(examples),
        "frames": frames,
        "in_sync_nearer": {n: float(np.mean(list(p.values()))) if p else None for n, p in each.items()},
        "in_sync_nearer_by_person": {n: {w: round(v, 3) for w, v in p.items()} for n, p in each.items()},
        "offsets": offsets,
        "offset_within_1_frame": float((wrong <= 1).mean()) if len(wrong) else None,
        "offset_within_2_frames": float((wrong <= 2).mean()) if len(wrong) else None,
        "median_offset_error_frames": float(np.median(wrong)) if len(wrong) else None,
    }


class Run:
    """A run with everything it needs to go on."""

    def __init__(self, folder: Path, device: torch.device, steps: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.device, self.steps = folder, device, steps
        self.judge = SyncJudge().to(device)
        self.optimizer = torch.optim.AdamW(self.judge.parameters(), lr=RATE, weight_decay=DECAY)
        self.averages = Averages({"judge": self.judge}, AVERAGE)
        self.step, self.best = 0, -1.0
        if self._checkpoint.is_file():
            saved = torch.load(self._checkpoint, map_location=device, weights_only=True)
            self.judge.load_state_dict(saved["judge"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.averages.restore(saved["averages"])
            self.step, self.best = saved["step"], saved["best"]

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """Where the best weights lie."""
        return self.folder / ASSET

    def save(self) -> None:
        """Writes the checkpoint."""
        saved = {
            "judge": self.judge.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averages": self.averages.tensors,
            "step": self.step,
            "best": self.best,
        }
        with atomic_path(self._checkpoint) as temporary:
            torch.save(saved, temporary)

    def advance(self, windows: Windows) -> float:
        """One step; returns the loss."""
        torch.manual_seed(self.step)
        share = self.step / self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * min(1.0, self.step / 100) * 0.5 * (1 + math.cos(math.pi * share))
        loss = contrast_in_time(self.judge, windows.draw(np.random.default_rng(self.step)))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.averages.update(self.step)
        self.step += 1
        return float(loss.detach())

    def check(self, development: list[Example], about: dict[str, Any]) -> dict[str, Any]:
        """Measures the averaged weights; the best so far are kept, with what is known `about` them."""
        self.judge.eval()
        with self.averages.in_place():
            self.judge.cpu()
            found = measure(self.judge, development)
            quality = found["in_sync_nearer"]["0.2 s"] or 0.0  # the finest: few people have many stretches
            if quality > self.best:
                self.best = quality
                state = self.judge.state_dict()
                halved = {n: v.half().contiguous() for n, v in state.items() if v.is_floating_point()}
                with atomic_path(self.weights) as temporary:
                    known = json.dumps({**about, "step": self.step})
                    save_file(halved, temporary, metadata={"pdfgc_sync_judge": known})
            self.judge.to(self.device)
        self.judge.train()
        return found


def split(data: Path, config: Path) -> tuple[list[Example], list[Example], list[Example]]:
    """Examples to learn from, to choose with and to report on: other people each."""
    held_out = yaml.safe_load(config.read_text())["data"]["held_out"]
    rest, held = ClipSet.open(data).split(held_out)
    learning, choosing = rest.split(DEVELOPMENT)
    parts = [read_examples(part) for part in (learning, choosing, held)]
    if not parts[0]:
        raise InputError(
            f"expected clips with pictures and sound in {data}, but there are none to learn from"
        )
    return parts[0], parts[1], parts[2]


def train(data: Path, folder: Path, config: Path, device: torch.device, minutes: float, steps: int) -> None:
    """Trains until the steps or the minutes are over, then writes the report."""
    learning, choosing, held = split(data, config)
    windows = Windows(learning, device)
    log.info("%d clips of %d people, %d frames", len(learning), len(windows.people), len(windows.pictures))
    run = Run(folder, device, steps)
    if run.step == 0:
        run.judge.heard_mean.copy_(windows.heard.mean(0))
        run.judge.heard_sd.copy_(windows.heard.std(0).clamp(min=1e-3))
    about = {
        "licence": "research use",
        "clips": len(learning),
        "people": len(windows.people),
        "sources": sorted({e.clip.info.labels.get("source", "unknown") for e in learning}),
    }
    begin = time.monotonic()
    losses: list[float] = []
    while run.step < steps and time.monotonic() - begin < 60 * minutes:
        losses.append(run.advance(windows))
        if run.step % CHECK_EVERY == 0 or run.step == steps:
            found = run.check(choosing, about)
            log.info("step %d: loss %.3f, development %s", run.step, np.mean(losses), found["in_sync_nearer"])
            losses = []
            run.save()
    run.save()
    judge = load_judge(run.weights)
    report = {"steps": run.step, "development": measure(judge, choosing), "held_out": measure(judge, held)}
    with atomic_path(folder / "report.json") as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n")
    log.info("held out: %s", json.dumps(report["held_out"], indent=1))


def main() -> None:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder made by pdfgc prepare")
    parser.add_argument("--run", type=Path, required=True, help="the folder that everything is written to")
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "default_model.yaml")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--max-minutes", type=float, default=60.0, help="stop after so long")
    parser.add_argument("--steps", type=int, default=6000, help="steps of the whole run")
    options = parser.parse_args()
    device = torch.device(options.device)
    train(options.data, options.run, options.config, device, options.max_minutes, options.steps)


if __name__ == "__main__":
    main()
