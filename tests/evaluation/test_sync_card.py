"""The card of the sync judge is about the weights beside it."""

from __future__ import annotations

import json
from importlib import resources

from safetensors import safe_open

from pdfgc.evaluation.sync_judge import judge_path, load_judge
from pdfgc.files import sha256_of


def test_the_card_is_about_these_weights() -> None:
    card = (resources.files("pdfgc.assets") / "sync_small.md").read_text(encoding="utf-8")
    path = judge_path()
    judge = load_judge()
    weights = sum(parameter.numel() for parameter in judge.parameters())
    assert sha256_of(path) in card
    assert f"{weights:,} weights" in card
    assert path.stat().st_size < 3_000_000
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["pdfgc_sync_judge"])
    assert about["licence"] == "research use" and "Research use" in card
    assert f"{about['clips']} clips of {about['people']} people" in card
    assert f"step {about['step']}" in card
