"""What of a frame is painted in training, and how its losses add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pdfgc.config import load_config
from pdfgc.face.geometry import POSE_SCALE
from pdfgc.networks.mesh_warp import MeshWarpGenerator, Window
from pdfgc.networks.patch_discriminator import PatchDiscriminator
from pdfgc.networks.sketch import draw_sketches
from pdfgc.networks.triangles import draw_triangles
from pdfgc.priors.face_features import MeshFeatures
from pdfgc.training.painting import Painting, motion_difference
from pdfgc.training.stage import Batch, Draw
from synthetic import talking_meshes

SIZE = 64


@pytest.fixture
def painting() -> Painting:
    torch.manual_seed(0)
    settings = load_config("tiny").stages.stage3
    generator = MeshWarpGenerator(channels=8, flow_channels=8, context=1)
    return Painting(generator, PatchDiscriminator(4), None, None, settings, SIZE)


def _batch(painting: Painting, still: bool = False) -> Batch:
    random = np.random.default_rng(0)
    meshes = talking_meshes(8, random)[0].reshape(4, 2, 478, 3)
    if still:
        meshes[:, 1] = meshes[:, 0]
    sketches = np.stack([draw_sketches(pair, SIZE) for pair in meshes])
    pictures = np.repeat(random.integers(20, 235, (4, 1, 3, SIZE, SIZE), np.uint8), 2, 1)
    points = torch.from_numpy(meshes)
    return {
        "pictures": torch.from_numpy(pictures),
        "meshes": points,
        "sketches": torch.from_numpy(sketches),
        "triangles": torch.from_numpy(np.stack([draw_triangles(pair[1:], SIZE) for pair in meshes])),
        "window": painting.draw_window(random, meshes[:, 1].mean(0)),
        **painting.choose_watched(Draw(seed=0, step=0, first=0, count=4, whole=4)),
    }


def test_windows_lie_in_the_frame_on_the_grid_and_often_on_eyes_and_mouth(painting: Painting) -> None:
    face = talking_meshes(4, np.random.default_rng(1))[0].mean(0)
    random = np.random.default_rng(2)
    windows = torch.stack([painting.draw_window(random, face) for _ in range(300)])
    left, top, side = windows.T
    assert set(side.tolist()) == {painting.settings.close_up, painting.settings.painted}
    assert ((left % 8 == 0) & (top % 8 == 0) & (left >= 0) & (top >= 0)).all()
    assert ((left + side <= SIZE) & (top + side <= SIZE)).all()
    assert 0.4 < (side == painting.settings.close_up).float().mean() < 0.7


def test_an_untrained_generator_has_nothing_to_repaint_where_nothing_moves(painting: Painting) -> None:
    losses = painting.generator_losses(_batch(painting, still=True), 0)
    assert losses["l1"].item() < 1e-2 and losses["flow"].item() < 1e-4
    moved = painting.generator_losses(_batch(painting), 0)
    assert moved["flow"].item() > 0.05


def test_the_discriminator_is_listened_to_from_its_step_on(painting: Painting) -> None:
    batch = _batch(painting)
    painting.settings = replace(painting.settings, adversarial_from=5)
    assert "adversarial" not in painting.generator_losses(batch, 4)
    assert {"adversarial", "feature_matching"} <= set(painting.generator_losses(batch, 5))


def test_the_discriminators_loss_reaches_only_the_discriminator(painting: Painting) -> None:
    painting.discriminator_losses(_batch(painting))["judge"].backward()
    assert all(p.grad is None for p in painting.generator.parameters())
    assert all(p.grad is not None for p in painting.discriminator.parameters())


class _Scales:
    """A teacher that sees a face as wide as the picture is bright on average, with one score, the same."""

    licence = ""

    def __call__(self, pictures: torch.Tensor, meshes: torch.Tensor) -> MeshFeatures:
        brightness = pictures.mean((1, 2, 3))[:, None]
        mesh = POSE_SCALE * brightness[..., None].expand(-1, 478, 3)
        return MeshFeatures(mesh.flatten(1), brightness, mesh)


def test_a_teacher_of_meshes_cannot_do_without_one() -> None:
    with pytest.raises(TypeError, match="mesh"):
        MeshFeatures(shape=torch.zeros(1, 1), emotion=torch.zeros(1, 1))  # type: ignore[call-arg]


def test_the_motion_difference_is_of_points_in_centimetres_and_of_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pdfgc.training.painting.point_weights", lambda: torch.ones(478, 1))
    target = torch.zeros(2, 3, 8, 8)
    painted = torch.full((2, 3, 4, 4), 0.4, requires_grad=True)  # a quarter of the picture: 0.1 brighter
    difference = motion_difference(_Scales(), painted, target, torch.zeros(2, 478, 3), Window(4, 0, 4))
    assert difference.item() == pytest.approx(0.1 + 0.1)
    difference.backward()
    assert painted.grad is not None and (painted.grad != 0).all()
    same = motion_difference(_Scales(), target[..., :4, 4:], target, torch.zeros(2, 478, 3), Window(4, 0, 4))
    assert same.item() == 0


def test_the_teacher_looks_at_so_many_frames_as_are_asked_for(painting: Painting) -> None:
    looked: list[int] = []

    class Counting(_Scales):
        def __call__(self, pictures: torch.Tensor, meshes: torch.Tensor) -> MeshFeatures:
            looked.append(len(pictures))
            return super().__call__(pictures, meshes)

    painting.settings = replace(painting.settings, watched=3)
    batch = _batch(painting)
    assert "motion" not in painting.generator_losses(batch, 0)
    painting.teacher = Counting()
    assert painting.generator_losses(batch, 0)["motion"] > 0
    assert looked == [3, 3], "painted ones and true ones"
    batch |= painting.choose_watched(Draw(seed=0, step=0, first=4, count=4, whole=400))
    unwatched = painting.generator_losses(batch, 0)["motion"]
    assert unwatched == 0 and unwatched.requires_grad and len(looked) == 2


@pytest.mark.parametrize(("watched", "drivers"), [(1, 1), (4, 2), (5, 3), (100, 2)])
def test_the_parts_of_a_batch_watch_the_frames_of_the_whole(
    painting: Painting, watched: int, drivers: int
) -> None:
    painting.settings = replace(painting.settings, watched=watched, drivers=drivers)
    whole = painting.choose_watched(Draw(seed=0, step=0, first=0, count=12, whole=12))
    assert len(whole["watched.frames"]) == min(watched, 12 * drivers) and whole["watched.weight"] == 1
    frames, weights = [], []
    for first in range(0, 12, 3):
        part = painting.choose_watched(Draw(seed=0, step=0, first=first, count=3, whole=12))
        frames += [first * drivers + int(frame) for frame in part["watched.frames"]]
        weights.append(float(part["watched.weight"]))
    assert frames == whole["watched.frames"].tolist()
    assert np.mean(weights) == pytest.approx(1)
