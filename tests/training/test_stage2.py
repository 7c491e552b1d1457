"""What stage 2 of preset `small` compares with what: whose eyes a face gets, and which moments are negatives."""

from __future__ import annotations

import math

import pytest
import torch

from pdfgc.config import load_config
from pdfgc.data.clips import ClipSet
from pdfgc.face.mesh import BLENDSHAPES, LEFT_IRIS, RIGHT_IRIS
from pdfgc.training.results import Results
from pdfgc.training.stage import Draw, Setup
from pdfgc.training.stage2_eyes import swap_eyes
from pdfgc.training.stage2_lips import LipsStage
from synthetic import write_clip_set

UPPER_LID, MOUTH_CORNER, CHIN, NOSE_TIP = 159, 61, 152, 1
"""Points of MediaPipe's mesh."""


def test_a_face_gets_the_eyes_of_another_and_keeps_the_rest() -> None:
    torch.manual_seed(0)
    face, eyes = torch.randn(2, 3, 478, 3)
    face_scores, eye_scores = torch.rand(2, 3, 52)
    mesh, scores = swap_eyes(face, eyes, face_scores, eye_scores)
    for point in (*RIGHT_IRIS, *LEFT_IRIS, UPPER_LID):
        assert torch.allclose(mesh[:, point], eyes[:, point], atol=1e-6), point
    for point in (MOUTH_CORNER, CHIN, NOSE_TIP):
        assert torch.equal(mesh[:, point], face[:, point]), point
    for index, name in enumerate(BLENDSHAPES):
        whose = eye_scores if name.startswith("eye") else face_scores
        assert torch.equal(scores[:, index], whose[:, index]), name


@pytest.fixture(scope="module")
def lips_stage(tmp_path_factory: pytest.TempPathFactory) -> LipsStage:
    folder = tmp_path_factory.mktemp("lips")
    clips = write_clip_set(folder / "shards", identities=4, clips=1, frames=40, size=32)
    config = load_config("tiny", ["networks.speech=mel", "stages.stage2_lips.clip_frames=4"])
    (folder / "cache").mkdir()
    earlier = Results(folder, "stage2-lips", pretend=True)
    return LipsStage(Setup(config, clips, ClipSet([]), earlier, folder, folder / "cache"))


def test_negatives_are_other_moments_of_the_clip_and_all_of_the_others(lips_stage: LipsStage) -> None:
    moments = [lips_stage.talking.moments(random, 4) for random in Draw(0, 0, 0, 6, 6).items()]
    assert len({clip for clip, *_ in moments}) > 1, "clips differ within a batch"
    for clip, rows, _, at in moments:
        assert len(set(rows)) == 4 and set(rows) <= set(lips_stage.faces.frames(clip))
        assert len(set(at.tolist())) == 4
    lips, speech = lips_stage._features(lips_stage.batch(Draw(0, 0, 0, 6, 6)))
    assert len(lips) == len(speech) == 24, "every moment is a candidate for every other"


def test_a_network_that_tells_nothing_apart_has_the_logarithm_of_all_moments(
    lips_stage: LipsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lips_stage, "_features", lambda batch: (torch.ones(24, 8), torch.ones(24, 8)))
    losses = lips_stage.losses("lips", {}, 0)
    assert losses["lips_to_speech"].item() == pytest.approx(math.log(24), rel=1e-5)
    assert losses["speech_to_lips"].item() == pytest.approx(math.log(24), rel=1e-5)


def test_moments_and_their_sounds_are_in_the_same_order(
    lips_stage: LipsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features that spell out their moment: the loss of the true pairing is the least there is."""
    batch = lips_stage.batch(Draw(0, 0, 0, 6, 6))
    names = torch.eye(24)
    monkeypatch.setattr(lips_stage, "motion", lambda mesh, scores, pose: names)
    monkeypatch.setattr(lips_stage.lips, "contrast", lambda feature: feature)
    monkeypatch.setattr(
        lips_stage.speech, "contrast", lambda features, times: names.unflatten(0, times.shape)
    )
    losses = lips_stage.losses("lips", batch, 0)
    assert losses["lips_to_speech"] < 1e-3 and losses["speech_to_lips"] < 1e-3
