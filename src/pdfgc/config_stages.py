"""How every stage is trained, and those of preset `small`: the keys under `stages` of a configuration."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

from pdfgc.errors import InputError

MOST_WORKERS = 256
"""Processes that may make batches for one training process: a mistyped number would fill the memory with them."""


def within(settings: object, least: float, most: float, *names: str) -> None:
    """Raises InputError where one of the named settings lies outside of a range."""
    for name in names:
        value = getattr(settings, name)
        if not least <= value <= most:
            range_ = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
            raise InputError(f"expected {name} of {range_}, but got {value:g}")


def above_zero(settings: object, *names: str) -> None:
    """Raises InputError where one of the named settings is 0 or less."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise InputError(f"expected {name} above 0, but got {getattr(settings, name):g}")


@dataclass(frozen=True)
class Training:
    """How one stage is trained; read by the shared loop only."""

    steps: int = 1000
    """Optimiser steps after which the stage is finished."""
    share: float = 1.0
    """Share of a time budget that the stage gets in `pdfgc train all`, beside the shares of the stages yet to come."""
    batch: int = 16
    """Items per step, over all parts and processes."""
    accumulation: int = 1
    """Parts that a step's batch is divided into, one after the other; with the processes, must divide `batch`."""
    learning_rate: float = 1e-3
    """AdamW's, at its highest."""
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    warmup: int = 0
    """Steps over which the learning rate rises linearly from 0."""
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up: constant, or a half cosine down to 0 at `steps`."""
    clip: float = 1.0
    """Greatest norm of a phase's gradients; 0 leaves them as they are."""
    ema: float = 0.999
    """Decay per step of the averaged weights, less in the first steps; 0 keeps no average."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """bfloat16 and float16 run the networks under autocast; weights, losses and optimisers stay float32. float16 scales
    the losses, and leaves out steps whose gradients overflow. A processor that would only imitate bfloat16 computes in
    float32 instead."""
    seed: int = 0
    workers: int = 0
    """Processes that make batches ahead; 0 makes them in the training process."""
    checkpoint_steps: int = 0
    """Steps between checkpoints; 0 leaves it to the clock."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints; 0 leaves it to the steps. One is always written at the end."""
    keep: int = 2
    """Checkpoints kept; older ones are deleted."""
    sample_every: int = 500
    """Steps between sample sheets; 0 makes none."""
    validate_every: int = 500
    """Steps between measurements on held-out clips; 0 makes none."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        within(self, 1, math.inf, "steps", "batch", "accumulation")
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, (int, float)) and not value >= 0:
                raise InputError(f"expected {entry.name} of 0 or more, but got {value}")
        above_zero(self, "share", "learning_rate")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"expected betas of 0 or more and below 1, but got {list(self.betas)}")
        if self.workers > MOST_WORKERS:
            raise InputError(f"expected at most {MOST_WORKERS} workers, but got {self.workers}")
        if self.ema >= 1:
            raise InputError(f"expected an ema below 1, but got {self.ema}")


@dataclass(frozen=True)
class StageConfig:
    """What every stage has; the stages add their own keys."""

    training: Training = field(default_factory=Training)
    weights: dict[str, float] = field(default_factory=dict)
    """Weight of each loss by name; 0 switches a loss off."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        for name, weight in self.weights.items():
            if weight < 0:
                raise InputError(f"expected a weight of 0 or more for the loss {name}, but got {weight:g}")


@dataclass(frozen=True)
class MotionStage(StageConfig):
    """Stage 1: appearance against motion."""

    stretch: float = 0.15
    """Random stretch of the driving mesh per axis, as a standard deviation: identity must not pass."""
    swap_neutral: float = 0.5
    """Probability that a driving mesh gets another person's neutral shape."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        within(self, 0, math.inf, "stretch")
        within(self, 0, 1, "swap_neutral")


@dataclass(frozen=True)
class LipsStage(StageConfig):
    """Stage 2, lips: InfoNCE between lip motion and speech (eq. 2, 3)."""

    temperature: float = 0.07
    clip_frames: int = 8
    """Frames taken from each clip of a batch: negatives from other times of the same clip."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        within(self, 1, math.inf, "clip_frames")
        above_zero(self, "temperature")


@dataclass(frozen=True)
class EyesStage(StageConfig):
    """Stage 2, eyes: InfoNCE with the eyes of one frame in the face of another (eq. 4)."""

    temperature: float = 0.07

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        above_zero(self, "temperature")


@dataclass(frozen=True)
class PoseStage(StageConfig):
    """Stage 2, pose: L1 to the measured pose (eq. 5)."""

    jitter: float = 0.5
    """Random turns added to training poses, in the head's units (`networks.motion`): large poses are rare."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        within(self, 0, math.inf, "jitter")


@dataclass(frozen=True)
class ExpressionStage(StageConfig):
    """Stage 3: expression and the final generator (eq. 6 to 8)."""

    window: int = 13
    """Frames that a training expression code is averaged over (K)."""
    bank: int = 1024
    """Rows of each memory bank (M)."""
    moments: int = 6
    """Moments per item from which codes and mesh decoder learn; pictures are dear, meshes are not."""
    drivers: int = 2
    """Driving frames painted per portrait."""
    painted: int = 128
    """Side in pixels of the part of a frame that is painted in training; the flow always spans the whole frame."""
    close_up: int = 96
    """The same for close-ups of mouths and eyes, which the perceptual loss sees enlarged."""
    watched: int = 4
    """Painted frames a step in which the loss `motion` has a tracker look for the face: it costs more than painting."""
    perceptual: Literal["alex", "vgg"] = "alex"
    """Network of the perceptual loss; VGG16 gives finer texture and costs thirty times as much."""
    adversarial_from: int = 0
    """The first step at which the generator listens to the discriminator, which learns from the start."""
    start_from: str = ""
    """A trained model (`.safetensors`) whose modules this stage starts from, where it has them."""
    frozen: tuple[str, ...] = ()
    """Parts of the generator that stay as `start_from` has them, such as `encoder`, `flow` and `painter.coarse`: with
    these three, and small `painted` parts and `close_up`s, what paints last learns several times as fast."""

    def __post_init__(self) -> None:
        """Raises InputError for a number that no training can have."""
        super().__post_init__()
        within(self, 0, math.inf, "adversarial_from")
        within(self, 1, math.inf, "window", "bank", "moments", "drivers", "painted", "close_up", "watched")


@dataclass(frozen=True)
class Stages:
    """The stages in training order; `stage2-lips` on the command line is `stage2_lips` here."""

    stage1: MotionStage = field(default_factory=MotionStage)
    stage2_lips: LipsStage = field(default_factory=LipsStage)
    stage2_eyes: EyesStage = field(default_factory=EyesStage)
    stage2_pose: PoseStage = field(default_factory=PoseStage)
    stage3: ExpressionStage = field(default_factory=ExpressionStage)
