from typing import Any

import torch

from evaluation.fakes import FakeModel
from pdfgc.model_digest import weights_digest


def test_a_model_that_paints_otherwise_is_another_one() -> None:
    model: Any = FakeModel()
    before = weights_digest(model)
    assert weights_digest(model) == before
    with torch.no_grad():
        model.generator.weight += 1e-3
    assert weights_digest(model) != before
