import numpy as np
import pytest

from pdfgc.evaluation.metrics.lpips import lpips
from pdfgc.evaluation.metrics.psnr import CAP, frame_psnr, psnr
from pdfgc.evaluation.metrics.ssim import K1, K2, SIGMA, WINDOW, frame_ssim, ssim

NOISE = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), dtype=np.uint8)


def test_psnr_by_hand() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert frame_psnr(grey, grey + 5) == pytest.approx(10 * np.log10(255**2 / 25))
    assert frame_psnr(grey, grey) == CAP
    black, white = np.zeros_like(grey), np.full_like(grey, 255)
    assert frame_psnr(black, white) == 0


def test_ssim_of_flat_pictures_is_the_term_of_brightness() -> None:
    dark, light = np.full((16, 16, 3), 50, np.uint8), np.full((16, 16, 3), 80, np.uint8)
    c1 = (K1 * 255) ** 2
    assert frame_ssim(dark, light) == pytest.approx((2 * 50 * 80 + c1) / (50**2 + 80**2 + c1))


def test_ssim_written_out_for_one_window() -> None:
    one, other = NOISE[0, :WINDOW, :WINDOW], NOISE[1, :WINDOW, :WINDOW]
    x, y = (p.astype(float) @ (0.299, 0.587, 0.114) for p in (one, other))
    bell = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    weight = np.outer(bell, bell) / bell.sum() ** 2
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy, cov = ((weight * a * b).sum() - m for a, b, m in ((x, x, mx**2), (y, y, my**2), (x, y, mx * my)))
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    expected = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert frame_ssim(one, other) == pytest.approx(expected, rel=1e-9)


def test_ssim_of_equal_pictures_is_one_and_falls_with_noise() -> None:
    assert frame_ssim(NOISE[0], NOISE[0]) == pytest.approx(1)
    assert frame_ssim(NOISE[0], NOISE[1]) < 0.2
    with pytest.raises(ValueError, match="one size"):
        frame_ssim(NOISE[0], NOISE[1, :12])


@pytest.mark.parametrize("metric", [psnr, ssim, lpips])
def test_a_clip_counts_the_mean_of_its_frames(metric: type) -> None:
    result = metric(np.array([1.0, 2.0, 6.0]))
    assert (result.value, result.samples) == (3.0, 3)
    assert metric(np.zeros(0)).value is None
