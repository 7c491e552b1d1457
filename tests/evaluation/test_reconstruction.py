from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.fakes import FakeIdentity, FakeTracker, draw, performance, read, write_clip
from pdfgc.evaluation import judges
from pdfgc.evaluation.judges import Judges
from pdfgc.evaluation.pair import Pair
from pdfgc.evaluation.reconstruction import BATCH, reconstruct
from pdfgc.evaluation.scores import SCORES
from pdfgc.evaluation.store import ArrayStore
from pdfgc.priors.emoca import EXPRESSION, SHAPE
from pdfgc.priors.face_features import FaceFeatures


class FakeTeacher:
    """Reads nothing but how bright a picture is, into the first rotation and the last expression number."""

    licence = "none"

    def __call__(self, pictures: torch.Tensor, meshes: torch.Tensor) -> FaceFeatures:
        assert pictures.shape[1:] == (3, 256, 256) and pictures.abs().max() <= 1
        assert meshes.shape[1:] == (2, 2) and 0.5 < meshes.abs().amax() < 0.7  # the longer side of the box
        code = torch.zeros(len(pictures), SHAPE + 6 + EXPRESSION)
        code[:, SHAPE] = code[:, -1] = pictures.mean((1, 2, 3))
        return FaceFeatures(shape=code, emotion=code)


def _judges(folder: Path, emoca: Path | None = None) -> Judges:
    return Judges(FakeTracker(), FakeIdentity(), ArrayStore(folder / "cache"), emoca=emoca)


def test_every_frame_with_a_face_is_read(tmp_path: Path) -> None:
    pictures = performance(BATCH + 3, mouth=0.5)
    pictures[4] = draw(present=0.0)
    clip = write_clip(tmp_path / "a.mp4", pictures)
    arrays = reconstruct(clip, _judges(tmp_path).evidence(clip), FakeTeacher())
    assert arrays["rotation"].shape == (BATCH + 3, 3) and arrays["expression"].shape == (
        BATCH + 3,
        EXPRESSION,
    )
    assert np.isnan(arrays["rotation"]).all(1).tolist() == [i == 4 for i in range(BATCH + 3)]
    assert read(pictures[0])["present"] == 1
    assert (arrays["rotation"][5:, 1:] == 0).all() and len(np.unique(arrays["rotation"][5:, 0])) > 3


def test_errors_come_from_the_reconstructor_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "emoca.ckpt").write_text("weights")
    monkeypatch.setattr("pdfgc.priors.emoca.EmocaTeacher", lambda path: FakeTeacher())
    ours = write_clip(tmp_path / "ours.mp4", performance(10, mouth=0.5))
    theirs = write_clip(tmp_path / "theirs.mp4", performance(10, mouth=0.9))
    pair = Pair("a", ours, theirs, _judges(tmp_path, tmp_path / "emoca.ckpt"))
    pose, expression = (SCORES[name].measure(pair) for name in ("pose_error", "expression_error"))
    assert pose.value and expression.value == pytest.approx(pose.value * 3 / EXPRESSION)
    assert "EMOCA" in pose.settings["coefficients"] and len(expression.settings["weights_sha256"]) == 64
    plain = SCORES["pose_error"].measure(Pair("a", ours, theirs, judges.Judges(
        FakeTracker(), FakeIdentity(), ArrayStore(tmp_path / "cache")
    )))  # fmt: skip
    assert "mesh" in plain.settings["coefficients"] and plain.value == pytest.approx(0, abs=1e-6)


def test_what_was_seen_is_let_go_and_read_again(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", performance(8, yaw=5.0))
    pair = Pair("a", clip, clip, _judges(tmp_path))
    before = pair.ours.pose
    pair.forget()
    assert not {"ours", "rows", "_all_ours"} & set(vars(pair))
    assert np.array_equal(pair.ours.pose, before)
