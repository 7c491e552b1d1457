"""Preset `paper` by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paper_files import write_paper_model
from pdfgc.export.folder import graphs_of
from pdfgc.export.graph import describe
from pdfgc.export.paper import constants
from pdfgc.model import load
from pdfgc.motion import FACTORS
from pdfgc.paper_model import PaperModel


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights."""
    return write_paper_model(tmp_path_factory.mktemp("model") / "paper.safetensors")


def _load(file: Path) -> PaperModel:
    loaded = load(file, device="cpu")
    assert isinstance(loaded, PaperModel)
    return loaded


def test_every_network_has_a_graph(file: Path) -> None:
    model = _load(file)
    described = {graph.name: describe(graph) for graph in graphs_of(model)}
    assert list(described) == ["appearance", "motion", "hearing", "speech", "generator"]
    outputs = {port["name"]: port["shape"] for port in described["motion"]["outputs"]}
    assert outputs == {name: ["pictures", size] for name, size in FACTORS.items()}
    assert described["generator"]["outputs"][0]["shape"] == ["frames", model.size, model.size, 3]
    assert constants(model)["use"]["lips_gain"] == model.use.lips_gain


def test_the_graph_of_motion_holds_the_gains(file: Path) -> None:
    model = _load(file)
    graph = next(graph for graph in graphs_of(model) if graph.name == "motion")
    (picture,) = graph.examples()
    expected = model.encode_pictures(picture.numpy())
    for name, codes in zip(FACTORS, graph.run(picture), strict=True):
        np.testing.assert_allclose(
            codes.numpy(), expected[name], rtol=0.05, atol=0.05
        )  # torch may use bfloat16


def test_the_engine_onnx_paints_the_same(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDFGC_CACHE", str(tmp_path))
    for module in ("devices", "paper_model"):
        monkeypatch.setattr(f"pdfgc.{module}.half_precision", lambda kind: None, raising=False)
    by_torch, by_onnx = _load(file), load(file, engine="onnx")
    assert len(list((tmp_path / "onnx").iterdir())) == 1
    random = np.random.default_rng(0)
    side = by_torch.size
    picture = random.integers(0, 255, (side, side, 3), np.uint8)
    codes = {name: random.standard_normal((3, size)).astype(np.float32) for name, size in FACTORS.items()}
    expected = by_torch.render(by_torch.portrait(picture), codes).astype(int)
    mesh, scores = np.zeros((478, 3), np.float32), np.zeros(52, np.float32)
    frames = by_onnx.render(by_onnx.portrait(picture, mesh, scores), codes)  # type: ignore[arg-type]
    assert expected.std() > 1
    assert np.abs(frames.astype(int) - expected).max() <= 1
