"""The page that lies beside exported networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdfgc.wording import counted

_HEAD = """\
# pdfgc {pdfgc}: preset `{preset}`, {size} px, as ONNX

Opset {opset}, float32. Axes with a name may have any length, the same name the same length; all others are fixed.
`export.json` says the same to machines, with checksums. Model `{fingerprint}`, weights `{weights}`. Licence of the
weights: {licence}

Pictures that these networks paint show what never happened: say so wherever they are seen.
"""


def readme(content: Mapping[str, Any]) -> str:
    """Markdown about an export.

    Args:
        content: of `export.json`.
    """
    parts = [_HEAD.format(**content)]
    for graph in content["graphs"]:
        parts.append(f"## {graph['file']}\nRun {graph['when']}.\n\n{_table(graph)}\n{_limits(graph)}")
    parts.append(
        "## How they go together\n" + "\n".join(f"- {step}" for step in content["constants"]["steps"])
    )
    return "\n".join(parts) + "\n"


def largest_difference(graph: Mapping[str, Any]) -> str:
    """How far a network's outputs are from torch's at most; bytes and floats apart, for their units differ.

    Args:
        graph: one of `export.json`.
    """
    most: dict[str, float] = {}
    for port in graph["outputs"]:
        kind = port["type"]
        most[kind] = max(most.get(kind, 0.0), graph["differences"][port["name"]])
    return ", ".join(in_unit(value, kind) for kind, value in most.items())


def in_unit(difference: float, kind: str) -> str:
    """A difference of an output of a type, with its unit where that is bytes of a picture."""
    if kind == "uint8":
        return f"{counted(round(difference), 'grey level')} of 255"
    return f"{difference:.2g}"


def _table(graph: Mapping[str, Any]) -> str:
    rows = ["| | name | shape | type | what |", "|---|---|---|---|---|"]
    for side, ports in (("in", graph["inputs"]), ("out", graph["outputs"])):
        for port in ports:
            shape = " x ".join(str(length) for length in port["shape"])
            rows.append(f"| {side} | `{port['name']}` | {shape} | {port['type']} | {port['what']} |")
    return "\n".join(rows) + "\n"


def _limits(graph: Mapping[str, Any]) -> str:
    limits = [f"`{axis}` may be {least} to {most}." for axis, (least, most) in graph["limits"].items()]
    kinds = {port["name"]: port["type"] for port in graph["outputs"]}
    far = ", ".join(f"{name} {in_unit(value, kinds[name])}" for name, value in graph["differences"].items())
    return " ".join([*limits, f"Largest difference from torch when it was written: {far}."]) + "\n"
