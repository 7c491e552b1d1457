"""Losses of preset `paper` against hand-computed numbers, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from pdfgc.priors.face_features import FaceFeatures
from pdfgc.training.losses import (
    feature_matching,
    hinge_real_or_fake,
    hinge_taken_for_real,
    info_nce,
    squared_correlation,
)
from pdfgc.training.memory_bank import MemoryBank
from pdfgc.training.paper.losses import lip_consistency, motion_reconstruction, window_mean


def _features(shape: list[list[float]], emotion: list[list[float]]) -> FaceFeatures:
    return FaceFeatures(shape=torch.tensor(shape), emotion=torch.tensor(emotion))


def test_motion_reconstruction_by_hand() -> None:
    result = _features([[3.0, 4.0], [0.0, 0.0]], [[1.0], [0.0]])
    target = _features([[0.0, 0.0], [0.0, 2.0]], [[0.0], [0.0]])
    # items: 5 + 1 and 2 + 0
    assert motion_reconstruction(result, target).item() == pytest.approx(4.0)


def test_motion_reconstruction_of_the_same_face_has_no_gradient() -> None:
    shape = torch.ones(2, 3, requires_grad=True)
    emotion = torch.ones(2, 2, requires_grad=True)
    target = FaceFeatures(shape=torch.ones(2, 3, requires_grad=True), emotion=torch.ones(2, 2))
    motion_reconstruction(FaceFeatures(shape=shape, emotion=emotion), target).backward()
    assert shape.grad is not None and not shape.grad.any()
    assert target.shape.grad is None


@pytest.mark.parametrize(
    "loss", [partial(info_nce, temperature=0.07), squared_correlation, lip_consistency], ids=str
)
def test_losses_of_features_keep_their_digits_under_autocast(loss: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(8, 16), torch.randn(8, 16)
    with torch.autocast("cpu", torch.bfloat16):
        under, halves = loss(x, y), loss(x.bfloat16(), y.bfloat16())
    assert torch.equal(under, loss(x, y))
    assert halves.dtype == torch.float32
    assert torch.equal(halves, loss(x.bfloat16().float(), y.bfloat16().float()))


def test_info_nce_of_the_same_features_in_half_precision_is_the_logarithm() -> None:
    same = torch.ones(3, 16, dtype=torch.bfloat16)
    assert info_nce(same, same, temperature=0.07).item() == pytest.approx(math.log(3), rel=1e-6)


def test_lip_consistency_by_hand() -> None:
    lips = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    speech = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0]])  # cosines 1, 0, -1
    expected = (math.exp(-1) + 1 + math.e) / 3
    assert lip_consistency(lips, speech).item() == pytest.approx(expected, rel=1e-5)


def test_window_mean_keeps_items_apart() -> None:
    codes = torch.tensor([[1.0], [2.0], [3.0], [10.0], [20.0], [30.0]])
    assert window_mean(codes, 3).tolist() == [[2.0], [20.0]]


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert hinge_real_or_fake(real, fake).item() == pytest.approx((0 + 0.5) / 2 + (0 + 1) / 2)
    assert hinge_taken_for_real(fake).item() == pytest.approx(1.5)


def test_feature_matching_teaches_the_made_picture_alone() -> None:
    real = [torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 4, requires_grad=True)]
    fake = [torch.full((1, 2), 2.0, requires_grad=True), torch.full((1, 4), -1.0, requires_grad=True)]
    loss = feature_matching(real, fake)
    assert loss.item() == pytest.approx(1.5)
    loss.backward()
    assert real[0].grad is None and fake[0].grad is not None


@pytest.mark.parametrize("name", ["motion", "lips", "window", "info_nce", "correlation", "matching"])
def test_gradients_are_those_of_the_numbers(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 4, dtype=torch.double, requires_grad=True)
    y = torch.randn(6, 4, dtype=torch.double)
    functions = {
        "motion": lambda x: motion_reconstruction(
            FaceFeatures(x[:, :2], x[:, 2:]), FaceFeatures(y[:, :2], y[:, 2:])
        ),
        "lips": lambda x: lip_consistency(x, y),
        "window": lambda x: window_mean(x, 3),
        "info_nce": lambda x: info_nce(x, torch.cat([y, x]), temperature=0.5),
        "correlation": lambda x: squared_correlation(x, y),
        "matching": lambda x: feature_matching([y], [x]),
    }
    assert gradcheck(functions[name], (x,))


def test_old_rows_of_the_bank_shape_the_correlation_and_get_no_gradient() -> None:
    torch.manual_seed(0)
    bank = MemoryBank(64, expression=2, speech=3)
    speech = torch.randn(60, 3)
    old = (speech[:, :2] * 3).requires_grad_()  # wholly explained by speech
    bank.extend(expression=old, speech=speech)
    new = torch.randn(4, 2, requires_grad=True)
    rows = bank.extend(expression=new, speech=torch.randn(4, 3))
    loss = squared_correlation(rows["expression"], rows["speech"])
    loss.backward()
    assert loss.item() > 0.2, "the four new rows alone say nothing of it"
    assert old.grad is None and new.grad is not None and new.grad.abs().sum() > 0
