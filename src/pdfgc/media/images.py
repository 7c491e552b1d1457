"""Still pictures of any kind, animated pictures, and folders of numbered pictures, as upright 8-bit RGB."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageCms, ImageOps

from pdfgc.errors import InputError
from pdfgc.media.container import PathLike

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif", ".ppm", ".jp2", ".tga"}
)
"""Suffixes that make a file of a folder one of its numbered pictures (lower case)."""

# Formats whose several pictures are moments; elsewhere (TIFF, MPO) they are pages or views.
_ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
# Browsers show a picture of 10 ms or less for a tenth of a second; so do we.
_SHORTEST = Fraction(1, 50)
_DEFAULT_DELAY = Fraction(1, 10)


def read_image(path: PathLike) -> np.ndarray:
    """Reads a photo of any kind as it should be looked at.

    EXIF orientation is applied, an embedded colour profile is converted to sRGB, grey, palette, CMYK and
    16-bit pictures become 8-bit RGB, transparency is laid over white, an animation gives its first picture.

    Returns:
        uint8 RGB, [H, W, 3].

    Raises:
        InputError: when there is no such file or it is no picture that can be read.
    """
    source = Path(path)
    if source.is_dir():
        raise InputError(f"{source} is a folder, but a picture file was expected")
    if not source.exists():
        raise InputError(f"there is no picture {source}")
    picture = _open(source)
    if picture is None:
        return _read_other(source)
    with picture, _readable(source):
        return _to_rgb(picture)


def as_rgb(picture: object) -> np.ndarray:
    """A picture in memory as `read_image` would have it.

    Args:
        picture: a PIL image, or uint8 pixels `[H, W, 3]` RGB, `[H, W, 4]` RGBA or `[H, W]` grey.

    Returns:
        uint8 RGB, [H, W, 3]; RGB pixels are not copied.

    Raises:
        InputError: for anything else.
    """
    if isinstance(picture, Image.Image):
        with _readable(Path(str(getattr(picture, "filename", "") or "given"))):
            return _to_rgb(picture)
    accepted = "a path, a PIL image, or uint8 pixels [H, W, 3], [H, W, 4] or [H, W]"
    if not isinstance(picture, np.ndarray):
        raise InputError(f"a portrait must be {accepted}, not {type(picture).__name__}")
    channels = picture.shape[2] if picture.ndim == 3 else 1 if picture.ndim == 2 else 0
    if picture.dtype != np.uint8 or channels not in (1, 3, 4) or not picture.size:
        raise InputError(f"a portrait must be {accepted}, not {list(picture.shape)} {picture.dtype}")
    if channels == 3:
        return picture
    return _to_rgb(Image.fromarray(picture[..., 0] if picture.ndim == 3 and channels == 1 else picture))


def is_still(path: PathLike) -> bool:
    """Whether the file holds one picture without time: an image file that is not animated."""
    picture = _open(Path(path))
    if picture is None:
        return _other_format(path) is not None
    with picture:
        return not _is_animated(picture)


def is_animation(path: PathLike) -> bool:
    """Whether the file is an animated picture (GIF, WebP, APNG, AVIF)."""
    picture = _open(Path(path))
    if picture is None:
        return False
    with picture:
        return _is_animated(picture)


def read_animation(path: PathLike) -> Iterator[tuple[np.ndarray, Fraction]]:
    """Pictures of an animated picture and how long each is shown: (uint8 [H, W, 3], seconds).

    Raises:
        InputError: when a picture cannot be decoded.
    """
    picture = _open(Path(path))
    if picture is None:
        raise InputError(f"{path} is not an animated picture")
    with picture:
        for index in range(getattr(picture, "n_frames", 1)):
            with _readable(Path(path)):
                picture.seek(index)
                # The copy leaves the decoder's own state, on which the next picture builds, untouched.
                pixels = _to_rgb(picture.copy())
            yield pixels, _delay(picture)


def animation_delays(path: PathLike) -> list[Fraction]:
    """How long each picture of an animated picture is shown, in seconds."""
    return [delay for _, delay in read_animation(path)]


def list_frames(folder: PathLike) -> list[Path]:
    """Picture files of a folder in natural order (2 before 10); hidden and other files are passed over.

    Raises:
        InputError: when the folder holds no picture.
    """
    files = [
        file
        for file in Path(folder).iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    ]
    if not files:
        raise InputError(
            f"the folder {folder} holds no pictures; numbered ones such as 0001.png were expected"
        )
    return sorted(files, key=_natural)


def _natural(file: Path) -> tuple[list[str | int], str]:
    # Splitting at runs of digits puts text at even and numbers at odd places, so like meets like.
    parts = re.split(r"([0-9]+)", file.name.lower())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], file.name


def _open(source: Path) -> Image.Image | None:
    """The picture with only its header read, or None when Pillow does not know the format."""
    try:
        with warnings.catch_warnings():
            # Large scans are welcome; Pillow still refuses those that look like an attack.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(source)
    except Image.DecompressionBombError as error:
        raise InputError(f"the picture {source} is too large to read: {error}") from error
    except (OSError, SyntaxError, ValueError):
        return None


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Turns what Pillow raises on damaged files into an InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"the picture {source} is damaged and cannot be read: {error}") from error


def _is_animated(picture: Image.Image) -> bool:
    return picture.format in _ANIMATED and getattr(picture, "n_frames", 1) > 1


def _delay(picture: Image.Image) -> Fraction:
    milliseconds = picture.info.get("duration") or 0
    delay = Fraction(milliseconds).limit_denominator(100_000) / 1000
    return delay if delay >= _SHORTEST else _DEFAULT_DELAY


def _to_rgb(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
        grey = _deep_to_8_bit(np.asarray(picture))
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.has_transparency_data:
        picture = picture.convert("RGBA")
    picture = _to_srgb(picture)
    if picture.mode == "RGBA":
        # One more conversion than alpha_composite would need, but it keeps opaque pixels bit-exact.
        paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(paper, picture)
    return np.array(picture.convert("RGB"))


def _deep_to_8_bit(values: np.ndarray) -> np.ndarray:
    """One channel of integers of 16 or 32 bits, or of floats (0..1, 0..255 or 0..65535), as uint8."""
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(finite.max(initial=0.0))
    if values.dtype.kind == "f":
        full = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0
    else:
        full = 65535.0 if top <= 65535.0 else float(2**31 - 1)
    return np.rint(np.clip(finite / full, 0.0, 1.0) * 255.0).astype(np.uint8)


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Converts by the embedded colour profile, where there is one that fits and that is not sRGB already."""
    data = picture.info.get("icc_profile")
    if not data or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, profile, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A broken profile, or one of another colour model, is worth less than the plain numbers.
        return picture
    return picture if converted is None else converted


