"""MediaPipe's networks as torch modules: against LiteRT's numbers, MediaPipe's own tracker, and their gradients."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pdfgc.errors import InputError
from pdfgc.face.crop import crop, head_box
from pdfgc.face.tracker import Face, FaceTracker
from pdfgc.priors.face_features import MediaPipeTeacher, face_regions
from pdfgc.priors.tflite_graph import TFLiteGraph
from pdfgc.weights import locate
from synthetic import ASTRONAUT


@pytest.fixture(scope="module")
def teacher() -> MediaPipeTeacher:
    return MediaPipeTeacher()


@pytest.fixture(scope="module")
def astronaut() -> tuple[torch.Tensor, Face]:
    """The astronaut's head crop `[1, 3, 256, 256]` in -1..1, and what the tracker finds in it."""
    with FaceTracker() as tracker, Image.open(ASTRONAUT) as file:
        image = np.asarray(file.convert("RGB"))
        head = crop(image, head_box(tracker.detect(image)), 256)
        face = tracker.detect(head)[0]
    return torch.from_numpy(head).permute(2, 0, 1)[None].float() / 127.5 - 1, face


def test_landmark_network_agrees_with_litert() -> None:
    with zipfile.ZipFile(locate("face_landmarker")) as task:
        network = TFLiteGraph(task.read("face_landmarks_detector.tflite"))
    row = torch.arange(256) / 256
    y, x = torch.meshgrid(row, row, indexing="ij")
    picture = torch.stack([x, y, x * y], -1)[None]
    points, presence, _ = network(picture.repeat(2, 1, 1, 1))
    assert points.shape == (2, 1, 1, 1434)
    # ai-edge-litert 2.3.0 on the same picture
    expected = [109.38236, 153.84, -18.534628, 110.81165, 136.26843, -36.296432]
    assert np.allclose(points[1].flatten()[:6].detach(), expected, atol=2e-3)
    assert presence[0].item() == pytest.approx(-19.78141, abs=2e-3)


def test_blendshapes_agree_with_the_tracker(teacher: MediaPipeTeacher, astronaut: tuple) -> None:
    _, face = astronaut
    scores = teacher.blendshapes(torch.from_numpy(face.mesh)[None])
    assert np.abs(scores[0].numpy() - face.blendshapes).max() < 1e-4
    smaller = teacher.blendshapes(torch.from_numpy(face.mesh)[None] / 128 - 1)
    assert torch.allclose(scores, smaller, atol=1e-4), "neither place nor size of the points count"


def test_points_agree_with_the_tracker_where_it_looks(teacher: MediaPipeTeacher, astronaut: tuple) -> None:
    """MediaPipe looks at another square, found from its detector, so that points differ by half a pixel."""
    picture, face = astronaut
    here = torch.from_numpy(face.mesh)[None] / 128 - torch.tensor([1.0, 1.0, 0.0])
    found = teacher(picture, here)
    assert found.mesh is not None
    pixels = (found.mesh - here)[0, :, :2].norm(dim=-1) * 128
    assert pixels.mean() < 1 and pixels.max() < 2.5
    assert (found.emotion[0].numpy() - face.blendshapes).mean() == pytest.approx(0, abs=0.01)
    moved = here + torch.tensor([0.02, -0.01, 0.0])
    assert (teacher(picture, moved).mesh - found.mesh)[..., :2].norm(dim=-1).mean() * 128 < 1.5


def test_gradients_reach_the_picture_and_no_weight(teacher: MediaPipeTeacher, astronaut: tuple) -> None:
    picture, face = astronaut
    here = torch.from_numpy(face.mesh)[None] / 128 - torch.tensor([1.0, 1.0, 0.0])
    shown = picture.clone().requires_grad_()
    found = teacher(shown, here)
    (found.shape.square().sum() + found.emotion.sum()).backward()
    assert shown.grad is not None and torch.isfinite(shown.grad).all() and shown.grad.abs().max() > 0
    assert not any(p.requires_grad for p in teacher.parameters())


def test_region_is_upright_with_the_eyes() -> None:
    mesh = torch.zeros(1, 478, 3)
    mesh[0, 263, :2] = torch.tensor(
        [0.0, 0.4]
    )  # the left eye below the right one: a head tipped by 90 degrees
    mesh[0, 0, :2] = torch.tensor([0.2, 0.2])
    middle, axis, side = face_regions(mesh)
    assert middle.tolist() == [pytest.approx([0.1, 0.2])]
    assert axis.tolist() == [[0.0, 1.0]] and side.item() == pytest.approx(0.6)


def test_other_files_are_refused() -> None:
    with pytest.raises(InputError, match="TFLite"):
        TFLiteGraph(b"\0" * 64)
