"""The weights in the package: they load, keep what they should, and follow what they are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pdfgc
from pdfgc.avatar import Avatar
from pdfgc.errors import InputError
from pdfgc.face.mesh import eye_opening, gaze, mouth_opening
from pdfgc.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return pdfgc.load("small")


@pytest.fixture(scope="module")
def avatar(model: Model, astronaut: np.ndarray) -> Avatar:
    return Avatar(model, astronaut)


def _driven(avatar: Avatar, **changes: np.ndarray) -> np.ndarray:
    """The mesh `[478, 3]` of the portrait with codes changed: `{factor: [D]}`."""
    model = avatar.model
    assert isinstance(model, Model)
    codes = {name: code[None] for name, code in (dict(avatar.codes) | changes).items()}
    return model.driving_mesh(avatar._portrait, codes)[0].cpu().numpy()  # type: ignore[arg-type]


def test_it_is_small(model: Model) -> None:
    assert model.preset == "small" and model.size == 256
    assert model.parameters < 20_000_000
    assert "research" in model.about["licence"]


def test_a_misspelt_model_and_a_folder_of_the_release_are_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pdfgc weights import-official"):
        pdfgc.load("paper")
    with pytest.raises(InputError, match="no model 'smal'; did you mean 'small'"):
        pdfgc.load("smal")
    (tmp_path / "motion_model.pth").touch()
    with pytest.raises(InputError, match="pdfgc weights import-official"):
        pdfgc.load(tmp_path)


def test_an_undriven_portrait_stays_itself(avatar: Avatar) -> None:
    frame = next(iter(avatar.animate(duration=0.2, pose="hold")))
    from pdfgc.face.crop import crop

    head = crop(avatar.picture, avatar.box, 256)
    assert np.abs(frame.astype(int) - head.astype(int)).mean() < 6


@pytest.mark.parametrize("angle", [0, 1, 2])
def test_pose_opens_neither_mouth_nor_eyes(avatar: Avatar, angle: int) -> None:
    still = _driven(avatar)
    for turn in (-0.3, 0.3):
        pose = avatar.codes["pose"].copy()
        pose[angle] += turn
        turned = _driven(avatar, pose=pose)
        assert mouth_opening(turned) == pytest.approx(mouth_opening(still), abs=0.25)
        assert eye_opening(turned)[0] == pytest.approx(eye_opening(still)[0], abs=0.08)


def test_zero_lips_shut_a_smiling_mouth(avatar: Avatar) -> None:
    assert mouth_opening(_driven(avatar)) > 0.8
    assert mouth_opening(_driven(avatar, lips=np.zeros(500, np.float32))) < 0.25


def test_blink_shuts_the_lids_and_gaze_moves_the_irises(avatar: Avatar) -> None:
    eyes = avatar.codes["eyes"].copy()
    eyes[:2] = 0.9
    assert eye_opening(_driven(avatar, eyes=eyes))[0] < 0.4 * eye_opening(_driven(avatar))[0]
    looks = []
    for side in (-0.4, 0.4):
        eyes = avatar.codes["eyes"].copy()
        eyes[2] += side
        looks.append(float(gaze(_driven(avatar, eyes=eyes))[0]))
    assert looks[1] - looks[0] > 0.1
