from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from pdfgc.errors import InputError
from pdfgc.evaluation.metrics.sync_small import SHIFT
from pdfgc.evaluation.sync_judge import HEARD, SyncJudge, load_hearing, load_judge, normalise, speech_rows
from pdfgc.evaluation.sync_mouths import Mouths
from pdfgc.evaluation.sync_small import judge_mouths


@pytest.fixture
def judge() -> SyncJudge:
    torch.manual_seed(0)
    return SyncJudge().eval().requires_grad_(False)


def test_a_feature_hears_five_frames_and_has_unit_length(judge: SyncJudge) -> None:
    heard = torch.randn(1, 20, HEARD)
    changed = heard.clone()
    changed[0, 10] += 1
    before, after = judge.hear(heard)[0], judge.hear(changed)[0]
    moved = (before - after).abs().amax(-1) > 1e-6
    assert torch.nonzero(moved)[:, 0].tolist() == [8, 9, 10, 11, 12]
    assert before.norm(dim=-1) == pytest.approx(np.ones(20), abs=1e-5)


def test_light_and_contrast_of_a_film_do_not_matter(judge: SyncJudge) -> None:
    mouths = torch.randint(60, 120, (2, 8, 48, 72))
    plain, lit = judge.see(normalise(mouths)), judge.see(normalise(mouths * 2 + 10))
    assert plain.shape == (2, 8, 128)
    assert (plain * lit).sum(-1).min() > 0.99
    assert normalise(mouths).mean((1, 2, 3)).abs().max() < 1e-5


def test_speech_rows_are_cut_by_time_and_filled_with_zeros() -> None:
    features = torch.arange(1, 21)[:, None].expand(-1, 384).float()  # 0.4 s: values 1..20
    rows = speech_rows(features, 12, first=-0.04)
    assert rows.shape == (12, HEARD)
    assert rows[:, 0].tolist() == [0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 0]
    assert rows[1, -1] == 2


class Clockwork:
    """A judge that reads the number of the frame off the picture's brightness, and off the features."""

    def see(self, mouths: Tensor) -> Tensor:
        """Rank of each picture in its row, as a unit feature."""
        return self._feature(mouths.mean((2, 3)).argsort(1).argsort(1).float())

    def hear(self, rows: Tensor) -> Tensor:
        """The number that the row carries, likewise."""
        return self._feature(rows[..., 0])

    def _feature(self, numbers: Tensor) -> Tensor:
        return torch.stack([(numbers / 40).cos(), (numbers / 40).sin()], -1)


@pytest.mark.parametrize(("late", "first"), [(0, 0.0), (3, 0.0), (-2, 0.0), (0, 0.4)])
def test_what_is_seen_and_heard_meets_on_one_clock(late: int, first: float) -> None:
    pictures = np.repeat(np.arange(50, dtype=np.uint8)[:, None], 48 * 72, 1).reshape(50, 48, 72)
    usable = np.ones(50, bool)
    usable[20] = False
    numbers = (
        torch.arange(200).div(2, rounding_mode="floor") - late - first * 25
    )  # what is heard at 50 a second
    features = numbers[:, None].expand(-1, 384).float()
    apart = judge_mouths(Mouths(pictures, usable, first), features, Clockwork())  # type: ignore[arg-type]
    begin = SHIFT - round(first * 25)  # frames before it have no sound 15 frames earlier
    assert len(apart) == 50 - begin - 1
    assert (apart.argmin(1) == SHIFT + late).all()
    assert apart[:, SHIFT + late] == pytest.approx(np.zeros(len(apart)), abs=1e-3)


def test_weights_come_back_and_other_files_are_refused(judge: SyncJudge, tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    state = {n: v.contiguous() for n, v in judge.state_dict().items() if v.is_floating_point()}
    save_file(state, path)
    heard = torch.randn(1, 9, HEARD)
    assert torch.equal(load_judge(path).hear(heard), judge.hear(heard))
    state.pop("picture.0.weight")
    save_file(state, path)
    with pytest.raises(InputError, match=r"picture\.0\.weight is missing"):
        load_judge(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="something else"):
        load_judge(path)
    with pytest.raises(InputError, match="there is no file"):
        load_judge(tmp_path / "none.safetensors")


def test_hearing_is_that_of_the_default_model() -> None:
    hearing = load_hearing()
    features = hearing(torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)) * 0.1)[0]
    assert features.shape[0] >= 50 and features.shape[1] == 384
    assert features[:50].std() > 0.1
    assert not any(p.requires_grad for p in hearing.parameters())
