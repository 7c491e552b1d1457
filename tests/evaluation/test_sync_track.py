from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.fakes import FakeIdentity, FakeTracker, draw, performance, write_clip
from pdfgc.evaluation.evidence import Evidence, collect
from pdfgc.evaluation.sync_track import GREY, cut_face, face_squares, sync_features
from pdfgc.evaluation.syncnet import SIDE, SyncNet
from pdfgc.media.audio import read_audio
from pdfgc.media.video import read_frames


def _evidence(path: Path) -> Evidence:
    frames = ((float(frame.time), frame.image) for frame in read_frames(path))
    return collect(frames, FakeTracker(), FakeIdentity())


class BrightNet(SyncNet):
    """Features that tell how bright the crops of a window are, and how loud its sound."""

    def lips(self, faces: torch.Tensor) -> torch.Tensor:
        assert faces.shape[1:] == (3, SIDE, SIDE)
        return faces.mean((1, 2, 3)).unfold(0, 5, 1).mean(1, keepdim=True)

    def sound(self, patches: torch.Tensor) -> torch.Tensor:
        assert patches.shape[1:] == (1, 13, 20)
        return patches[:, 0, :1].mean(2)


def test_the_crop_is_that_of_the_published_pipeline() -> None:
    image = np.zeros((100, 120, 3), np.uint8)
    image[40:68, 46:74] = 200  # exactly the crop of a face of half size 10 at (60, 50): x 46..74, y 40..68
    assert (cut_face(image, np.array([60.0, 50.0, 10.0])) == 200).all()
    outside = cut_face(image, np.array([0.0, 0.0, 10.0]))
    assert (outside[:40, :40] == GREY).all() and outside.shape == (SIDE, SIDE, 3)


def test_squares_run_from_the_first_face_to_the_last_at_25_a_second(tmp_path: Path) -> None:
    pictures = performance(12, mouth=0.5)
    pictures[0] = pictures[11] = draw(present=0.0)
    evidence = _evidence(write_clip(tmp_path / "a.mp4", pictures, fps=30))
    times, squares = face_squares(evidence)
    assert times == pytest.approx(np.arange(1, 9) / 25)  # faces from 1/30 s to 10/30 s
    left, top, right, bottom = np.nanmedian(evidence.boxes, 0)
    assert squares[0] == pytest.approx([(left + right) / 2, (top + bottom) / 2, (bottom - top) / 2], abs=1.5)
    nothing = _evidence(write_clip(tmp_path / "b.mp4", [draw(present=0.0)] * 3))
    assert len(face_squares(nothing)[0]) == 0


def test_features_cover_every_window(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", performance(45, free0=0.4))
    audio = read_audio(clip)
    features = sync_features(clip, audio, _evidence(clip), BrightNet())
    assert features is not None
    assert len(features.lips) == len(features.sound) == 45 - 5
    assert np.ptp(features.sound[2:]) < 0.1  # an even tone, once the codec has begun
    assert np.ptp(features.lips[2:]) > 1  # a changing picture
    assert sync_features(clip, audio[: 5 * 640], _evidence(clip), BrightNet()) is None
