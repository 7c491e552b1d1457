"""Motion tracks: time, mixing, smoothing, files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from pdfgc.errors import InputError
from pdfgc.motion import BLINK, FACTORS, GAZE, SMOOTHING, MotionTrack
from pdfgc.timing import Loop

NTSC = Fraction(30000, 1001)


def ramp(count: int, fps: Fraction | int = 25, scale: float = 1.0, **metadata: str) -> MotionTrack:
    """A track whose codes all equal `scale` times the time in seconds."""
    seconds = (np.arange(count) / float(fps) * scale).astype(np.float32)[:, None]
    codes = {name: np.repeat(seconds, size, 1) for name, size in FACTORS.items()}
    return MotionTrack.from_codes(codes, fps=fps, metadata=metadata)


def random_track(count: int, seed: int = 0) -> MotionTrack:
    random = np.random.default_rng(seed)
    codes = {name: random.normal(size=(count, size)).astype(np.float32) for name, size in FACTORS.items()}
    return MotionTrack.from_codes(codes)


def test_what_a_track_says_of_itself() -> None:
    track = ramp(300, NTSC)
    assert len(track) == 300
    assert track.fps == NTSC
    assert track.duration == Fraction(1001, 100)
    assert track.time(299) == Fraction(299 * 1001, 30000)
    assert track.times[-1] == pytest.approx(9.97663)
    assert {name: codes.shape for name, codes in track.codes.items()} == {
        n: (300, s) for n, s in FACTORS.items()
    }


def test_a_track_is_shown_in_one_line() -> None:
    codes = {"lips": np.zeros((25, 500)), "pose": np.arange(25 * 6).reshape(25, 6)}
    assert repr(MotionTrack.from_codes(codes)) == "MotionTrack(25 frames, 1.00 s, moving: pose)"
    still = MotionTrack.still({"eyes": np.arange(6)})
    assert repr(still) == "MotionTrack(1 frame, 0.00 s, nothing moves)"


def test_the_usual_rate_of_frames_stamped_in_milliseconds() -> None:
    times = [Fraction(round(1000 * n * Fraction(1001, 30000)), 1000) for n in range(60)]
    track = MotionTrack.from_codes({"pose": np.zeros((60, 6))}, times=times)
    assert track.fps is None and track.usual_fps == Fraction(30000, 1001)
    assert MotionTrack.from_codes({"pose": np.zeros((5, 6))}, fps="12.5").usual_fps == Fraction(25, 2)


def test_uneven_times_are_kept_exactly() -> None:
    times = [Fraction(5) + t for t in (Fraction(0), Fraction(1, 30), Fraction(1, 12), Fraction(1, 4))]
    track = MotionTrack.from_codes({"pose": np.zeros((4, 6))}, times=times)
    assert [track.time(n) + 5 for n in range(4)] == times
    assert track.fps is None
    assert track.usual_fps == 24  # the step of a sixth is a gap
    assert track.duration == Fraction(1, 4) + Fraction(1, 6)


def test_a_still() -> None:
    still = MotionTrack.still({"eyes": np.arange(6)})
    assert len(still) == 1
    assert still.duration == 0
    assert still.fps is None and still.usual_fps is None
    assert still.eyes.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert not still.pose.any()
    longer = still.resample(25, frames=40)
    assert len(longer) == 40
    assert (longer.eyes == np.arange(6)).all()


@pytest.mark.parametrize(
    "codes",
    [
        {},
        {"mouth": np.zeros((3, 5))},
        {"pose": np.zeros((3, 5))},
        {"pose": np.zeros((3, 6)), "eyes": np.zeros((4, 6))},
        {"pose": np.full((3, 6), np.nan)},
        {"pose": np.zeros((0, 6))},
    ],
)
def test_impossible_codes_are_refused(codes: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError):
        MotionTrack.from_codes(codes)


def test_times_must_increase() -> None:
    with pytest.raises(InputError, match="increase"):
        MotionTrack.from_codes({"pose": np.zeros((3, 6))}, times=[Fraction(0), Fraction(1), Fraction(1)])


def test_slices_by_frames_and_by_seconds_start_at_zero() -> None:
    track = ramp(100)
    part = track[10:20]
    assert len(part) == 10
    assert part.time(0) == 0
    assert part.pose[0, 0] == pytest.approx(0.4)
    assert track[::2].fps == Fraction(25, 2)
    by_time = track.between(0.4, 0.8)
    assert by_time.pose.tolist() == part.pose.tolist()
    assert len(track.between(Fraction(7, 2))) == 12  # 3.5 s lies between two frames
    with pytest.raises(InputError, match="no frame is left"):
        track.between(9)
    with pytest.raises(InputError):
        track[::-1]


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 200), st.sampled_from([Fraction(25), NTSC, Fraction(12), Fraction(60)]))
def test_resampling_follows_a_ramp_without_drift(count: int, fps: Fraction) -> None:
    track = ramp(count, fps)
    other = track.resample(25)
    assert other.fps in (25, None)
    assert len(other) == max(1, -(-track.duration * 25 // 1))
    inside = other.times <= float(track.time(count - 1))
    assert np.allclose(other.pose[inside, 0], other.times[inside], atol=1e-5)


def test_an_hour_does_not_drift() -> None:
    track = ramp(108_000, NTSC)
    frames = 25 * 3600
    moments = [Fraction(n, 25) for n in (0, frames // 2, frames - 1)]
    found = track.resample(times=moments, loop="hold").pose[:, 0]
    assert found == pytest.approx([float(m) for m in moments], rel=1e-6)


def test_a_frame_s_own_moment_gives_its_exact_codes() -> None:
    track = random_track(50)
    same = track.resample(25)
    half = track.resample(Fraction(25, 2))
    double = track.resample(50)
    for name, codes in track.codes.items():
        assert np.array_equal(same.codes[name], codes)
        assert np.array_equal(half.codes[name], codes[::2])
        assert np.array_equal(double.codes[name][:-1:2], codes)


def test_factors_that_are_not_needed_are_zero_and_take_no_memory() -> None:
    track = random_track(9)
    some, whole = track.resample(50, factors=["pose", "eyes"]), track.resample(50)
    assert np.array_equal(some.pose, whole.pose) and np.array_equal(some.eyes, whole.eyes)
    assert some.lips.shape == whole.lips.shape and not some.lips.any() and some.lips.strides == (0, 0)


def test_resampling_past_the_end() -> None:
    track = ramp(5)
    values = [round(float(v) * 25) for v in track.resample(25, frames=13, loop="pingpong").pose[:, 0]]
    assert values == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4]
    values = [round(float(v) * 25) for v in track.resample(25, frames=8, loop="wrap").pose[:, 0]]
    assert values == [0, 1, 2, 3, 4, 0, 1, 2]
    values = [round(float(v) * 25) for v in track.resample(25, frames=8, loop="hold").pose[:, 0]]
    assert values == [0, 1, 2, 3, 4, 4, 4, 4]
    with pytest.raises(InputError, match="loop"):
        track.resample(25, loop="bounce")  # type: ignore[arg-type]


def test_found_survives_resampling_only_between_found_frames() -> None:
    found = np.array([True, False, True, True])
    track = MotionTrack.from_codes({"pose": np.zeros((4, 6))}, found=found)
    assert track.resample(50).found.tolist() == [True, False, False, False, True, True, True, True]


def test_extend_equals_resampling_on_an_even_track() -> None:
    track = random_track(7)
    loops: tuple[Loop, ...] = ("pingpong", "wrap", "hold")
    for loop in loops:
        longer = track.extend(31, loop=loop)
        assert np.array_equal(longer.lips, track.resample(25, frames=31, loop=loop).lips)
        assert longer.fps == 25
    assert len(track.extend(duration=2)) == 50
    assert len(track.extend(3)) == 3
    with pytest.raises(InputError):
        track.extend()
    with pytest.raises(InputError, match="no frame is left"):
        track.extend(0)


def test_extend_mirrors_uneven_spacing() -> None:
    times = [Fraction(0), Fraction(1, 25), Fraction(3, 25)]
    track = MotionTrack.from_codes({"pose": np.zeros((3, 6))}, times=times)
    assert [track.extend(6).time(n) * 25 for n in range(6)] == [0, 1, 3, 5, 6, 7]


def test_mix_takes_factors_from_tracks_of_any_length_and_rate() -> None:
    base = ramp(100, 25)
    mixed = base.mix(pose=ramp(300, NTSC, 2.0), expression=ramp(11, 25))
    assert np.array_equal(mixed.lips, base.lips)
    assert np.array_equal(mixed.eyes, base.eyes)
    assert mixed.pose[:, 0] == pytest.approx(2 * base.times, abs=1e-5)
    assert mixed.expression[20, 0] == pytest.approx(0, abs=1e-6)  # 10 frames there, 10 back
    assert mixed.fps == 25
    assert len(mixed) == 100


def test_gaze_and_blink_are_parts_of_the_eyes() -> None:
    a, b, c = random_track(9, 1), random_track(9, 2), random_track(9, 3)
    mixed = a.mix(gaze=b)
    assert np.array_equal(mixed.eyes[:, GAZE], b.eyes[:, GAZE])
    assert np.array_equal(mixed.eyes[:, BLINK], a.eyes[:, BLINK])
    mixed = a.mix(blink=b, eyes=c)
    assert np.array_equal(mixed.eyes[:, GAZE], c.eyes[:, GAZE])
    assert np.array_equal(mixed.eyes[:, BLINK], b.eyes[:, BLINK])
    assert not np.array_equal(a.eyes, mixed.eyes)  # the parts were not written into the source


def test_tracks_of_two_models_do_not_mix() -> None:
    with pytest.raises(InputError, match="pdfgc motion"):
        ramp(4, model="aaaa").mix(pose=ramp(4, model="bbbb"))
    assert ramp(4).mix(pose=ramp(4, model="bbbb")).metadata["model"] == "bbbb"
    with pytest.raises(InputError, match="pdfgc motion"):
        ramp(4).mix(pose=ramp(4, model="a"), eyes=ramp(4, model="b"))
    ramp(4, model="aaaa").require_model("aaaa")


def test_smoothing_removes_jitter_and_keeps_a_slow_turn() -> None:
    random = np.random.default_rng(0)
    times = np.arange(200) / 25
    turn = np.sin(2 * np.pi * 0.5 * times)
    pose = np.repeat((turn + random.normal(0, 0.05, 200))[:, None], 6, 1)
    smooth = MotionTrack.from_codes({"pose": pose, "lips": np.repeat(pose[:, :1], 500, 1)}).smooth()
    assert np.std(smooth.pose[:, 0] - turn) < 0.7 * np.std(pose[:, 0] - turn)
    assert np.array_equal(smooth.lips[:, 0], pose[:, 0].astype(np.float32))  # lips stay crisp by default
    assert "smoothed" in smooth.metadata


def test_gaze_and_blink_are_smoothed_apart() -> None:
    track = random_track(60)
    smooth = track.smooth(gaze=0, blink=0.1)
    assert np.array_equal(smooth.eyes[:, GAZE], track.eyes[:, GAZE])
    assert np.std(smooth.eyes[:, BLINK]) < 0.7 * np.std(track.eyes[:, BLINK])
    assert set(SMOOTHING) == {"lips", "expression", "gaze", "blink", "pose"}
    with pytest.raises(InputError, match="smoothing"):
        track.smooth(pose=-1)


def test_a_blink_survives_the_default_smoothing() -> None:
    times = np.arange(50) / 25
    lid = np.clip(1 - np.abs(times - 1) / 0.1, 0, 1)  # closes and opens within 0.2 s
    track = MotionTrack.from_codes({"eyes": np.repeat(lid[:, None], 6, 1)}).smooth()
    assert track.eyes[:, 0].argmax() == 25
    assert track.eyes[:, 0].max() > 0.85


def test_save_and_load_give_the_same_track(tmp_path: Path) -> None:
    found = np.ones(20, bool)
    found[3] = False
    track = MotionTrack.from_codes(
        random_track(20).codes, fps=29.97, found=found, metadata={"model": "abc", "source": "clip.mp4"}
    )
    path = tmp_path / "x.motion.safetensors"
    track.save(path)
    back = MotionTrack.load(path)
    assert back.time_base == Fraction(1001, 30000)
    assert back.metadata == track.metadata
    assert np.array_equal(back.found, found)
    assert np.array_equal(back.ticks, track.ticks)
    for name, codes in track.codes.items():
        assert np.array_equal(back.codes[name], codes)
    assert list(tmp_path.iterdir()) == [path]
    assert load_file(path)["pose"].shape == (20, 6)
    again = tmp_path / "again.safetensors"
    back.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_files_that_are_no_tracks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no motion track"):
        MotionTrack.load(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("hello, this is not it")
    with pytest.raises(InputError, match="cannot be read"):
        MotionTrack.load(text)
    weights = tmp_path / "weights.safetensors"
    save_file({"layer": np.zeros(3)}, weights)
    with pytest.raises(InputError, match="not a motion track"):
        MotionTrack.load(weights)
    half = tmp_path / "half.safetensors"
    save_file({"ticks": np.arange(3)}, half, metadata={"format": "pdfgc.motion/1", "time_base": "1/25"})
    with pytest.raises(InputError, match="half"):
        MotionTrack.load(half)
    good = tmp_path / "good.safetensors"
    random_track(3).save(good)
    arrays = load_file(good)
    for time_base in ("1/0", "-1/25", "soon"):
        save_file(arrays, half, metadata={"format": "pdfgc.motion/1", "time_base": time_base})
        with pytest.raises(InputError, match="half"):
            MotionTrack.load(half)
