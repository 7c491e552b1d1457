"""What all stages share."""

from __future__ import annotations

import torch
from torch import nn

from pdfgc.data.clips import ClipSet
from toy_stage import ComparingStage


def test_teachers_that_a_stage_only_keeps_are_moved_too() -> None:
    stage = ComparingStage(ClipSet([]))
    stage.teacher = nn.Linear(2, 2)  # type: ignore[attr-defined]
    stage.nothing = None  # type: ignore[attr-defined]
    stage.to(torch.device("meta"))
    assert stage.device.type == "meta"
    assert stage.teacher.weight.is_meta  # type: ignore[attr-defined]
    assert all(weight.is_meta for module in stage.modules.values() for weight in module.parameters())
