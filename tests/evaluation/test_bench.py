from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation.fakes import FakeIdentity, FakeModel, FakeTracker, draw, performance, write_clip
from pdfgc.errors import InputError
from pdfgc.evaluation import bench
from pdfgc.evaluation.bench import Bench
from pdfgc.evaluation.portraits import find_portrait, usable
from pdfgc.evaluation.store import ArrayStore


class Frozen:
    """Every frame is the portrait; it counts what it renders."""

    rendered = 0

    def avatar(self, portrait: Path) -> "Frozen":
        self.portrait = portrait
        return self

    def animate(self, *, fps: Fraction, duration: Fraction, **drivers: Any) -> Iterator[np.ndarray]:
        for _ in range(round(fps * duration)):
            Frozen.rendered += 1
            yield draw(yaw=5.0)


def _bench(folder: Path, model: Any, seconds: float = 0.8) -> Bench:
    return Bench(model, "some", FakeTracker(), FakeIdentity(), ArrayStore(folder / "cache"), seconds)


def _yaw(of: Bench, picture: Path, noise: float) -> np.ndarray:
    measured = of.perform(picture, {"lips": "hold"}, Fraction(25), 20, noise)
    assert measured.seconds > 0 and measured.strip is not None
    return measured.signals.values["yaw"]


def test_sensor_noise_shows_the_tracker_on_frozen_pictures(tmp_path: Path) -> None:
    Image.fromarray(draw()).save(tmp_path / "face.png")
    still, noisy = (_yaw(_bench(tmp_path, Frozen()), tmp_path / "face.png", noise) for noise in (0.0, 2.0))
    assert np.ptp(still) == 0 and 0 < noisy.std() < 0.5
    again = _yaw(_bench(tmp_path / "again", Frozen()), tmp_path / "face.png", 2.0)
    np.testing.assert_array_equal(noisy, again)


def test_what_was_rendered_comes_back_and_another_setting_or_code_is_rendered_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(draw()).save(tmp_path / "face.png")
    Frozen.rendered = 0
    first = _yaw(_bench(tmp_path, Frozen()), tmp_path / "face.png", 0.0)
    np.testing.assert_array_equal(_yaw(_bench(tmp_path, Frozen()), tmp_path / "face.png", 0.0), first)
    assert Frozen.rendered == 20
    _yaw(_bench(tmp_path, Frozen(), seconds=0.9), tmp_path / "face.png", 0.0)
    assert Frozen.rendered == 40
    monkeypatch.setattr(bench, "rendering_digest", lambda: "changed")
    _yaw(_bench(tmp_path, Frozen()), tmp_path / "face.png", 0.0)
    assert Frozen.rendered == 60


def test_a_driver_is_read_no_farther_than_is_rendered(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", performance(30, yaw=5.0))
    assert len(_bench(tmp_path, FakeModel()).clip(clip)) == 20


def test_a_clips_portrait_is_its_first_frame_with_a_face(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [draw(present=0.0), *performance(3, yaw=5.0)])
    found = find_portrait(clip, FakeTracker(), tmp_path, "0123456789")
    assert found.frame == 1 and found.picture == tmp_path / "a-01234567.png" and found.picture.exists()
    wall = write_clip(tmp_path / "wall.mp4", [draw(present=0.0)] * 2)
    with pytest.raises(InputError, match=r"no face in the portrait .*wall\.mp4 among its first 100 frames"):
        find_portrait(wall, FakeTracker(), tmp_path, "0123456789")


def test_a_broken_portrait_gives_way_to_the_next(tmp_path: Path) -> None:
    Image.fromarray(draw()).save(tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes(b"half a picture")
    looked: list[Path] = []

    def look(path: Path) -> None:
        looked.append(path)
        find_portrait(path, FakeTracker(), tmp_path, "0")

    given = [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"]
    good, skipped = usable(given, 1, look)
    assert good == [tmp_path / "b.png"] and looked == given[:2]
    assert [entry["name"] for entry in skipped] == ["a.png"]
    with pytest.raises(InputError, match="none of the portraits can be used"):
        usable(given[:1], 1, look)
