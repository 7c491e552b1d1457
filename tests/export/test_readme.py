"""What is said of exported networks."""

from __future__ import annotations

from typing import Any

from pdfgc.export.readme import largest_difference


def network(**outputs: tuple[str, float]) -> dict[str, Any]:
    """A network of `export.json`, of its outputs' types and differences."""
    return {
        "outputs": [{"name": name, "type": kind} for name, (kind, _) in outputs.items()],
        "differences": {name: value for name, (_, value) in outputs.items()},
    }


def test_differences_of_bytes_are_grey_levels() -> None:
    assert largest_difference(network(picture=("uint8", 1.0))) == "1 grey level of 255"
    assert largest_difference(network(a=("float32", 1e-7), b=("float32", 3e-7))) == "3e-07"
    both = network(picture=("uint8", 0.0), code=("float32", 1e-7))
    assert largest_difference(both) == "0 grey levels of 255, 1e-07"
