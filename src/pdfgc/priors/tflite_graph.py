"""TFLite networks as differentiable torch modules: the operators that MediaPipe's face networks consist of.

The file is read by the package `tflite` (the format's own schema). Tensors keep TFLite's layout
`[batch, height, width, channels]`, which torch's convolutions take as their channels-last one without copying.
The first axis of what enters and leaves is the batch, which the stored graphs leave at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.errors import InputError

Operator = Callable[..., Tensor]


@dataclass(frozen=True)
class _Step:
    run: Operator
    inputs: tuple[int, ...]
    output: int


class TFLiteGraph(nn.Module):
    """A frozen network.

    Args:
        data: the contents of a `.tflite` file.

    Raises:
        InputError: the file is no such network, or has operators other than those of MediaPipe's face networks.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        import tflite

        if data[4:8] != b"TFL3":
            raise InputError("expected a TFLite network, but the file is another one")
        model = tflite.Model.GetRootAs(data, 0)
        graph = model.Subgraphs(0)
        names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
        known = _constants(model, graph)
        self._inputs = tuple(int(i) for i in graph.InputsAsNumpy())
        self._outputs = tuple(int(i) for i in graph.OutputsAsNumpy())
        self._steps: list[_Step] = []
        for number in range(graph.OperatorsLength()):
            stored = graph.Operators(number)
            code = model.OperatorCodes(stored.OpcodeIndex())
            name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            inputs = tuple(int(i) for i in stored.InputsAsNumpy())
            output = int(stored.OutputsAsNumpy()[0])
            if name == "DEQUANTIZE":  # the weights are stored in half precision
                known[output] = known[inputs[0]].astype(np.float32)
            else:
                self._steps.append(_Step(_operator(name, stored, inputs, known), inputs, output))
        used = {i for step in self._steps for i in step.inputs if i in known}
        for index in used:
            # Shapes and axes are read by the operators when they are made; a copy of them does no harm.
            self.register_buffer(f"constant_{index}", torch.from_numpy(np.array(known[index])))
        self._known = tuple(sorted(used))
        self._last = {i: n for n, step in enumerate(self._steps) for i in step.inputs}

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs, in its order, each `[batch, ...]`."""
        values: dict[int, Tensor] = dict(zip(self._inputs, inputs, strict=True))
        values.update({index: self.get_buffer(f"constant_{index}") for index in self._known})
        for number, step in enumerate(self._steps):
            values[step.output] = step.run(*(values[i] for i in step.inputs if i >= 0))
            for index in step.inputs:
                if self._last.get(index) == number and index not in self._outputs:
                    values.pop(index, None)
        return tuple(values[index] for index in self._outputs)


def _constants(model: Any, graph: Any) -> dict[int, np.ndarray]:
    """The stored tensors by number."""
    import tflite

    kinds = {
        tflite.TensorType.FLOAT32: np.float32,
        tflite.TensorType.FLOAT16: np.float16,
        tflite.TensorType.INT32: np.int32,
    }
    constants = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength() == 0:
            continue
        if tensor.Type() not in kinds:
            raise InputError(f"expected float or int32 tensors in a TFLite network, got type {tensor.Type()}")
        shape = tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
        constants[index] = np.frombuffer(buffer.DataAsNumpy().tobytes(), kinds[tensor.Type()]).reshape(shape)
    return constants


def _operator(name: str, stored: Any, inputs: tuple[int, ...], known: dict[int, np.ndarray]) -> Operator:
    """A function of an operator's input tensors, its options and constant arguments already in it."""
    if name in _SIMPLE:
        return _SIMPLE[name]
    if name not in _WITH_OPTIONS:
        raise InputError(f"expected the operators of MediaPipe's face networks, got {name}")
    arguments = [known[i] for i in inputs[1:] if i in known]
    return _WITH_OPTIONS[name](stored, arguments)


