"""The generator laid out for a CPU paints what the plain one paints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face
from pdfgc.model_parts import to_pixels
from pdfgc.networks import quick_warp
from pdfgc.networks.mesh_warp import MeshWarpGenerator
from pdfgc.networks.quick_warp import QuickGenerator
from pdfgc.networks.sketch import draw_sketches
from pdfgc.networks.triangles import draw_triangles
from pdfgc.networks.winograd import WinogradConv
from pdfgc.networks.winograd_steps import Finish


def random_generator(channels: int, context: int) -> MeshWarpGenerator:
    torch.manual_seed(0)
    generator = MeshWarpGenerator(channels=channels, flow_channels=8, context=context).eval()
    for parameter in generator.parameters():
        parameter.data.add_(0.03 * torch.randn_like(parameter))
    return generator


def talking_heads() -> torch.Tensor:
    """A portrait's mesh, then those of frames in which the head turns, partly out of the picture, and the jaw drops."""
    vertices = canonical_face()["vertices"]
    faces = torch.cat([vertices, vertices[:10]])[:MESH_POINTS].repeat(4, 1, 1)
    faces[2:, :, 1] -= torch.linspace(0, 1.5, 2)[:, None] * (faces[2:, :, 1] < -3)
    poses = torch.tensor(
        [
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.2, 0.5, 0.1, 0.1, 0.0, 0.1],
            [0.0, -0.3, 0.0, 0.6, -0.4, 0.3],
            [0.0] * 6,
        ]
    )
    return apply_pose(faces, poses)


@pytest.mark.parametrize(("size", "channels", "context"), [(64, 8, 0), (128, 24, 1), (256, 24, 1)])
def test_it_paints_the_same_frames(
    size: int, channels: int, context: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    winograd: list[tuple[int, ...]] = []

    def watched(self: WinogradConv, x: torch.Tensor, *, finish: Finish) -> torch.Tensor:
        winograd.append(tuple(x.shape))
        return plain(self, x, finish=finish)

    plain = WinogradConv.__call__
    monkeypatch.setattr(WinogradConv, "__call__", watched)
    generator = random_generator(channels, context)
    meshes = talking_heads()
    own, driving = meshes[:1], meshes[1:]
    sketches, triangles = draw_sketches(meshes.numpy(), size), draw_triangles(driving.numpy(), size)
    with torch.inference_mode():
        portrait = generator.encode(torch.rand(1, 3, size, size) * 2 - 1)
        flows = generator.flows(own.expand_as(driving), driving)
        source, drawn = torch.from_numpy(sketches).float().div(255).split([1, 3])
        frames, painted, _ = generator(
            portrait.expand(3), flows, source.expand(3, -1, -1, -1), drawn, torch.from_numpy(triangles)
        )
        quick = QuickGenerator(generator)(portrait, flows, source, sketches[1:], triangles)
    assert painted.mean() > 0.1  # the painter has its say
    assert (triangles > 0).any()
    assert bool(winograd) == (channels == 24)
    difference = np.abs(quick.astype(int) - to_pixels(frames))
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_a_doubled_map_is_convolved_before_it_is_doubled() -> None:
    x, weight = torch.randn(2, 5, 6, 7), torch.randn(4, 5, 3, 3)
    doubled = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
    expected = torch.nn.functional.conv2d(doubled, weight, padding=1)
    found = torch.nn.functional.conv_transpose2d(x, quick_warp._doubling(weight), stride=2, padding=1)
    assert torch.allclose(found, expected, atol=1e-4)
