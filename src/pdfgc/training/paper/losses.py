"""Losses of preset `paper` beyond those that both presets share: pure functions (spec 3; the paper's numbers)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, linalg

from pdfgc.priors.face_features import FaceFeatures
from pdfgc.training.losses import in_float32


def motion_reconstruction(result: FaceFeatures, target: FaceFeatures) -> Tensor:
    """L_mot (eq. 1): `|phi(I0) - phi(Ig)|_2 + |psi(I0) - psi(Ig)|_2`, mean over the batch.

    Args:
        result: features of the pictures that were made.
        target: features of the true ones; no gradient reaches them.

    Returns:
        A scalar; its gradient is zero, not undefined, where both are alike.
    """
    shape = linalg.vector_norm(result.shape - target.shape.detach(), dim=1)
    emotion = linalg.vector_norm(result.emotion - target.emotion.detach(), dim=1)
    return (shape + emotion).mean()


@in_float32
def lip_consistency(lips: Tensor, speech: Tensor) -> Tensor:
    """The first term of L_con (eq. 8): `exp(-S(V_lip(If), E_aud(ag)))`, S the cosine; mean over the batch.

    Args:
        lips: `[B, D]` features of the lips of pictures that were made.
        speech: `[B, D]` features of the true sound; no gradient reaches them.

    Returns:
        A scalar in 1/e (they agree) .. e (they are opposite).
    """
    return (-F.cosine_similarity(lips, speech.detach(), dim=1)).exp().mean()


def window_mean(codes: Tensor, window: int) -> Tensor:
    """In-window decorrelation: codes `[B * window, D]` of the frames of windows to their means `[B, D]`."""
    return codes.unflatten(0, (-1, window)).mean(1)
