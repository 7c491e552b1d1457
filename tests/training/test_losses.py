"""Losses against hand-computed numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pdfgc.training.losses import (
    feature_matching,
    hinge_real_or_fake,
    hinge_taken_for_real,
    info_nce,
    squared_correlation,
    weighted_l1,
)
from pdfgc.training.memory_bank import MemoryBank


def test_info_nce_of_identical_features_is_the_log_of_the_candidates() -> None:
    same = torch.ones(4, 8)
    assert info_nce(same, torch.ones(7, 8), temperature=0.1).item() == pytest.approx(math.log(7), rel=1e-5)


def test_info_nce_by_hand() -> None:
    anchors = torch.tensor([[1.0, 0.0]])
    candidates = torch.tensor([[2.0, 0.0], [0.0, 3.0]])  # similarities 1 and 0
    expected = -math.log(math.exp(2) / (math.exp(2) + 1))
    assert info_nce(anchors, candidates, temperature=0.5).item() == pytest.approx(expected, rel=1e-5)


def test_squared_correlation_agrees_with_numpy() -> None:
    rows, others = torch.randn(50, 3), torch.randn(50, 2)
    expected = np.corrcoef(rows.T.numpy(), others.T.numpy())[:3, 3:] ** 2
    assert squared_correlation(rows, others).item() == pytest.approx(expected.mean(), rel=1e-3)
    assert squared_correlation(rows, rows[:, :1] * -2 + 1)[None].shape == (1,)
    assert squared_correlation(rows[:, :1], 5 - 3 * rows[:, :1]).item() == pytest.approx(1, abs=1e-4)


def test_weighted_l1_by_hand() -> None:
    result = weighted_l1(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]), torch.tensor([1.0, 3.0]))
    assert result.item() == pytest.approx((1 + 6) / 2)


def test_bank_gives_the_latest_rows_and_no_gradient_to_old_ones() -> None:
    bank = MemoryBank(4, code=1)
    first = torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    assert bank.extend(code=first)["code"].tolist() == [[1.0], [2.0], [3.0]]
    second = torch.tensor([[4.0], [5.0]], requires_grad=True)
    rows = bank.extend(code=second)["code"]
    assert rows.tolist() == [[4.0], [5.0], [1.0], [2.0]]
    rows.sum().backward()
    assert second.grad is not None and first.grad is None
    assert bank.extend(code=torch.tensor([[6.0]]))["code"].tolist() == [[6.0], [4.0], [5.0], [1.0]]


def test_bank_survives_a_checkpoint() -> None:
    bank, copy = MemoryBank(4, code=2), MemoryBank(4, code=2)
    bank.extend(code=torch.randn(3, 2))
    copy.load_state_dict(bank.state_dict())
    new = torch.randn(1, 2)
    assert torch.equal(bank.extend(code=new)["code"], copy.extend(code=new)["code"])


def test_hinge_losses_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert hinge_real_or_fake(real, fake).item() == pytest.approx((0 + 1) / 2 + (0 + 2) / 2)
    assert hinge_taken_for_real(fake).item() == pytest.approx(1.0)


def test_feature_matching_by_hand_and_without_gradient_to_the_real_maps() -> None:
    real, fake = torch.zeros(2, 2, requires_grad=True), torch.full((2, 2), 3.0, requires_grad=True)
    loss = feature_matching([real, real[:1]], [fake, fake[:1] - 2])
    assert loss.item() == pytest.approx((3 + 1) / 2)
    loss.backward()
    assert real.grad is None and fake.grad is not None


def test_losses_of_features_take_their_tensors_by_name_too() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 8, 16).bfloat16()
    expected = info_nce(x.float(), y.float(), temperature=0.1)
    assert torch.equal(info_nce(anchors=x, candidates=y, temperature=0.1), expected)
    assert torch.equal(info_nce(x, candidates=y, temperature=0.1), expected)
