import numpy as np
import pytest

from pdfgc.data.talking_head_3d.speech import CONSONANTS, LIP_ACTIONS, RATE, VOWELS, follow, invent

JAW = LIP_ACTIONS.index("jawOpen")


def loudness(samples: np.ndarray, times: np.ndarray) -> np.ndarray:
    at = (times * RATE).astype(int)
    return np.array([np.sqrt(np.square(samples[max(i - 200, 0) : i + 200]).mean()) for i in at])


def test_invented_speech_opens_the_mouth_when_it_sounds() -> None:
    speech = invent(6.0, np.random.default_rng(1))
    times = np.arange(150) / 25
    lips = speech.lips(times)
    assert lips.shape == (150, len(LIP_ACTIONS))
    assert len(speech.samples) == 6 * RATE
    assert 0.2 < np.abs(speech.samples).max() <= 1
    assert np.corrcoef(lips[:, JAW], loudness(speech.samples, times))[0, 1] > 0.6


def test_phones_say_where_lips_are_shut_and_open() -> None:
    speech = invent(8.0, np.random.default_rng(2))
    starts = np.array([start for start, _ in speech.phones])
    ends = np.append(starts[1:], 8.0)
    middle = dict.fromkeys(("m", "a", "silence"), 0.0)
    for wanted in middle:
        found = [(s + e) / 2 for (s, name), e in zip(speech.phones, ends, strict=True) if name == wanted]
        middle[wanted] = float(np.mean(speech.lips(np.array(found))[:, JAW]))
    assert middle["m"] < middle["a"] / 2
    assert middle["silence"] < middle["a"] / 2


def test_the_same_seed_says_the_same() -> None:
    one, other, third = (invent(2.0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.samples, other.samples)
    np.testing.assert_array_equal(one.track, other.track)
    assert not np.array_equal(one.samples, third.samples)


def test_lips_follow_the_loudness_of_a_sound() -> None:
    time = np.arange(2 * RATE) / RATE
    gate = (time % 1) < 0.5
    speech = follow(0.5 * gate * np.sin(2 * np.pi * 300 * time))
    open_, shut = speech.lips(np.array([0.25, 1.25])), speech.lips(np.array([0.75, 1.75]))
    assert open_[:, JAW].min() > 0.2
    assert shut[:, JAW].max() < 0.05


def test_a_bright_sound_widens_the_lips_and_a_dark_one_rounds_them() -> None:
    time = np.arange(RATE) / RATE
    at = np.array([0.5])
    dark, bright = (follow(0.5 * np.sin(2 * np.pi * hertz * time)).lips(at)[0] for hertz in (250, 2500))
    wide, round_ = LIP_ACTIONS.index("mouthStretch"), LIP_ACTIONS.index("mouthPucker")
    assert bright[wide] > dark[wide]
    assert dark[round_] > bright[round_]


@pytest.mark.parametrize("name", [*VOWELS, *CONSONANTS])
def test_every_phone_uses_the_lips_of_the_tracks(name: str) -> None:
    phone = (VOWELS | CONSONANTS)[name]
    assert set(phone.lips) <= set(LIP_ACTIONS)
    assert all(0 < weight <= 1 for weight in phone.lips.values())
