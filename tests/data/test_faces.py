"""Faces of many clips in memory, and what is fitted to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pdfgc.data.clips import ClipSet
from pdfgc.data.faces import FaceTable, draw_clip, neutral_shapes, shape_of_pose
from pdfgc.face.geometry import apply_pose
from pdfgc.networks.mesh_decoder import pose_terms
from synthetic import write_clip_set


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    return write_clip_set(tmp_path_factory.mktemp("set"), identities=2, clips=2, frames=20)


@pytest.fixture(scope="module")
def table(clips: ClipSet) -> FaceTable:
    return FaceTable.load(clips)


def test_clips_lie_one_after_the_other(clips: ClipSet, table: FaceTable) -> None:
    assert [clip.identity for clip in table.clips] == ["person_0", "person_0", "person_1", "person_1"]
    assert table.starts.tolist() == [0, 20, 40, 60, 80]
    assert table.frames(2) == range(40, 60)
    assert table.by_identity() == [[0, 1], [2, 3]]
    for number, clip in enumerate(table.clips):
        rows = slice(table.frames(number).start, table.frames(number).stop)
        assert np.array_equal(table.blendshapes[rows].numpy(), clip.blendshapes())
        assert table.times[rows].numpy() == pytest.approx(clip.times())


def test_pose_is_taken_off_and_kept(table: FaceTable) -> None:
    """Putting the pose back gives the clip's own mesh; without it the skull stands still."""
    mesh = torch.from_numpy(table.clips[1].mesh())
    rows = slice(20, 40)
    assert apply_pose(table.canonical[rows], table.pose[rows]).numpy() == pytest.approx(
        mesh.numpy(), abs=1e-4
    )
    forehead = [10, 67, 103, 109, 297, 332, 338]
    assert table.canonical[rows, forehead].std(0).mean() < 0.06, "cm, of a head of 18"
    assert table.pose[rows, 1].std() > 0.02, "radians: it does turn"


def test_neutral_shapes_by_hand() -> None:
    """Two clips whose faces move by the same law about faces of their own."""
    random = torch.Generator().manual_seed(0)
    own = torch.randn(2, 478, 3, generator=random)
    law = torch.randn(52, 478, 3, generator=random)
    scores = [torch.rand(400, 52, generator=random) for _ in range(2)]
    canonical = [
        face + torch.einsum("tk,kpc->tpc", part, law) for face, part in zip(own, scores, strict=True)
    ]
    found = neutral_shapes(canonical, scores)
    assert found.shape == (2, 478, 3)
    average = torch.stack([part.mean(0) for part in canonical])
    assert (found - own).abs().mean() < 0.05 * (average - own).abs().mean()


def test_scores_that_never_move_do_not_matter() -> None:
    canonical = [torch.ones(10, 478, 3)]
    assert torch.equal(neutral_shapes(canonical, [torch.full((10, 52), 0.3)]), torch.ones(1, 478, 3))


def test_the_shape_of_a_turned_face_by_hand(table: FaceTable) -> None:
    random = torch.Generator().manual_seed(1)
    pose = torch.randn(1000, 6, generator=random)
    law = torch.randn(478 * 3, 12, generator=random)
    faces = torch.randn(1, 478, 3, generator=random) + (pose_terms(pose) @ law.T).view(-1, 478, 3)
    made = FaceTable(
        table.clips[:2],
        np.array([0, 500, 1000]),
        faces,
        torch.zeros(1000, 52),
        pose,
        torch.zeros(1000),
        torch.zeros(2, 478, 3),
    )
    found = shape_of_pose(made)
    assert found.shape == law.shape
    assert (found - law).abs().max() < 0.02


def test_people_are_drawn_alike_however_many_clips_they_have(tmp_path: Path) -> None:
    people = [[0], list(range(1, 20))]
    random = np.random.default_rng(0)
    drawn = [draw_clip(people, random) for _ in range(1000)]
    assert 0.45 < np.mean([clip == 0 for clip in drawn]) < 0.55
    assert set(drawn) == set(range(20))
