"""Between decoded pictures of any kind and upright 8-bit RGB; from RGB to what encoders take."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

# AVColorSpace of FFmpeg (ITU-T H.273, MatrixCoefficients).
_UNSPECIFIED_MATRIX = 2
# Pixels are taken as they are where a file states an absurd pixel shape.
_WIDEST_PIXEL = 4
# swscale's flags for rounding to nearest and for chroma at full width (PyAV 17 has no names for them).
# Without them colours come back up to 2 levels too dark.
_ACCURATE = int(Interpolation.BILINEAR) | 0x40000 | 0x2000


def upright_rgb(picture: av.VideoFrame, aspect: Fraction | None, reformatter: VideoReformatter) -> np.ndarray:
    """A decoded picture as it should be looked at.

    Args:
        picture: any size and pixel format.
        aspect: width of a pixel over its height, or None where the file does not say.
        reformatter: kept by the caller from picture to picture, because it is costly to set up.

    Returns:
        uint8 RGB, [H, W, 3], with square pixels, turned and mirrored as the file asks. Colours follow the
        file's matrix and range; the transfer curve stays (no tone mapping of HDR).
    """
    rgb = reformatter.reformat(
        picture,
        width=_square_width(picture.width, aspect),
        format="rgb24",
        src_colorspace=_matrix(picture),
        dst_color_range=ColorRange.JPEG,
        interpolation=_ACCURATE,
        threads=1,
    )
    return apply_display_matrix(rgb.to_ndarray(), _display_matrix(picture))


def bt709_frame(image: np.ndarray, reformatter: VideoReformatter) -> av.VideoFrame:
    """uint8 RGB [H, W, 3] with even sides as yuv420p, BT.709, limited range (and tagged so)."""
    return reformatter.reformat(
        av.VideoFrame.from_ndarray(image, format="rgb24"),
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=_ACCURATE,
        threads=1,
    )


def apply_display_matrix(image: np.ndarray, matrix: tuple[int, int, int, int] | None) -> np.ndarray:
    """Turns and mirrors a picture by the linear part of an MP4 display matrix, to the nearest quarter turn.

    Args:
        image: [H, W, C].
        matrix: (a, b, c, d), 16.16 fixed point: a point (x right, y down) goes to (a x + c y, b x + d y)
            (ISO/IEC 14496-12, 6.2.2). None or all zero leaves the picture as it is.

    Returns:
        a contiguous array, [H, W, C] or [W, H, C].
    """
    if matrix is None or not any(matrix):
        return image
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        across, down = a, d
    else:
        image = image.swapaxes(0, 1)
        across, down = c, b
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _matrix(picture: av.VideoFrame) -> Colorspace | None:
    """The YUV matrix to assume where the file states none: BT.709 for HD, BT.601 below, as players do."""
    if picture.colorspace != _UNSPECIFIED_MATRIX:
        return None
    return Colorspace.ITU709 if picture.width >= 1280 or picture.height > 576 else Colorspace.ITU601


def _square_width(width: int, aspect: Fraction | None) -> int:
    """The width at which pixels are square (anamorphic video has wide or narrow ones)."""
    if not aspect or not Fraction(1, _WIDEST_PIXEL) <= aspect <= _WIDEST_PIXEL:
        return width
    return max(1, round(width * Fraction(aspect)))


def _display_matrix(picture: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """The linear part (a, b, c, d) of the display matrix, or None where there is none."""
    data = picture.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, SideData):
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    return a, b, c, d
