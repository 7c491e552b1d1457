from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from media.clips import corners, grey, quarters
from pdfgc.errors import InputError
from pdfgc.media.images import is_still, list_frames, read_image


def check(image: np.ndarray) -> np.ndarray:
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.flags.writeable
    return image


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif", ".gif"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(quarters()).save(path)
    assert corners(check(read_image(path))) == "wrgb"
    assert is_still(path)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(1, "wrgb"), (2, "rwbg"), (3, "bgrw"), (4, "gbwr"), (5, "wgrb"), (6, "gwbr"), (7, "brgw"), (8, "rbwg")],
)
def test_exif_orientation(tmp_path: Path, orientation: int, expected: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(quarters()).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    assert corners(image) == expected
    assert image.shape == ((64, 48, 3) if orientation > 4 else (48, 64, 3))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_modes(tmp_path: Path, mode: str) -> None:
    Image.fromarray(grey(255)).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(check(read_image(tmp_path / "a.png")), grey(255))


def test_cmyk(tmp_path: Path) -> None:
    Image.fromarray(quarters()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert corners(check(read_image(tmp_path / "a.jpg"))) == "wrgb"


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = (10, 20, 30, 255)
    rgba[2] = (0, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image[0, 0].tolist() == [10, 20, 30]
    assert image[2, 0].tolist() == [127, 127, 127]
    assert image[3, 0].tolist() == [255, 255, 255]


def test_transparent_palette_lies_over_white(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 200, 10, 10])
    picture.putpixel((0, 0), 1)
    picture.save(tmp_path / "a.png", transparency=0)
    image = read_image(tmp_path / "a.png")
    assert image[0, 0].tolist() == [200, 10, 10]
    assert image[1, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit(tmp_path: Path, suffix: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (8, 1))
    expected = np.linspace(0, 255, 64)
    cv2.imwrite(str(tmp_path / f"grey{suffix}"), ramp)
    cv2.imwrite(str(tmp_path / f"colour{suffix}"), np.stack([ramp, ramp[:, ::-1], ramp], 2))
    single = check(read_image(tmp_path / f"grey{suffix}"))
    assert np.abs(single[0, :, 0] - expected).max() <= 1
    colour = check(read_image(tmp_path / f"colour{suffix}"))
    assert np.abs(colour[0, :, 0] - expected).max() <= 1
    assert np.abs(colour[0, :, 1] - expected[::-1]).max() <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_float_tiff(tmp_path: Path, top: float) -> None:
    values = np.linspace(0, top, 64, dtype=np.float32)[None].repeat(4, 0)
    values[3, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    image = check(read_image(tmp_path / "a.tif"))
    assert np.abs(image[0, :, 1] - np.linspace(0, 255, 64)).max() <= 1


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    plain = Image.fromarray(np.full((8, 8, 3), (200, 120, 60), np.uint8))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    for name, profile in (("srgb", srgb), ("lab", lab)):
        plain.save(tmp_path / f"{name}.png", icc_profile=profile.tobytes())
        # sRGB changes nothing; a profile of another colour model is left aside
        assert np.array_equal(read_image(tmp_path / f"{name}.png"), np.asarray(plain))
    plain.save(tmp_path / "broken.png", icc_profile=b"no profile")
    assert np.array_equal(read_image(tmp_path / "broken.png"), np.asarray(plain))
    matrix = _wide_profile(srgb.tobytes())
    plain.save(tmp_path / "wide.png", icc_profile=matrix)
    red, green, blue = read_image(tmp_path / "wide.png")[0, 0].astype(int)
    assert (red, green, blue) != (200, 120, 60)


def _wide_profile(srgb: bytes) -> bytes:
    """An RGB profile with red and blue swapped and no telling name, made from the one of sRGB."""
    data = bytearray(
        srgb.replace(b"sRGB", b"test").replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    )
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data)


def test_only_the_first_picture_of_an_animation(tmp_path: Path) -> None:
    first, second = Image.fromarray(grey(50)), Image.fromarray(grey(200))
    for name in ("a.gif", "a.webp", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=[second], duration=100)
        assert np.abs(read_image(tmp_path / name).astype(int) - 50).max() <= 2
        assert not is_still(tmp_path / name)
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    assert is_still(tmp_path / "pages.tif")


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(quarters()).save(tmp_path / "a.jpg", format="PNG")
    assert corners(read_image(tmp_path / "a.jpg")) == "wrgb"


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "tga"])
def test_a_text_that_is_named_like_a_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    path.write_text("Dear diary, nothing to see here.\n" * 20)
    with pytest.raises(InputError, match=rf"notes\.{suffix} is not a picture"):
        read_image(path)


def test_natural_order(tmp_path: Path) -> None:
    for name in ("b2.png", "b10.png", "a03.PNG", "10.png", "9.jpg", "x.y.png"):
        (tmp_path / name).touch()
    (tmp_path / "dir.png").mkdir()
    names = [file.name for file in list_frames(tmp_path)]
    assert names == ["9.jpg", "10.png", "a03.PNG", "b2.png", "b10.png", "x.y.png"]


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no picture"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)
    for name, data in (("text.png", b"hello"), ("empty.jpg", b""), ("zeros.tif", bytes(100))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="read"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_truncated_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=f"a{suffix}"):
        read_image(path)


def test_an_enormous_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(grey(1)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="too large"):
        read_image(tmp_path / "a.png")
