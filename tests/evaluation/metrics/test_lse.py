import numpy as np
import pytest

from pdfgc.evaluation.metrics.lse import SHIFT, lse, mean_distances, nlse_c
from pdfgc.evaluation.result import MetricResult


def test_distances_by_hand() -> None:
    lips, sound = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [2.0]])
    distances = mean_distances(lips, sound, shift=1)
    assert distances == pytest.approx([(0 + 1 + 1) / 3, 0, (1 + 1 + 2) / 3], abs=1e-5)


@pytest.mark.parametrize("late", [-3, 0, 4])
def test_the_offset_of_shifted_lips(late: int) -> None:
    sound = np.random.default_rng(0).normal(size=(80, 6))
    results = lse(mean_distances(np.roll(sound, late, 0), sound), 80, {"network": "none"})
    assert results["lse_c"].settings["offset_frames"] == late
    assert results["lse_c"].value is not None and results["lse_c"].value > 2
    assert results["lse_d"].settings["shift"] == SHIFT


def test_confidence_is_the_median_less_the_least() -> None:
    results = lse(np.array([9.0, 7, 2, 8, 8]), 50, {})
    assert (results["lse_c"].value, results["lse_d"].value) == (6, 2)
    assert results["lse_c"].settings["offset_frames"] == 0


def test_nlse_c_of_the_papers_own_numbers() -> None:
    ours = MetricResult("lse_c", 7.26, "", 30)
    assert nlse_c(ours, 7.35).value == pytest.approx(0.012, abs=5e-4)  # Table 1, PD-FGC
    assert nlse_c(MetricResult("lse_c", 9.23, "", 30), 7.80).value == pytest.approx(
        0.183, abs=5e-4
    )  # Wav2Lip
    against = nlse_c(ours, MetricResult("lse_c", 7.26, "", 30))
    assert against.value == 0 and "truth" in against.settings["reference"]
    missing = nlse_c(MetricResult("lse_c", None, "", 0, {}, "no weights"), 7.35)
    assert missing.value is None and missing.reason == "no weights"
