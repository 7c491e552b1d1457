"""The whole way on a real photograph with the real tracker; only the networks are stand-ins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from painted import FakeModel
from pdfgc.avatar import Avatar
from pdfgc.drivers import read_motion
from pdfgc.media.video import VideoWriter, read_image
from pdfgc.motion import MotionTrack

ASTRONAUT = Path(__file__).parents[1] / "demo" / "astronaut.jpg"
FPS = Fraction(30)


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return read_image(ASTRONAUT)


@pytest.fixture(scope="module")
def sway(photograph: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut tipped by -8 to 8 degrees about her nose; two frames in the middle are blank."""
    import cv2

    path = tmp_path_factory.mktemp("real") / "sway.mp4"
    small = cv2.resize(photograph, (320, 320), interpolation=cv2.INTER_AREA)
    with VideoWriter(path, width=320, height=320, fps=FPS) as writer:
        for number, angle in enumerate(np.linspace(-8, 8, 9)):
            turn = cv2.getRotationMatrix2D((140, 80), float(angle), 1.0)
            frame = cv2.warpAffine(small, turn, (320, 320), borderMode=cv2.BORDER_REPLICATE)
            writer.write(np.zeros_like(frame) if number in (4, 5) else frame)
    return path


def test_a_real_driver_tips_the_head(sway: Path) -> None:
    track = read_motion(sway, FakeModel())
    assert track.found.tolist() == [n not in (4, 5) for n in range(9)]
    assert track.fps == FPS
    roll = np.degrees(track.pose[:, 2])
    roll -= roll[[0, -1]].mean()
    # getRotationMatrix2D turns counter-clockwise, to the image's left: a positive roll
    expected = np.array([-8, -6, -4, -2, -2, -2, 4, 6, 8])
    assert roll == pytest.approx(expected, abs=1.0)


def test_a_real_portrait_is_animated_and_pasted_back(
    photograph: np.ndarray, sway: Path, tmp_path: Path
) -> None:
    avatar = Avatar(FakeModel(), ASTRONAUT)
    assert abs(np.degrees(avatar.codes["pose"][:3])).max() < 30
    show = avatar.animate(pose=sway, paste_back=True)
    frames = list(show)
    assert len(frames) == 8  # 0.3 s at 25 frames a second, the last one begun
    assert frames[0].shape == photograph.shape
    assert np.array_equal(frames[0][-50:], photograph[-50:])
    assert not np.array_equal(frames[0], photograph)
    show.save(tmp_path / "out.mp4")
    assert len(MotionTrack.load(tmp_path / "out.motion.safetensors")) == 8
