"""The steps of Winograd's convolutions by `winograd.c`. They run on the thread that calls, without Python's lock."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_float, c_ssize_t, c_void_p
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc import compiled
from pdfgc.networks.winograd_steps import TILE, Finish, Readout, Start
from pdfgc.parallel import Threads

_SIX, _EIGHT, _FIVE = 6, 8, TILE + 1
_WINDOW_BLOCK, _WINDOW_ROWS = 32, 3 + 2 * TILE
"""As in `winograd.c`."""

_TAPS: tuple[tuple[float, float, float], ...] = (
    (1, 0, 0),
    (-2 / 9, -2 / 9, -2 / 9),
    (-2 / 9, 2 / 9, -2 / 9),
    (1 / 90, 1 / 45, 2 / 45),
    (1 / 90, -1 / 45, 2 / 45),
    (32 / 45, 16 / 45, 8 / 45),
    (32 / 45, -16 / 45, 8 / 45),
    (0, 0, 1),
)
"""Three taps to what the eight factors of F(6, 3) are multiplied by."""


class _Shape(Structure):
    _fields_ = [(name, c_ssize_t) for name in ("batch", "height", "width", "channels", "pixel")]


class _Start(Structure):
    _fields_ = [("scale", c_void_p), ("scale_batch", c_ssize_t), ("shift", c_void_p)]


class _Finish(Structure):
    _fields_ = [
        ("gain", c_void_p),
        ("gain_batch", c_ssize_t),
        ("bias", c_void_p),
        ("added", c_void_p),
        ("added_batch", c_ssize_t),
        ("added_row", c_ssize_t),
        ("added_column", c_ssize_t),
        ("noise", c_void_p),
        ("noise_row", c_ssize_t),
        ("noise_column", c_ssize_t),
        ("slope", c_float),
    ]


class _Readout(Structure):
    _fields_ = [("weight", c_void_p), ("sums", c_void_p)]


class _Sorts(Structure):
    _fields_ = [(name, c_void_p) for name in ("both", "down", "across", "plain")]


_ROWS = [c_ssize_t, c_ssize_t]
_OF_STEPS = {
    "conv_factors": [c_void_p, POINTER(_Shape), POINTER(_Start), *_ROWS, c_void_p],
    "conv_output": [c_void_p, POINTER(_Shape), POINTER(_Finish), POINTER(_Readout), *_ROWS, c_void_p],
    "doubling_factors": [c_void_p, POINTER(_Shape), POINTER(_Start), *_ROWS, POINTER(_Sorts)],
    "doubling_output": [
        POINTER(_Sorts),
        c_void_p,
        POINTER(_Shape),
        POINTER(_Finish),
        *_ROWS,
        *[c_void_p] * 3,
    ],
    "doubling_end": [c_void_p, c_void_p, POINTER(_Shape), POINTER(_Finish), c_void_p, c_void_p],
}
_OF_PRODUCTS = {"products": [c_void_p, c_void_p, *[c_ssize_t] * 6, c_void_p], "panel_columns": []}


class CompiledSteps:
    """See `winograd_steps.Steps`."""

    conv_tile, conv_taps = _SIX, _TAPS
    strip_pixels = 4096
    """Fewer cost the products speed, more do not fit the caches."""

    def __init__(self, steps: ctypes.CDLL, products: ctypes.CDLL) -> None:
        for library, signatures in ((steps, _OF_STEPS), (products, _OF_PRODUCTS)):
            for name, arguments in signatures.items():
                function = getattr(library, name)
                function.argtypes, function.restype = arguments, None
        products.panel_columns.restype = c_ssize_t
        self._library, self._products = steps, products
        self._panel = int(products.panel_columns())
        self._threads = Threads()

    @classmethod
    def load(cls) -> CompiledSteps | None:
        """The steps, compiled if they are not yet; None where that is impossible."""
        libraries = [compiled.load(Path(__file__).with_name(name)) for name in ("winograd.c", "products.c")]
        steps, products = libraries
        return None if steps is None or products is None else cls(steps, products)

    def laid_out(self, weight: Tensor) -> Tensor:
        """`[count, panels, in, panel]`, zeros in the last panel where it is wider than the matrix."""
        beyond = -weight.shape[-1] % self._panel
        padded = F.pad(weight, (0, beyond)) if beyond else weight
        return padded.unflatten(-1, (-1, self._panel)).transpose(1, 2).contiguous()

    def products(self, factors: Tensor, weight: Tensor, outputs: int) -> Tensor:
        """Divided among torch's threads, as torch's own are."""
        factors = _gapless(factors)
        count, rows, inputs = factors.shape
        products = factors.new_empty(count, rows, outputs)

        def multiply(part: range) -> None:
            self._products.products(
                _at(factors), _at(weight), count, rows, inputs, outputs, part.start, part.stop, _at(products)
            )

        most = -(-rows // torch.get_num_threads())
        self._threads.map(multiply, [range(k, min(k + most, rows)) for k in range(0, rows, most)])
        return products

    def conv_factors(self, x: Tensor, rows: slice, start: Start | None) -> Tensor:
        x, begin = _channels_side_by_side(x), _Starting(start)
        tiles = len(x) * -(-(rows.stop - rows.start) // _SIX) * -(-x.shape[2] // _SIX)
        factors = x.new_empty(_EIGHT**2, tiles, x.shape[-1])
        self._library.conv_factors(
            _at_map(x), byref(_shape(x)), byref(begin.told), rows.start, rows.stop, _at(factors)
        )
        return factors

    def conv_output(
        self, products: Tensor, rows: slice, finish: Finish, out: Tensor, readout: Readout | None = None
    ) -> None:
        self._to_output(products, rows, finish, _shape(out), _at_map(out), readout)

    def conv_readout(self, products: Tensor, rows: slice, finish: Finish, readout: Readout) -> None:
        batch, height, width, _ = readout.sums.shape
        channels = products.shape[-1]
        self._to_output(
            products, rows, finish, _Shape(batch, height, width, channels, channels), None, readout
        )

    def _to_output(
        self,
        products: Tensor,
        rows: slice,
        finish: Finish,
        shape: _Shape,
        out: int | None,
        readout: Readout | None,
    ) -> None:
        with_all = _Finishing(finish, products, shape.channels)
        weight = None if readout is None else _gapless(readout.weight.expand(shape.batch, -1, -1))
        read = _Readout() if readout is None else _Readout(_at(weight), _at(readout.sums))
        self._library.conv_output(
            _at(products), byref(shape), byref(with_all.told), byref(read), rows.start, rows.stop, out
        )

    def doubling_factors(self, x: Tensor, rows: slice, start: Start | None) -> list[Tensor]:
        x, begin = _channels_side_by_side(x), _Starting(start)
        tiles = len(x) * (rows.stop - rows.start) // TILE * (x.shape[2] // TILE)
        channels = x.shape[-1]
        sizes = [(_FIVE**2, tiles), (_FIVE, TILE * tiles), (_FIVE, TILE * tiles), (1, TILE**2 * tiles)]
        factors = [x.new_empty(count, number, channels) for count, number in sizes]
        self._library.doubling_factors(
            _at_map(x),
            byref(_shape(x)),
            byref(begin.told),
            rows.start,
            rows.stop,
            byref(_Sorts(*map(_at, factors))),
        )
        return factors

    def doubling_output(
        self,
        products: list[Tensor],
        edge: Tensor,
        kept: Tensor,
        rows: slice,
        finish: Finish,
        out: Tensor,
    ) -> None:
        with_all, room = _Finishing(finish, out, out.shape[-1]), _room(out)
        self._library.doubling_output(
            byref(_Sorts(*map(_at, products))),
            _at(edge),
            byref(_input_shape(out)),
            byref(with_all.told),
            rows.start,
            rows.stop,
            _at(kept),
            _at(room),
            _at(out),
        )

    def doubling_end(self, kept: Tensor, last: Tensor, finish: Finish, out: Tensor) -> None:
        last, with_all, room = _gapless(last), _Finishing(finish, out, out.shape[-1]), _room(out)
        self._library.doubling_end(
            _at(kept),
            _at(last),
            byref(_input_shape(out)),
            byref(with_all.told),
            _at(room),
            _at(out),
        )


class _Starting:
    """A `Start` as the C functions take it, and what its addresses point to."""

    def __init__(self, start: Start | None) -> None:
        scale = None if start is None else _gapless(start.scale)
        shift = None if start is None or start.shift is None else _gapless(start.shift)
        self._kept = scale, shift
        self.told = _Start(_at(scale), 0 if scale is None else _steps(scale)[0], _at(shift))


class _Finishing:
    """A `Finish` as the C functions take it, and what its addresses point to."""

    def __init__(self, finish: Finish, like: Tensor, channels: int) -> None:
        zeros = like.new_zeros(channels)
        gain = like.new_ones(1, channels) if finish.gain is None else _gapless(finish.gain)
        bias = zeros if finish.bias is None else _gapless(finish.bias)
        added = zeros.expand(1, 1, 1, -1) if finish.added is None else _gapless(finish.added)
        noise = zeros[:1, None] if finish.noise is None else _gapless(finish.noise)
        self._kept = gain, bias, added, noise
        self.told = _Finish(
            _at(gain),
            _steps(gain)[0],
            _at(bias),
            _at(added),
            *_steps(added)[:3],
            _at(noise),
            *_steps(noise),
            finish.slope,
        )


def _at(tensor: Tensor | None) -> int | None:
    """The address of float32 numbers without gaps."""
    if tensor is None:
        return None
    if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or not tensor.is_contiguous():
        raise ValueError(
            f"expected float32 numbers side by side on the CPU, got {tensor.dtype} {tensor.stride()}"
        )
    return tensor.data_ptr()


def _at_map(map_: Tensor) -> int:
    """The address of a map that has gaps between pixels at most."""
    if map_.dtype != torch.float32 or map_.device.type != "cpu" or not _is_map(map_):
        raise ValueError(
            f"expected float32 channels side by side on the CPU, got {map_.dtype} {map_.stride()}"
        )
    return map_.data_ptr()


def _is_map(map_: Tensor) -> bool:
    _, height, width, _ = map_.shape
    pixel = _pixel(map_)
    return map_.stride() == (height * width * pixel, width * pixel, pixel, 1) or map_.is_contiguous()


def _pixel(map_: Tensor) -> int:
    """Floats from one pixel of a map to the next."""
    return map_.shape[3] if map_.is_contiguous() else map_.stride(2)


def _channels_side_by_side(map_: Tensor) -> Tensor:
    """The map itself, or a copy where that has gaps elsewhere than between pixels."""
    return map_ if _is_map(map_) else map_.contiguous()


def _gapless(tensor: Tensor) -> Tensor:
    return tensor.contiguous()


def _steps(tensor: Tensor) -> list[int]:
    """Floats from one to the next along each axis, 0 where there is one only."""
    return [step if length > 1 else 0 for step, length in zip(tensor.stride(), tensor.shape, strict=True)]


def _shape(map_: Tensor) -> _Shape:
    return _Shape(*map_.shape, _pixel(map_))


def _input_shape(out: Tensor) -> _Shape:
    """Of the map that was doubled, with the output's channels."""
    batch, height, width, channels = out.shape
    return _Shape(batch, height // 2, width // 2, channels, channels)


def _room(out: Tensor) -> Tensor:
    """What `winograd.c` filters in."""
    return out.new_empty((_WINDOW_ROWS + 1) * (out.shape[2] + 3) * _WINDOW_BLOCK)
