"""The verb `pdfgc export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from pdfgc import progress
from pdfgc.arguments import Option


def export(
    model: Annotated[
        str, Option("a model that comes with pdfgc, a .safetensors file, or a training run's folder", "MODEL")
    ],
    /,
    *,
    output: Annotated[Path, Option("the folder to write; made if it is missing", "DIR", "-o")],
) -> None:
    """Writes a model's networks as ONNX files, for use without torch.

    Beside them, README.md says what each takes and gives and how they go together, export.json the same to
    machines. Every file is run once by ONNX Runtime and compared with torch; the differences stand there too.
    Needs the extra `export`: pip install '.[export]'.

    Raises:
        InputError: a model that cannot be loaded, packages that are missing, a folder that cannot be written.
    """
    from pdfgc.export.folder import export as write
    from pdfgc.export.readme import largest_difference
    from pdfgc.model import load

    content = write(load(model, device="cpu"), output)
    if not progress.is_quiet():
        for graph in content["graphs"]:
            far = largest_difference(graph)
            sys.stdout.write(f"{output / graph['file']}: largest difference from torch {far}\n")
