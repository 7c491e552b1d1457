"""Puts a trained model into the package: float16, with where it comes from.

python scripts/embed_weights.py RUN/model.safetensors [-o src/pdfgc/assets/small.safetensors]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pdfgc.model import Model
from pdfgc.training.results import Result, read_result, write_result

SOURCES = (
    "GRID corpus (CC BY 4.0); VoxCeleb/VoxCeleb2 samples; LRS3-TED samples; MEAD samples; CelebV-HQ samples; "
    "example clips of open talking-head projects (LivePortrait, MuseTalk, EDTalk, IP-LAP, Audio-driven-TalkingFace-"
    "HeadPose); lip-reading and McGurk stimuli"
)
LICENCE = "research use; trained on clips of which several allow research only"
LIMIT_BYTES = 40_000_000


def halved(result: Result) -> Result:
    """The same weights in half precision; counters stay whole numbers."""
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in result.tensors.items()
    }
    about = {**result.about, "preset": "small", "licence": LICENCE, "trained_on": SOURCES}
    return Result(tensors, {**about, "config": {**about["config"], "preset": "small"}})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="model.safetensors of a training run")
    parser.add_argument("-o", "--output", type=Path, default=Path("src/pdfgc/assets/small.safetensors"))
    options = parser.parse_args()
    result = halved(read_result(options.model))
    used = {name.split(".")[0] for name in result.tensors}
    model = Model(result)  # raises when a part is missing or does not fit
    size = sum(tensor.numel() * tensor.element_size() for tensor in result.tensors.values())
    if size > LIMIT_BYTES:
        raise SystemExit(f"expected weights under {LIMIT_BYTES} bytes, but these have {size}")
    write_result(options.output, result.tensors, result.about)
    parser.exit(message=f"{options.output}: {model.parameters} weights, {size} bytes, parts {sorted(used)}\n")


if __name__ == "__main__":
    main()
