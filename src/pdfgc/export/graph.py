"""One network as an ONNX file: what goes in, what comes out, and how far the file is from torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.files import atomic_path

OPSET = 20
"""The version of ONNX's operators; runtimes have it since the end of 2023 (ONNX Runtime 1.17)."""

NEEDS_EXTRA = "expected the packages of pdfgc's extra `export`: pip install '.[export]' ({})"


@dataclass(frozen=True)
class Input:
    """An input of a network.

    Attributes:
        name: in the file.
        what: its meaning, range and unit, in words.
        example: a tensor of the right type and shape that could be one; free axes at least 2 long.
        free: names of the axes whose length the caller chooses; the same name means the same length.
    """

    name: str
    what: str
    example: Tensor
    free: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """An output of a network; attributes as `Input`."""

    name: str
    what: str
    free: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A network to be written.

    Attributes:
        name: of the file, without `.onnx`.
        when: how often it is to be run, in words.
        network: takes the inputs in their order and returns the output, or a tuple of the outputs in theirs.
        inputs, outputs: in order.
        limits: least and greatest length of free axes; at least 1 where nothing is said.
    """

    name: str
    when: str
    network: nn.Module
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def examples(self) -> tuple[Tensor, ...]:
        """Inputs that it can be run on."""
        return tuple(port.example for port in self.inputs)

    @torch.inference_mode()
    def run(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs by torch."""
        made = self.network(*inputs)
        return (made,) if isinstance(made, Tensor) else tuple(made)


@torch.no_grad()
def write_graph(graph: Graph, path: Path, about: Mapping[str, str]) -> None:
    """Writes a graph in float32, complete or not at all.

    Args:
        graph: what to write; its network on the CPU.
        path: the `.onnx` file.
        about: metadata of the file.

    Raises:
        InputError: the packages that write ONNX are missing, or the path cannot be written.
    """
    try:
        import onnxscript  # noqa: F401 (what torch.onnx writes with)
    except ImportError as error:
        raise InputError(NEEDS_EXTRA.format(error)) from error
    graph.run(
        *graph.examples()
    )  # fills caches of constants, which must not happen while torch only describes
    lengths = {name: _length(graph, name) for port in graph.inputs for name in port.free.values()}
    with _hushed(), atomic_path(path) as temporary:
        program = torch.onnx.export(
            _Arguments(graph.network.eval()),
            graph.examples(),
            input_names=[port.name for port in graph.inputs],
            output_names=[port.name for port in graph.outputs],
            dynamic_shapes={
                "inputs": tuple({axis: lengths[name] for axis, name in p.free.items()} for p in graph.inputs)
            },
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        if program is None:  # only without dynamo, which says so by its type
            raise RuntimeError(f"torch.onnx made no program of {graph.name}")
        _require_free_axes(graph, program)
        program.model.metadata_props.update(about)
        program.save(temporary, external_data=False)


def _require_free_axes(graph: Graph, program: torch.onnx.ONNXProgram) -> None:
    """torch.onnx falls back to fixed lengths, in silence, where it cannot keep an axis free."""
    for port, value in zip(graph.inputs, program.model.graph.inputs, strict=True):
        lengths = value.shape or ()
        fixed = [name for axis, name in port.free.items() if isinstance(lengths[axis], int)]
        if fixed:
            raise RuntimeError(f"torch.onnx fixed the length of {fixed[0]} in {port.name} of {graph.name}")


class _Arguments(nn.Module):
    """A network one level down: torch.export cannot have submodules named as parts of its own graph modules."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Any:
        return self.network(*inputs)


class Session:
    """A network of an ONNX file, run by ONNX Runtime on the CPU.

    Args:
        path: the file.
        threads: how many it computes with (default: as many as torch).

    Raises:
        InputError: ONNX Runtime is missing.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError(NEEDS_EXTRA.format(error)) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    @property
    def about(self) -> dict[str, str]:
        """The file's metadata."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, of inputs by name."""
        names = [output.name for output in self._session.get_outputs()]
        made = self._session.run(names, {name: np.ascontiguousarray(v) for name, v in inputs.items()})
        return dict(zip(names, made, strict=True))


def differences(graph: Graph, session: Session) -> dict[str, float]:
    """The largest absolute difference of each output between ONNX Runtime and torch, on the examples."""
    theirs = session({port.name: port.example.numpy() for port in graph.inputs})
    ours = graph.run(*graph.examples())
    return {
        port.name: float(np.abs(theirs[port.name].astype(np.float64) - value.numpy()).max())
        for port, value in zip(graph.outputs, ours, strict=True)
    }


def describe(graph: Graph) -> dict[str, Any]:
    """The graph for machines: `{"name", "file", "when", "inputs": [{"name", "shape", "type", "what"}], "outputs"}`."""
    outputs = zip(graph.outputs, graph.run(*graph.examples()), strict=True)
    return {
        "name": graph.name,
        "file": f"{graph.name}.onnx",
        "when": graph.when,
        "inputs": [_port(port, port.example) for port in graph.inputs],
        "outputs": [_port(port, value) for port, value in outputs],
        "limits": {axis: list(limits) for axis, limits in graph.limits.items()},
    }


def metadata(about: Mapping[str, Any]) -> dict[str, str]:
    """Facts as the strings that ONNX files carry."""
    return {
        f"pdfgc.{key}": value if isinstance(value, str) else json.dumps(value) for key, value in about.items()
    }


def _port(port: Input | Output, value: Tensor) -> dict[str, Any]:
    shape = [port.free.get(axis, length) for axis, length in enumerate(value.shape)]
    kind = str(value.dtype).removeprefix("torch.")
    return {"name": port.name, "shape": shape, "type": kind, "what": port.what}


def _length(graph: Graph, axis: str) -> Any:
    least, most = graph.limits.get(axis, (1, None))
    return torch.export.Dim(axis, min=least, max=most)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without torch's remarks on its own workings."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