def _options(stored: Any, name: str) -> Any:
    import tflite

    options = getattr(tflite, name)()
    table = stored.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _same_padding(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float = 0.0) -> Tensor:
    """TensorFlow's padding SAME of `[B, C, H, W]`: what cannot be halved goes to the right and the bottom."""
    pads = []
    for size, k, s in zip((x.shape[3], x.shape[2]), reversed(kernel), reversed(stride), strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


def _activation(code: int) -> Callable[[Tensor], Tensor]:
    import tflite

    kinds: dict[int, Callable[[Tensor], Tensor]] = {
        tflite.ActivationFunctionType.NONE: lambda x: x,
        tflite.ActivationFunctionType.RELU: F.relu,
    }
    if code not in kinds:
        raise InputError(f"expected no activation or RELU in a TFLite network, got number {code}")
    return kinds[code]


def _convolution(stored: Any, arguments: list[np.ndarray], *, depthwise: bool) -> Operator:
    import tflite

    options = _options(stored, "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions")
    stride = (options.StrideH(), options.StrideW())
    same = options.Padding() == tflite.Padding.SAME
    activate = _activation(options.FusedActivationFunction())
    order = (3, 0, 1, 2) if depthwise else (0, 3, 1, 2)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        x, kernel = x.permute(0, 3, 1, 2), weight.permute(order)
        if same:
            x = _same_padding(x, (kernel.shape[2], kernel.shape[3]), stride)
        y = F.conv2d(x, kernel, bias, stride, groups=x.shape[1] if depthwise else 1)
        return activate(y.permute(0, 2, 3, 1))

    return run


def _max_pool(stored: Any, arguments: list[np.ndarray]) -> Operator:
    import tflite

    options = _options(stored, "Pool2DOptions")
    kernel = (options.FilterHeight(), options.FilterWidth())
    stride = (options.StrideH(), options.StrideW())
    same = options.Padding() == tflite.Padding.SAME

    def run(x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)
        if same:
            x = _same_padding(x, kernel, stride, -torch.inf)
        return F.max_pool2d(x, kernel, stride).permute(0, 2, 3, 1)

    return run


def _pad(stored: Any, arguments: list[np.ndarray]) -> Operator:
    pads = [int(n) for before_after in arguments[0][::-1] for n in before_after]
    return lambda x, _: F.pad(x, pads)


def _reduce(stored: Any, arguments: list[np.ndarray], *, total: bool) -> Operator:
    axes = tuple(int(axis) for axis in np.atleast_1d(arguments[0]))
    keep = bool(_options(stored, "ReducerOptions").KeepDims())
    return lambda x, _: x.sum(axes, keepdim=keep) if total else x.mean(axes, keepdim=keep)


def _reshape(stored: Any, arguments: list[np.ndarray]) -> Operator:
    shape = tuple(int(n) for n in arguments[0][1:])
    return lambda x, _: x.reshape(len(x), *shape)


def _transpose(stored: Any, arguments: list[np.ndarray]) -> Operator:
    order = tuple(int(axis) for axis in arguments[0])
    return lambda x, _: x.permute(order)


def _strided_slice(stored: Any, arguments: list[np.ndarray]) -> Operator:
    begin, end, step = (argument.tolist() for argument in arguments)
    options = _options(stored, "StridedSliceOptions")
    place: list[slice | int] = [slice(None)]  # the batch stays whole
    for axis in range(1, len(begin)):
        if options.ShrinkAxisMask() >> axis & 1:
            place.append(begin[axis])
            continue
        start = None if options.BeginMask() >> axis & 1 else begin[axis]
        stop = None if options.EndMask() >> axis & 1 else end[axis]
        place.append(slice(start, stop, step[axis]))
    return lambda x, *_: x[tuple(place)]


def _concatenation(stored: Any, arguments: list[np.ndarray]) -> Operator:
    axis = _options(stored, "ConcatenationOptions").Axis()

    def run(*parts: Tensor) -> Tensor:
        batch = max(len(part) for part in parts)  # a constant part has one row
        return torch.cat([part.expand(batch, *part.shape[1:]) for part in parts], axis)

    return run


def _binary(options: str, run: Operator) -> Callable[[Any, list[np.ndarray]], Operator]:
    def make(stored: Any, arguments: list[np.ndarray]) -> Operator:
        activate = _activation(_options(stored, options).FusedActivationFunction())
        return lambda a, b: activate(run(a, b))

    return make


def _prelu(x: Tensor, slopes: Tensor) -> Tensor:
    """A slope for each channel, the last axis; torch's own wants the second and takes 0.4 of the time of `where`."""
    return F.prelu(x.movedim(-1, 1), slopes.flatten()).movedim(1, -1)


_SIMPLE: dict[str, Operator] = {
    "PRELU": _prelu,
    "LOGISTIC": torch.sigmoid,
    "NEG": torch.neg,
    "SQRT": torch.sqrt,
    "RSQRT": torch.rsqrt,
    "SQUARED_DIFFERENCE": lambda a, b: (a - b).square(),
}

_WITH_OPTIONS: dict[str, Callable[[Any, list[np.ndarray]], Operator]] = {
    "CONV_2D": lambda stored, arguments: _convolution(stored, arguments, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda stored, arguments: _convolution(stored, arguments, depthwise=True),
    "MAX_POOL_2D": _max_pool,
    "PAD": _pad,
    "MEAN": lambda stored, arguments: _reduce(stored, arguments, total=False),
    "SUM": lambda stored, arguments: _reduce(stored, arguments, total=True),
    "RESHAPE": _reshape,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _strided_slice,
    "CONCATENATION": _concatenation,
    "ADD": _binary("AddOptions", torch.add),
    "SUB": _binary("SubOptions", torch.sub),
    "MUL": _binary("MulOptions", torch.mul),
    "DIV": _binary("DivOptions", torch.div),
}
