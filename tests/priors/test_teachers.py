"""Teachers whose files the user brings: their loaders on weights of the right shapes, and what they refuse."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pdfgc.config_paper import Teachers
from pdfgc.errors import InputError
from pdfgc.priors import vgg19
from pdfgc.priors.emoca import EmocaTeacher
from pdfgc.priors.gaze import IrisGaze, L2CSGaze, expected_angle
from pdfgc.priors.teachers import make_face_teacher, make_gaze_teacher, make_perceptual
from pdfgc.priors.vgg19 import VGG19Loss
from synthetic import talking_meshes


@pytest.fixture(scope="module")
def meshes() -> Tensor:
    import numpy as np

    return torch.from_numpy(talking_meshes(2, np.random.default_rng(0))[0])


def _resnet50(prefix: str) -> dict[str, Tensor]:
    """A ResNet50's state with torchvision's names and shapes, its classifier too."""
    state: dict[str, Tensor] = {f"{prefix}conv1.weight": torch.randn(64, 3, 7, 7) * 0.1}
    norms = [("bn1", 64)]
    inputs = 64
    for layer, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), 1):
        for block in range(blocks):
            place = f"layer{layer}.{block}"
            shapes = {
                "conv1": (width, inputs, 1, 1),
                "conv2": (width, width, 3, 3),
                "conv3": (4 * width, width, 1, 1),
            }
            norms += [(f"{place}.bn1", width), (f"{place}.bn2", width), (f"{place}.bn3", 4 * width)]
            if block == 0:
                shapes["downsample.0"] = (4 * width, inputs, 1, 1)
                norms.append((f"{place}.downsample.1", 4 * width))
            for name, shape in shapes.items():
                state[f"{prefix}{place}.{name}.weight"] = torch.randn(shape) * 0.02
            inputs = 4 * width
    for name, width in norms:
        state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"] = torch.ones(width), torch.zeros(width)
        state[f"{prefix}{name}.running_mean"], state[f"{prefix}{name}.running_var"] = (
            torch.zeros(width),
            torch.ones(width),
        )
        state[f"{prefix}{name}.num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    return state


def test_l2cs_loads_and_looks(tmp_path: Path, meshes: Tensor) -> None:
    torch.manual_seed(0)
    state = _resnet50("")
    for head, number in (("fc_yaw_gaze", 45), ("fc_pitch_gaze", 50)):
        state[f"{head}.weight"] = torch.zeros(90, 2048)
        state[f"{head}.bias"] = torch.full((90,), -30.0).index_fill_(0, torch.tensor([number]), 30.0)
    state["fc_finetune.weight"], state["fc_finetune.bias"] = torch.zeros(3, 2051), torch.zeros(3)
    torch.save(state, tmp_path / "l2cs.pkl")
    teacher = make_gaze_teacher(Teachers(gaze="l2cs", gaze_file=str(tmp_path / "l2cs.pkl")))
    pictures = torch.rand(2, 3, 64, 64).requires_grad_()
    gaze = teacher(pictures, meshes)
    # classes 45 and 50 of four degrees from -180: 0 degrees of yaw, 20 degrees upwards
    assert torch.allclose(gaze, torch.tensor([[0.0, -20.0]]).deg2rad().expand(2, 2), atol=1e-4)
    assert not any(p.requires_grad for p in teacher.parameters())


def test_l2cs_refuses_other_files(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.pkl")
    with pytest.raises(InputError, match="L2CS"):
        L2CSGaze(tmp_path / "other.pkl")
    with pytest.raises(InputError, match=r"paper\.teachers\.gaze_file"):
        make_gaze_teacher(Teachers(gaze="l2cs"))


def test_expected_angle_by_hand() -> None:
    scores = torch.full((1, 90), -torch.inf)
    scores[0, 44], scores[0, 46] = 0.0, 0.0  # -4 and 4 degrees, equally likely
    assert expected_angle(scores).item() == pytest.approx(0, abs=1e-6)


def test_irises_say_where_eyes_look(meshes: Tensor) -> None:
    looking = meshes.clone()
    width = (looking[:, 133] - looking[:, 33])[:, :2].norm(dim=1)
    axis = torch.nn.functional.normalize((looking[:, 133] - looking[:, 33])[:, :2], dim=1)
    before = IrisGaze()(torch.empty(0), looking)
    looking[:, 468, :2] += axis * width[:, None] * 0.2  # one of two eyes, a fifth of its width to the right
    moved = IrisGaze()(torch.empty(0), looking) - before
    assert torch.allclose(moved, torch.tensor([[0.1, 0.0]]).expand(2, 2), atol=1e-5)


def test_emoca_loads_its_two_encoders(tmp_path: Path, meshes: Tensor) -> None:
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, outputs in (("E_flame", 236), ("E_expression", 50)):
        state |= _resnet50(f"deca.{name}.encoder.")
        for layer, shape in ((0, (1024, 2048)), (2, (outputs, 1024))):
            state[f"deca.{name}.layers.{layer}.weight"] = torch.zeros(shape)
            state[f"deca.{name}.layers.{layer}.bias"] = torch.arange(shape[0]).float()
    state["deca.E_detail.layers.0.weight"] = torch.zeros(4, 4)  # other parts of the checkpoint
    torch.save({"state_dict": state}, tmp_path / "emoca.ckpt")
    teacher = make_face_teacher(Teachers(face="emoca", face_file=str(tmp_path / "emoca.ckpt")))
    found = teacher(torch.rand(2, 3, 64, 64), meshes)
    assert found.shape.shape == (2, 156) and found.emotion.shape == (2, 2048)
    code = torch.arange(236.0)
    expected = torch.cat([code[:100], code[200:206], torch.arange(50.0)])  # shape, pose, EMOCA's expression
    assert torch.allclose(found.shape[0], expected)


def test_emoca_refuses_other_files(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(InputError, match="state dict"):
        EmocaTeacher(tmp_path / "text")
    torch.save({"E_flame.layers.0.weight": torch.zeros(2)}, tmp_path / "other")
    with pytest.raises(InputError, match="EMOCA"):
        EmocaTeacher(tmp_path / "other")


def _torchvision_vgg19() -> dict[str, Tensor]:
    state, place, inputs = {}, 0, 3
    for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            state[f"features.{place}.weight"] = torch.randn(width, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
            state[f"features.{place}.bias"] = torch.zeros(width)
            place, inputs = place + 2, width
        place += 1
    return state


def test_vgg19_takes_torchvisions_file_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    state = _torchvision_vgg19()
    assert "features.28.weight" in state and len(state) == 32
    path = tmp_path / "vgg19.pth"
    torch.save(state, path)
    with pytest.raises(InputError, match="dcbb9e9d"):
        VGG19Loss(path)
    monkeypatch.setattr(vgg19, "DIGEST", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    loss = make_perceptual(Teachers(perceptual="vgg19", perceptual_file=str(path)))
    assert isinstance(loss, VGG19Loss)
    x, y = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    first = torch.relu(
        torch.nn.functional.conv2d(
            ((x + 1) / 2 - loss.mean) / loss.spread, state["features.0.weight"], padding=1
        )
    )
    assert torch.allclose(loss.maps(x)[0], first, atol=1e-5)
    assert [m.shape[1] for m in loss.maps(x)] == [64, 128, 256, 512, 512]
    x.requires_grad_()
    loss(x, y).sum().backward()
    assert x.grad is not None and x.grad.abs().max() > 0
    assert loss(y, y).tolist() == [0.0, 0.0]


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none"):
        VGG19Loss(tmp_path / "none.pth")
