"""`pdfgc export`: the files that it writes paint what torch paints, whatever the number of frames."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pdfgc.errors import InputError
from pdfgc.export.folder import export
from pdfgc.export.graph import Session
from pdfgc.face.geometry import apply_pose, canonical_face
from pdfgc.model import Model, load
from pdfgc.motion import FACTORS
from pdfgc.networks.sketch import draw_sketches
from pdfgc.networks.triangles import corners_of, draw_triangles
from random_model import write_random_model

FRAMES = 3


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights."""
    return write_random_model(tmp_path_factory.mktemp("model") / "random.safetensors")


@pytest.fixture(scope="module")
def model(file: Path) -> Model:
    loaded = load(file, device="cpu")
    assert isinstance(loaded, Model)
    return loaded


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes."""
    target = tmp_path_factory.mktemp("export") / "onnx"
    command = [sys.executable, "-m", "pdfgc.cli", "export", str(file), "-o", str(target)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 6
    return target


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch without its 16-bit types, whatever the processor."""
    monkeypatch.setattr("pdfgc.devices.half_precision", lambda kind: None)


def _face() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture `[64, 64, 3]`, a crop mesh `[478, 3]` and scores `[52]`."""
    random = np.random.default_rng(0)
    coarse = torch.from_numpy(random.uniform(0, 255, (1, 3, 8, 8)))
    picture = torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 255)[0]
    vertices = canonical_face()["vertices"]
    irises = vertices[[33] * 5 + [263] * 5]
    mesh = apply_pose(torch.cat([vertices, irises]), torch.tensor([0.1, -0.2, 0.05, 0.0, 0.1, 0.0]))
    scores = random.uniform(0, 1, 52).astype(np.float32)
    return picture.permute(1, 2, 0).byte().numpy(), mesh.numpy(), scores


def _driving(frames: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        name: (0.2 * random.standard_normal((frames, size))).astype(np.float32)
        for name, size in FACTORS.items()
    }


def test_it_says_what_it_holds(folder: Path, model: Model) -> None:
    content = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    names = {"motion", "hearing", "speech", "portrait", "mesh_decoder", "generator"}
    assert {path.stem for path in folder.glob("*.onnx")} == names == {g["name"] for g in content["graphs"]}
    assert (content["preset"], content["size"], content["fingerprint"]) == ("tiny", 64, model.fingerprint)
    for graph in content["graphs"]:
        assert max(graph["differences"].values()) < (1.5 if graph["name"] == "generator" else 1e-3)
    generator = next(g for g in content["graphs"] if g["name"] == "generator")
    frames = {"name": "frames", "shape": ["frames", 64, 64, 3], "type": "uint8", "what": "RGB, 0..255"}
    assert generator["outputs"] == [frames]
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"## {name}.onnx" in page for name in names)
    assert Session(folder / "motion.onnx").about["pdfgc.preset"] == "tiny"


@pytest.mark.usefixtures("float32")
def test_a_runtime_without_torch_paints_the_same_frames(folder: Path, model: Model) -> None:
    """The whole way of README.md, from a tracked face to frames."""
    picture, mesh, scores = _face()
    driving = _driving(FRAMES)
    portrait = model.portrait(picture, mesh, scores)
    expected = model.render(portrait, driving)

    def run(name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return Session(folder / f"{name}.onnx")(inputs)

    own = run("motion", mesh=mesh[None], blendshapes=scores[None])
    for name, code in portrait.codes.items():
        np.testing.assert_allclose(own[name][0], code, atol=1e-4)
    features = run("portrait", picture=picture[None])
    owned = {f"own_{name}": code for name, code in own.items()}
    driven = run("mesh_decoder", portrait_mesh=mesh[None], **owned, **driving)
    meshes = driven["mesh"]
    np.testing.assert_allclose(driven["corners"], corners_of(torch.from_numpy(meshes)).numpy(), atol=1e-4)
    np.testing.assert_allclose(meshes, model.driving_mesh(portrait, driving).numpy(), atol=1e-4)
    frames = run(
        "generator",
        picture=picture[None],
        **features,
        portrait_mesh=mesh[None],
        portrait_sketch=draw_sketches(mesh[None], 64),
        mesh=meshes,
        sketch=draw_sketches(meshes, 64),
        triangles=draw_triangles(meshes, 64),
    )["frames"]
    assert frames.shape == expected.shape == (FRAMES, 64, 64, 3)
    assert frames.dtype == np.uint8 and expected.std() > 10
    error = np.square(frames.astype(float) - expected).mean()
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > 60, "decibels"


def test_speech_of_any_length(folder: Path, model: Model) -> None:
    wave = (0.1 * np.random.default_rng(2).standard_normal((1, 16000 + 320))).astype(np.float32)
    at = np.linspace(0, 1, 7, dtype=np.float32)[None]
    features = Session(folder / "hearing.onnx")({"wave": wave})["features"]
    lips = Session(folder / "speech.onnx")({"features": features, "at": at})["lips"]
    with torch.inference_mode():
        heard = model.hearing(torch.from_numpy(wave))
        expected = model.speech(heard, torch.from_numpy(at))
    np.testing.assert_allclose(features, heard.numpy(), atol=1e-3)
    np.testing.assert_allclose(lips, expected.numpy(), atol=1e-3)


@pytest.mark.usefixtures("float32")
def test_the_engine_onnx_writes_its_file_once_and_paints_the_same(
    folder: Path, file: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def write(graph: Any, path: Path, about: dict[str, str]) -> None:
        assert about["pdfgc.fingerprint"] == model.fingerprint
        written.append(path)
        shutil.copy(folder / f"{graph.name}.onnx", path)

    monkeypatch.setenv("PDFGC_CACHE", str(tmp_path))
    monkeypatch.setattr("pdfgc.engines.write_graph", write)
    first, second = load(file, engine="onnx"), load(file, engine="onnx")
    assert len(written) == 1
    assert written[0].is_relative_to(tmp_path)
    expected = model.render(model.portrait(*_face()), _driving(FRAMES)).astype(int)
    for painter in (first, second):
        assert painter.device.type == "cpu"
        frames = painter.render(painter.portrait(*_face()), _driving(FRAMES))  # type: ignore[arg-type]
        assert np.abs(frames.astype(int) - expected).max() <= 1


def test_other_engines_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match="the engine torch or onnx, but got 'tpu'"):
        load(file, engine="tpu")  # type: ignore[call-overload]


def test_after_an_error_the_folder_is_as_it_was(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("pdfgc.export.folder.write_graph", fail)
    kept = tmp_path / "onnx"
    kept.mkdir()
    (kept / "motion.onnx").write_bytes(b"earlier")
    for target in (kept, tmp_path / "new"):
        with pytest.raises(OSError, match="disk full"):
            export(model, target)
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]
    assert (kept / "motion.onnx").read_bytes() == b"earlier"


def test_a_file_is_no_folder(model: Model, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="must be a folder"):
        export(model, tmp_path / "taken")
    with pytest.raises(InputError, match="cannot be written to"):
        export(model, tmp_path / "nowhere" / "onnx")
