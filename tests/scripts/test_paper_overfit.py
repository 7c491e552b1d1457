"""The overfit's script: what it packs, its 8-bit weights, its curves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import paper_overfit
from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError
from pdfgc.face.geometry import apply_pose, canonical_face
from pdfgc.face.paper_view import view_mesh
from synthetic import write_clip_set


def test_pack_cuts_clips_of_different_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "vgg.safetensors"
    save_file({"a.weight": np.ones((2, 3, 1, 1), np.float32), "heads.0": np.ones(4, np.float32)}, weights)
    monkeypatch.setattr(paper_overfit, "locate", lambda name: weights)
    whole = write_clip_set(tmp_path / "shards", identities=3, clips=2, frames=30, size=32)
    paper_overfit.pack(tmp_path / "shards", tmp_path / "out", people=2, frames=12)
    packed = ClipSet.open(tmp_path / "out" / "shards")
    assert packed.identities == ("person_0", "person_1")
    for clip in packed:
        source = next(other for other in whole if other.path.name == clip.path.name)
        assert len(clip) == 12 and np.array_equal(clip.mesh(), source.mesh(slice(12)))
        assert np.array_equal(clip.picture(11), source.picture(11))
        assert len(clip.audio()) == clip.info.samples < source.info.samples
    assert (tmp_path / "out" / "site" / "tflite" / "__init__.py").is_file()
    with pytest.raises(InputError, match="31 frames"):
        paper_overfit.pack(tmp_path / "shards", tmp_path / "out", people=2, frames=31)


def test_of_each_person_the_liveliest_clip_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "vgg.safetensors"
    save_file({"heads.0": np.ones(4, np.float32)}, weights)
    monkeypatch.setattr(paper_overfit, "locate", lambda name: weights)
    whole = write_clip_set(tmp_path / "shards", identities=2, clips=3, frames=30, size=32)
    moves = {clip.path.name: number for number, clip in enumerate(whole)}
    monkeypatch.setattr(paper_overfit, "liveliness", lambda clip, frames: moves[clip.path.name])
    paper_overfit.pack(tmp_path / "shards", tmp_path / "out", people=2, frames=12)
    packed = [clip.path.name for clip in ClipSet.open(tmp_path / "out" / "shards")]
    assert packed == [group[-1].path.name for group in whole.by_identity.values()]


def test_liveliness_is_how_far_points_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clip, *_) = write_clip_set(tmp_path, identities=1, clips=1, frames=30, size=32)
    still = np.zeros((30, 478, 3), np.float32)
    still[::2, :, 0] = 0.2  # one of three axes, 0.1 to both sides
    monkeypatch.setattr(type(clip), "mesh", lambda self, rows: still[rows])
    assert paper_overfit.liveliness(clip, 20) == pytest.approx(0.1 / 3**0.5)


def test_movements_are_read_in_degrees() -> None:
    face = np.zeros((478, 3), np.float32)
    face[:468] = canonical_face()["vertices"].numpy()
    pose = torch.tensor([[0.0, 0.2, 0, 0, 0, 0], [-0.1, 0.0, 0, 0, 0, 0]])
    mesh = apply_pose(torch.from_numpy(face).expand(2, -1, -1), pose)
    found = paper_overfit.movements(torch.from_numpy(view_mesh(mesh.numpy())))
    assert found["yaw"] == pytest.approx(np.degrees([0.2, 0]), abs=0.1)
    assert found["pitch"] == pytest.approx(np.degrees([0, -0.1]), abs=0.1)
    assert found["mouth"][0] == pytest.approx(found["mouth"][1], abs=1e-3)


def test_eight_bits_keep_weights_within_half_a_step() -> None:
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    heads = np.ones(5, np.float32)
    back = paper_overfit._from_8_bits(paper_overfit._to_8_bits({"c.weight": weight, "heads.0": heads}))
    steps = np.abs(weight).max((1, 2, 3)) / 127
    assert (np.abs(back["c.weight"] - weight).max((1, 2, 3)) <= steps / 2 + 1e-6).all()
    assert np.array_equal(back["heads.0"], heads)


def test_curves_show_every_loss_over_its_first_value() -> None:
    lines = [{"step": n + 1, "l1": 1.0 / (n + 1), "seconds": 0.5} for n in range(10)]
    for line in lines[5:]:
        line["motion"] = 2.0
    picture = paper_overfit.curves(lines)
    assert picture.startswith("<svg") and picture.count("<polyline") == 2
    assert "l1: 1 to 0.1" in picture and "motion: 2 to 2" in picture and "seconds" not in picture
    late = re.findall(r'points="([^"]+)"', picture)[1]
    assert len(late.split()) == 5 and float(late.split(",")[0]) > 300, (
        "a loss that begins later is drawn later"
    )
