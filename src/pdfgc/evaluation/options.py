"""Options that several verbs of `pdfgc evaluate` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pdfgc.arguments import Option

DEFAULT_MODEL = "small"

Report = Annotated[
    Path, Option("folder for results.json, report.html and the cache; run again to go on", "OUT")
]
ModelName = Annotated[str, Option("a preset, a run's folder or a .safetensors file", "M")]
Seconds = Annotated[float, Option("longest stretch that is rendered of each", "S")]
Cache = Annotated[
    Path | None, Option("where measurements are kept, to share them (default: OUT/cache)", "DIR")
]
Metrics = Annotated[str, Option("only these, parted by commas, such as lmd,csim (default: all)", "NAMES")]
Measures = Annotated[str, Option("only these, parted by commas, such as mouth,yaw (default: all)", "NAMES")]

Data = Annotated[
    Path, Option("test clips: a folder, a video, a list (.txt, .tsv), or a dataset's folder", "CLIPS")
]
Layout = Annotated[Literal["folder", "voxceleb2", "mead"], Option("how a dataset's folder is laid out")]
TestList = Annotated[Path | None, Option("text file that names the clips or identities to take", "FILE")]
Limit = Annotated[int | None, Option("at most N clips, of as many people as can be", "N")]
Seed = Annotated[int, Option("draws the clips of --limit and which clips are crossed", "N")]
Offsets = Annotated[
    bool, Option("also measure how late each clip's sound is, and judge the mouth at that lag")
]
Portraits = Annotated[
    Path | None,
    Option("people to animate: pictures, given as clips are; default: the protocol's own", "DIR"),
]
DryRun = Annotated[bool, Option("list the clips, and stop")]

SyncnetPath = Annotated[
    Path | None, Option("SyncNet's weights syncnet_v2.model, for LSE-C, LSE-D and NLSE-C", "FILE")
]
InceptionPath = Annotated[
    Path | None, Option("Inception's weights pt_inception-2015-12-05-6726825d.pth, for FID", "FILE")
]
EmocaPath = Annotated[
    Path | None, Option("EMOCA's checkpoint, to measure pose and expression in 3-D", "FILE")
]
TrainLse = Annotated[
    float | None, Option("LSE-C of the training data, for NLSE-C (default: that of the truth)", "VALUE")
]
