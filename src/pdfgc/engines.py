"""Frames painted by ONNX Runtime in torch's place, from a file that is written once and kept."""

from __future__ import annotations

import hashlib
import logging
from importlib.metadata import version
from pathlib import Path

from pdfgc.errors import InputError
from pdfgc.export import paper, small
from pdfgc.export.folder import facts
from pdfgc.export.graph import Graph, Session, metadata, write_graph
from pdfgc.model import Model
from pdfgc.paper_model import PaperModel
from pdfgc.weights import cache_folder

log = logging.getLogger(__name__)


def paint_by_onnx(model: Model | PaperModel) -> None:
    """Lets ONNX Runtime paint a model's frames.

    Raises:
        InputError: the model is on a GPU, or the packages of the extra `export` are missing.
    """
    if model.device.type != "cpu":
        raise InputError(f"the engine onnx computes on the CPU, but the device asked for is {model.device}")
    if isinstance(model, PaperModel):
        paper_session = painter_session(model, paper.generator_graph(model))
        model.painter = lambda portrait, codes: paper_session(paper.generator_inputs(portrait, codes))[
            "frames"
        ]
    else:
        session = painter_session(model, small.generator_graph(model))
        model.painter = lambda portrait, mesh: session(small.generator_inputs(portrait, mesh))["frames"]


def painter_session(model: Model | PaperModel, graph: Graph) -> Session:
    """The painter of a model in ONNX Runtime.

    The file is kept in the cache (`weights.cache_folder`) under a name that changes with the weights, with torch and
    with the sources that the graph is made of.

    Args:
        model: on the CPU.
        graph: what paints its frames.

    Raises:
        InputError: the packages of the extra `export` are missing.
    """
    about = metadata(facts(model))
    digest = hashlib.sha256("\n".join([*about.values(), version("torch"), *_sources()]).encode())
    path = cache_folder() / "onnx" / f"{graph.name}-{digest.hexdigest()[:16]}.onnx"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        log.warning("writing the painter as ONNX, once, which takes minutes: %s", path)
        write_graph(graph, path, about)
    return Session(path)


def _sources() -> list[str]:
    package = Path(__file__).parent
    folders = ("networks", "networks/paper", "face", "export")
    files = sorted(path for folder in folders for path in (package / folder).glob("*.py"))
    return [path.read_text(encoding="utf-8") for path in files]
