"""The judge of painted pictures: what it sees, and that it can learn."""

from __future__ import annotations

import torch

from pdfgc.networks.patch_discriminator import PatchDiscriminator
from pdfgc.networks.sketch import SKETCH_CHANNELS
from pdfgc.training.losses import hinge_real_or_fake


def test_it_judges_patch_by_patch_and_gives_the_map_of_every_layer() -> None:
    judge = PatchDiscriminator(4)
    logits, maps = judge(torch.zeros(2, 3, 64, 64), torch.zeros(2, SKETCH_CHANNELS, 64, 64))
    assert logits.shape == (2, 1, 7, 7)
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 32, 32), (8, 16, 16), (16, 8, 8), (16, 7, 7)]


def test_a_change_in_one_corner_does_not_reach_the_opposite_one() -> None:
    judge = PatchDiscriminator(4).eval()
    picture, sketch = torch.zeros(1, 3, 128, 128), torch.zeros(1, SKETCH_CHANNELS, 128, 128)
    changed = picture.clone()
    changed[..., :8, :8] = 1
    apart = (judge(picture, sketch)[0] - judge(changed, sketch)[0]).abs()[0, 0]
    assert apart[0, 0] > 0 and apart[-1, -1] == 0


def test_it_learns_that_a_picture_contradicts_its_sketch() -> None:
    """The pictures alone are alike in both halves: only with the sketch can they be told apart."""
    torch.manual_seed(0)
    judge = PatchDiscriminator(8)
    optimizer = torch.optim.Adam(judge.parameters(), 3e-3, betas=(0.5, 0.99))
    sketch = torch.zeros(8, SKETCH_CHANNELS, 32, 32)
    sketch[:4, 5] = 1
    picture = sketch[:, 5:].expand(-1, 3, -1, -1) * 2 - 1
    for _ in range(60):
        loss = hinge_real_or_fake(judge(picture, sketch)[0], judge(picture.flip(0), sketch)[0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5
