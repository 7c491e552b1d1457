"""The card beside the weights is about these weights."""

from __future__ import annotations

from importlib import resources

import yaml

import pdfgc
from pdfgc.model import Model


def test_the_card_counts_the_weights_and_names_the_held_out() -> None:
    model = pdfgc.load("small")
    assert isinstance(model, Model)
    card = (resources.files("pdfgc.assets") / "small.md").read_text()
    assert f"{model.parameters:,} weights" in card
    assert "Research use" in card
    held_out = model.about["config"]["data"]["held_out"]
    assert held_out, yaml.safe_dump(model.about)
    assert all(name in card for name in held_out if name != "grid_05"), "grid_05 has no clip"
