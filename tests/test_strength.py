"""Drivers that show more or less than was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from painted import FakeModel, PaintedTracker, colour, picture, write_folder
from pdfgc.avatar import Avatar
from pdfgc.errors import InputError
from pdfgc.planning import plan
from pdfgc.strength import read_strength, scaled


@pytest.fixture
def avatar(monkeypatch: pytest.MonkeyPatch) -> Avatar:
    """A portrait turned by 3 degrees whose mouth is at 0.4."""
    monkeypatch.setattr("pdfgc.face.tracker.FaceTracker", PaintedTracker)
    return Avatar(FakeModel(), picture(colour(yaw=3, mouth=0.4)))


@pytest.fixture
def turn(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "turn", [colour(4 * n, mouth=0.6) for n in range(4)])


def test_codes_are_scaled_about_the_neutral_one(avatar: Avatar, turn: Path) -> None:
    strength = {"expression": 1.5, "pose": 0.5}
    track = avatar.animate(pose=turn, expression=turn, lips=turn, smooth=0, strength=strength).track
    assert np.degrees(track.pose[:, 1]) == pytest.approx([0, 2, 4, 6], abs=0.1)
    assert track.expression[:, 0] == pytest.approx(0.9, abs=0.01)
    assert track.lips[:, 0] == pytest.approx(0.6, abs=0.01)
    assert json.loads(track.metadata["strength"]) == strength


def test_a_relative_pose_is_scaled_about_the_portraits_own(avatar: Avatar, turn: Path) -> None:
    show = avatar.animate(pose=turn, smooth=0, relative_pose=True, strength={"pose": 2})
    assert np.degrees(show.track.pose[:, 1]) == pytest.approx([3, 11, 19, 27], abs=0.1)


def test_what_is_held_stays_and_one_changes_nothing(avatar: Avatar, turn: Path) -> None:
    plain = avatar.animate(pose=turn).track
    same = avatar.animate(pose=turn, strength={"pose": 1, "expression": 3, "lips": 0}).track
    for factor, codes in plain.codes.items():
        np.testing.assert_array_equal(same.codes[factor], codes)
    assert scaled(plain.pose, 1, np.zeros(6)) is plain.pose


def test_idling_is_scaled_about_the_portraits_own_pose(avatar: Avatar, turn: Path) -> None:
    one, two = (
        avatar.animate(lips=turn, pose="idle", strength={"pose": share}).track.pose for share in (1, 2)
    )
    own = avatar.codes["pose"]
    np.testing.assert_allclose(two - own, 2 * (one - own), atol=1e-6)
    assert np.abs(one - own).max() > 1e-3


@pytest.mark.parametrize("word", ["hold", "zero"])
def test_what_cannot_be_scaled_is_told(
    avatar: Avatar, turn: Path, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    avatar.animate(lips=turn, expression=word, strength={"expression": 2})
    assert [message for message in caplog.messages if "strength" in message] == [
        f"a strength for the expression changes nothing: what drives it is {word}"
    ]


@pytest.mark.parametrize("strength", [[("pose", 1)], {"pose": "1"}, {"pose": True}])
def test_strengths_of_other_kinds(avatar: Avatar, turn: Path, strength: object) -> None:
    with pytest.raises(InputError, match=r"given by factor|must be a number"):
        avatar.animate(pose=turn, strength=strength)  # type: ignore[arg-type]
    half: dict[str, Any] = {"pose": np.float32(0.5)}
    assert avatar.animate(pose=turn, strength=half).track.metadata["strength"] == '{"pose": 0.5}'


def test_a_plan_tells_of_it(turn: Path) -> None:
    nobody: dict[str, str | None] = dict.fromkeys(("lips", "expression", "eyes", "gaze", "blink"))
    movers = plan({**nobody, "pose": str(turn)}, strength={"pose": 0.5, "lips": 2}).movers
    assert movers["pose"] == f"{turn}, 0.16 s, 0.5 times as strong"
    assert movers["lips"] == "hold, as the portrait shows it"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eyes=2"], "can be given to expression, lips, pose, not to 'eyes'"),
        (["pose"], "FACTOR=NUMBER, such as pose=0.5, not pose"),
        (["pose=-1"], "must lie between 0 and 4 times, not -1"),
        (["pose=1e9"], "must lie between 0 and 4"),
        (["pose=nan"], "must lie between 0 and 4"),
    ],
)
def test_strengths_that_cannot_be(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_strength(words)
    assert read_strength(["pose=0.5", "lips=2"]) == {"pose": 0.5, "lips": 2.0}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["lips=1", "lips=2"], "lips is given two strengths, 1 and 2"), (["lips=nan", "lips=2"], "not nan")],
)
def test_a_strength_is_given_once(words: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_strength(words)
