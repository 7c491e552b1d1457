"""The generator: an untrained one is the portrait, a window is a part of the whole."""

from __future__ import annotations

import pytest
import torch

from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face
from pdfgc.face.mesh import LIPS_INNER
from pdfgc.networks.mesh_warp import MeshWarpGenerator, Window, warp
from pdfgc.networks.sketch import LIPS, MOUTH, SKETCH_CHANNELS, draw_sketches
from pdfgc.networks.triangles import draw_triangles

SIZE = 64


@pytest.fixture(scope="module")
def generator() -> MeshWarpGenerator:
    torch.manual_seed(0)
    return MeshWarpGenerator(channels=8, flow_channels=8).eval()


def _meshes(count: int) -> torch.Tensor:
    vertices = canonical_face()["vertices"]
    padded = torch.cat([vertices, vertices[:10]])[:MESH_POINTS]
    pose = torch.zeros(count, 6)
    pose[:, 1] = torch.linspace(0, 0.3, count)
    return apply_pose(padded.expand(count, -1, -1), pose)


def _sketch(mesh: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(draw_sketches(mesh.numpy(), SIZE)).float() / 255


def _triangles(mesh: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(draw_triangles(mesh.numpy(), SIZE))


@torch.no_grad()
def test_untrained_and_undriven_it_gives_the_portrait(generator: MeshWarpGenerator) -> None:
    portrait = torch.rand(1, 3, SIZE, SIZE) * 1.8 - 0.9
    mesh = _meshes(1)
    frame, _, offsets = generator(
        generator.encode(portrait),
        generator.flows(mesh, mesh),
        _sketch(mesh),
        _sketch(mesh),
        _triangles(mesh),
    )
    assert offsets.abs().max() < 1e-5
    assert torch.allclose(frame, portrait, atol=1e-3)


@torch.no_grad()
def test_a_window_is_the_same_part_of_the_whole_frame(generator: MeshWarpGenerator) -> None:
    torch.manual_seed(1)
    random = MeshWarpGenerator(channels=8, flow_channels=8).eval()
    for parameter in random.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    meshes = _meshes(2)
    features = random.encode(torch.rand(1, 3, SIZE, SIZE)).expand(2)
    source, driving = _sketch(meshes[:1]).expand(2, -1, -1, -1), _sketch(meshes)
    flows, triangles = random.flows(meshes[:1].expand(2, -1, -1), meshes), _triangles(meshes)
    whole, _, _ = random(features, flows, source, driving, triangles)
    part, _, _ = random(features, flows, source, driving, triangles, Window(16, 24, 32))
    inner = 12  # away from the window's border, where convolutions see padding
    assert torch.allclose(
        part[..., inner:-inner, inner:-inner],
        whole[..., 24 + inner : 56 - inner, 16 + inner : 48 - inner],
        atol=0.05,
    )


@torch.no_grad()
def test_untrained_it_shuts_a_mouth_over_what_was_in_it(generator: MeshWarpGenerator) -> None:
    """White teeth between grey lips are gone, although a smooth flow would leave them where the lips meet."""
    size = 256  # a mouth of some pixels
    shut = _meshes(1)
    shut[:, LIPS_INNER[11:]] = shut[:, LIPS_INNER[9:0:-1]]  # the lips meet
    below = shut[0, :, 1] > shut[0, LIPS_INNER[0], 1]
    below[list(LIPS_INNER[:11])] = False
    below[list(LIPS_INNER[11:])] = True
    opened = shut + 0.1 * torch.tensor([0.0, 1.0, 0.0]) * below[:, None]  # the jaw has dropped
    sketches = [torch.from_numpy(draw_sketches(mesh.numpy(), size)).float() / 255 for mesh in (opened, shut)]
    teeth = sketches[0][:, MOUTH : MOUTH + 1]
    portrait = 2 * _eroded(teeth) - 1
    frame, _, _ = generator(
        generator.encode(portrait.expand(-1, 3, -1, -1)),
        generator.flows(opened, shut),
        *sketches,
        torch.from_numpy(draw_triangles(shut.numpy(), size)),
    )
    lips = sketches[1][:, LIPS] > 0.9
    assert (portrait > 0).sum() > 100, "there were teeth"
    assert (frame[:, 0][lips] > 0).float().mean() < 0.01


def _eroded(mask: torch.Tensor) -> torch.Tensor:
    """A mask `[1, 1, S, S]` without a pixel of its rim: lips are seldom traced to the pixel."""
    return -torch.nn.functional.max_pool2d(-mask, 3, 1, 1)


def test_gradients_reach_every_weight(generator: MeshWarpGenerator) -> None:
    meshes = _meshes(2)
    features = generator.encode(torch.rand(2, 3, SIZE, SIZE))
    own, driving = meshes[:1].expand(2, -1, -1), meshes
    for parameter in generator.parameters():
        parameter.data.add_(0.01 * torch.randn_like(parameter))
    frame, painted, _ = generator(
        features, generator.flows(own, driving), _sketch(own), _sketch(driving), _triangles(driving)
    )
    (frame.square().mean() + painted.mean()).backward()
    unreached = [name for name, parameter in generator.named_parameters() if parameter.grad is None]
    assert unreached == []


def test_warp_reads_where_the_offset_points() -> None:
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 8, 8).contiguous()
    offsets = torch.zeros(1, 2, 8, 8)
    offsets[:, 0] = 2 / 8  # one pixel to the right
    assert torch.allclose(warp(ramp, offsets)[0, 0, 0, :-1], torch.arange(1.0, 8.0), atol=1e-5)


def test_sketch_has_what_belongs_where() -> None:
    sketch = draw_sketches(_meshes(1).numpy(), 128)[0]
    assert sketch.shape == (SKETCH_CHANNELS, 128, 128)
    oval, _, eyes, irises, lips, _ = sketch > 127
    assert oval.sum() > 2000 and eyes.any() and lips.any()
    assert not (irises & ~eyes).any(), "an iris shows only between the lids"
    rows = [part.nonzero()[0].mean() for part in (eyes, lips)]
    assert rows[0] < rows[1], "eyes stand over lips"