def _other_format(path: PathLike) -> str | None:
    """What FFmpeg, which knows formats that Pillow does not, calls the file if it is a single picture.

    `image2` goes by the name alone, `png_pipe` and the like by the contents.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        return None
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            name = container.format.name
    except (av.FFmpegError, OSError):
        return None
    return name if name == "image2" or name.endswith("_pipe") else None


def _read_other(source: Path) -> np.ndarray:
    """Reads by FFmpeg what Pillow cannot, for instance TIFF with 16 bits in three channels."""
    name = _other_format(source)
    unknown = f"{source} is not a picture that can be read (JPEG, PNG, WebP, TIFF, BMP, GIF)"
    if name is None:
        raise InputError(unknown)
    try:
        with av.open(f"file:{source}", options={"protocol_whitelist": "file"}) as container:
            frame = next(container.decode(video=0))
            alpha = any(component.is_alpha for component in frame.format.components)
            pixels = frame.to_ndarray(format="rgba" if alpha else "rgb24")
    except (av.FFmpegError, OSError, StopIteration, ValueError) as error:
        if name == "image2":  # nothing but its name speaks for a picture
            raise InputError(unknown) from error
        raise InputError(f"the picture {source} is damaged and cannot be read") from error
    return np.array(_to_rgb(Image.fromarray(pixels)))
