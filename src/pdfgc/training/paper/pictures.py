"""What the stages that paint share: pictures to tensors and sheets, the adversarial losses, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pdfgc.config import Config
from pdfgc.config_paper import Paper
from pdfgc.networks.paper.discriminator import Discriminator
from pdfgc.priors.face_features import FaceFeatures
from pdfgc.training.losses import feature_matching, hinge_real_or_fake, hinge_taken_for_real
from pdfgc.training.paper.losses import motion_reconstruction
from pdfgc.training.stage import Batch, Phase

MADE = "made"
"""Entry of a batch under which the generator's phase leaves its pictures to the discriminator's of the same step."""

SHEET = 6
"""Rows of a sample sheet."""


def to_float(pictures: Tensor) -> Tensor:
    """`[..., 3, S, S]` uint8 to float32 in -1..1."""
    return pictures.float() / 127.5 - 1


def to_sheet(columns: Sequence[Tensor]) -> np.ndarray:
    """Pictures `[N, 3, S, S]` in -1..1 side by side, one row for each of N: `[H, W, 3]` uint8."""
    rows = torch.cat([column.float() for column in columns], 3)[:SHEET]
    sheet = (rows.permute(0, 2, 3, 1).flatten(0, 1) + 1) * 127.5
    return sheet.round().clamp(0, 255).byte().cpu().numpy()


ENCODERS = 0.1
"""Learning rate of the encoders over G's, whose weights are scaled down where they are used, so that a step of the same
size moves G far less than an encoder."""


def is_adversarial(weights: Mapping[str, float]) -> bool:
    """Whether a stage with these weights of its losses listens to a discriminator."""
    return any(weights.get(loss, 0.0) != 0 for loss in ("adversarial", "matching"))


def adversary(config: Config, weights: Mapping[str, float]) -> tuple[Phase, ...]:
    """The discriminator's phase, of a stage with these weights; none where nobody listens to it."""
    if not is_adversarial(weights):
        return ()
    first = config.paper.adversarial_from
    return (Phase("discriminator", ("discriminator",), learning_rate=0.2, ema=False, first=first),)


def later_losses(settings: Paper, weights: Mapping[str, float], *taught: str) -> dict[str, int]:
    """The first steps of a stage's losses that begin later (`Stage.joins_at`).

    Args:
        settings: when they do.
        weights: of the stage's losses; those that are off are left out.
        taught: names of the losses by which teachers of `teachers_from` teach.
    """
    judged = ("adversarial", "matching", "discriminator") if is_adversarial(weights) else ()
    begin = dict.fromkeys(judged, settings.adversarial_from) | dict.fromkeys(taught, settings.teachers_from)
    return {name: step for name, step in begin.items() if weights.get(name)}


def discriminator_losses(network: Discriminator, real: Tensor, batch: Batch) -> dict[str, Tensor]:
    """`discriminator`: the hinge loss on true pictures and on those that the generator has left in the batch."""
    person = batch["person"]
    real_score, fake_score = (network(pictures, person).score for pictures in (real, batch[MADE]))
    return {
        "discriminator": hinge_real_or_fake(real_score, fake_score),
        "score_real": real_score.detach().mean(),
        "score_made": fake_score.detach().mean(),
    }


def adversarial_losses(
    network: Discriminator, made: Tensor, real: Tensor, person: Tensor
) -> dict[str, Tensor]:
    """`adversarial`: the generator's side of the hinge; `matching`: the discriminator's maps of both pictures."""
    with torch.no_grad():
        wanted = network(real, person).features
    judged = network(made, person)
    return {
        "adversarial": hinge_taken_for_real(judged.score),
        "matching": feature_matching(wanted, judged.features),
    }


def compare_pictures(
    faces: Callable[[Tensor, Tensor], FaceFeatures] | None,
    made: Tensor,
    portrait: Tensor,
    driving: Tensor,
    meshes: Tensor,
) -> dict[str, float]:
    """How far pictures are from the driving frames, beside how far the portraits are that they were made of.

    Args:
        faces: a `face_features.FaceTeacher`; None leaves the motion out.
        made, portrait, driving: `[N, 3, S, S]` in -1..1.
        meshes: `[N, 2, 478, 3]` of portraits and driving frames.

    Returns:
        `held_l1` and `held_still_l1`, mean absolute differences; `held_motion` and `held_still_motion`, L_mot (eq. 1).
    """
    scores = {
        "held_l1": float((made - driving).abs().mean()),
        "held_still_l1": float((portrait - driving).abs().mean()),
    }
    if faces is not None:
        wanted = faces(driving, meshes[:, 1])
        scores["held_motion"] = float(motion_reconstruction(faces(made, meshes[:, 1]), wanted))
        scores["held_still_motion"] = float(motion_reconstruction(faces(portrait, meshes[:, 0]), wanted))
    return scores
