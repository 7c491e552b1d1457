"""A model as a folder of ONNX files with what is needed to use them: `pdfgc export`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pdfgc.errors import InputError
from pdfgc.export import paper, small
from pdfgc.export.graph import OPSET, Graph, Session, describe, differences, metadata, write_graph
from pdfgc.export.readme import readme
from pdfgc.files import sha256_of
from pdfgc.model import Model
from pdfgc.model_digest import weights_digest
from pdfgc.paper_model import PaperModel
from pdfgc.progress import track

DESCRIPTION = "export.json"


def graphs_of(model: Any) -> list[Graph]:
    """A model's networks, cut as a runtime needs them.

    Raises:
        InputError: the model computes on a GPU, or is of a preset that cannot be exported.
    """
    if model.device.type != "cpu":
        raise InputError(f"expected a model on the CPU to export, but it is on {model.device}")
    return _of_preset(model)[0](model)


def export(model: Any, folder: Path) -> dict[str, Any]:
    """Writes `<graph>.onnx` for every network, `export.json` for machines and `README.md` for people.

    Args:
        model: what `pdfgc.load(..., device="cpu")` returns.
        folder: made if it is missing; an earlier export in it is replaced. After an error it is as it was.

    Returns:
        What stands in `export.json`; each graph's `differences` say how far ONNX Runtime is from torch.

    Raises:
        InputError: the packages of the extra `export` are missing, or the folder cannot be written.
    """
    graphs = graphs_of(model)
    about = facts(model)
    with _whole_folder(folder) as temporary:
        described = []
        for graph in track(graphs, len(graphs), "networks"):
            path = temporary / f"{graph.name}.onnx"
            write_graph(graph, path, metadata(about))
            facts_of_file = {"sha256": sha256_of(path), "differences": differences(graph, Session(path))}
            described.append(describe(graph) | facts_of_file)
        content = about | {"constants": _of_preset(model)[1](model), "graphs": described}
        (temporary / DESCRIPTION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (temporary / "README.md").write_text(readme(content), encoding="utf-8")
    return content


def facts(model: Any) -> dict[str, Any]:
    """What every exported file says of itself."""
    return {
        "pdfgc": version("pdfgc"),
        "preset": model.preset,
        "size": model.size,
        "fingerprint": model.fingerprint,
        "weights": weights_digest(model),
        "licence": model.about.get("licence", "not stated; see the model's card"),
        "opset": OPSET,
    }


def _of_preset(model: Any) -> tuple[Callable[[Any], list[Graph]], Callable[[Any], dict[str, Any]]]:
    """What lists the graphs of such a model, and what its users must know besides."""
    if isinstance(model, Model):
        return small.graphs, small.constants
    if isinstance(model, PaperModel):
        return paper.graphs, paper.constants
    raise InputError(f"expected a model that can be exported, but preset {model.preset} cannot be")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder whose files go to `folder` when the block ends well, and nowhere otherwise."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, but the export must be a folder")
    parent = folder.absolute().parent
    if not parent.is_dir() or not os.access(folder if folder.is_dir() else parent, os.W_OK):
        raise InputError(f"the folder {folder} cannot be written to")
    temporary = Path(mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=parent))
    try:
        yield temporary
        folder.mkdir(exist_ok=True)
        for path in sorted(temporary.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(temporary)
