import numpy as np
import pytest

from pdfgc.evaluation.mfcc import mfcc

TONES = np.rint(8000 * np.sin(np.arange(1600) * 0.1) + 2000 * np.sin(np.arange(1600) * 0.73))


def test_equals_python_speech_features() -> None:
    """Its version 0.6, columns 0 and 4 of two tones."""
    cepstra = mfcc(TONES)
    assert cepstra.shape == (9, 13)
    assert cepstra[0, :4] == pytest.approx([19.39398734, 9.4824829, -6.96379658, 26.60392618])
    assert cepstra[4, :4] == pytest.approx([19.39736085, 17.99599947, -14.99004376, 14.71482092])


def test_silence_and_little_sound_are_finite() -> None:
    assert np.isfinite(mfcc(np.zeros(641))).all()
    assert mfcc(np.ones(10)).shape == (1, 13)
    assert mfcc(np.zeros(640 * 5)).shape == (19, 13)
