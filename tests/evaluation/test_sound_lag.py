from pathlib import Path

import numpy as np
import pytest

from pdfgc.data import sound_offset
from pdfgc.data.sound_offset import SoundOffset
from pdfgc.evaluation.signals import MEASURES, Signals
from pdfgc.evaluation.sound_lag import mouth_in_step, offsets

TIMES = np.arange(80) / 25
MOUTH = np.random.default_rng(0).normal(size=80).cumsum()


def _signals(mouth: np.ndarray) -> Signals:
    return Signals(TIMES, dict.fromkeys(MEASURES, mouth), np.ones(80, bool))


def test_a_late_sound_is_taken_out() -> None:
    late = _signals(np.roll(MOUTH, 3))  # the result follows a sound that comes 3 frames late
    assert mouth_in_step(MOUTH, late, 0.12).value == pytest.approx(1)
    assert mouth_in_step(MOUTH, late, 0.12).samples == 77
    assert (mouth_in_step(MOUTH, late, 0.0).value or 0) < 0.97
    assert mouth_in_step(MOUTH, late, -0.12).samples == 77


@pytest.mark.parametrize(("fit", "verdict", "seconds"), [(0.9, "shifted", 0.12), (0.1, "unsure", 0.0)])
def test_only_a_sure_offset_is_used_and_it_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: float, verdict: str, seconds: float
) -> None:
    calls = []

    def measure(model: str, video: Path, sound: Path) -> SoundOffset:
        calls.append((video, sound))
        return SoundOffset(0.12, fit, 0.0, 4.0)

    monkeypatch.setattr(sound_offset, "offset_of_video", measure)
    monkeypatch.setattr(sound_offset, "listener", lambda name: name)
    video = tmp_path / "a.mp4"
    video.write_bytes(b"pictures and sound")
    apart = tmp_path / "a.m4a"
    apart.write_bytes(b"another sound")
    for sound in (video, video, apart, apart):
        found = offsets(tmp_path)(video, sound)
        assert (found["verdict"], found["seconds"], found["best"]) == (verdict, seconds, 0.12)
    assert calls == [(video, video), (video, apart)]
