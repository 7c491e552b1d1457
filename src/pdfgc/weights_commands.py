"""The verbs `pdfgc weights ...`: files of other people, and the checkpoint of the paper's authors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from pdfgc.arguments import Option
from pdfgc.errors import DifferenceError, InputError
from pdfgc.files import check_output
from pdfgc.progress import say

PaperModel = Annotated[Path, Option("a .safetensors model of the paper's networks", "MODEL")]


def list_files() -> None:
    """Lists the pretrained files that pdfgc uses, their licences, and where each lies on this machine.

    The models themselves come with pdfgc. The files listed here are other people's: some come with pdfgc, the
    others are fetched when something first needs them, such as training or `pdfgc evaluate`.
    """
    from pdfgc.weights import REGISTRY, find

    for name, weight in REGISTRY.items():
        try:
            path = find(name)
            where = str(path) if path else "not on this machine"
        except InputError as error:
            where = str(error)
        sys.stdout.write(f"{name}  {weight.size / 1e6:.1f} MB  {weight.licence}\n")
        sys.stdout.write(f"    {weight.origin}\n    {where}\n")


def fetch_files(
    names: Annotated[tuple[str, ...], Option("names from `pdfgc weights list`; none means all", "NAME")] = (),
    /,
) -> None:
    """Fetches pretrained files now, so that later work needs no connection.

    Each is checked by its SHA-256 and kept in the cache: $PDFGC_CACHE, or ~/.cache/pdfgc.

    Raises:
        InputError: an unknown name, or a file that could not be fetched.
    """
    from pdfgc.weights import REGISTRY, entry, locate

    for name in [entry(name).name for name in names] or list(REGISTRY):
        say(f"{name}: {locate(name)}")


def import_official(
    source: Annotated[Path, Option("the folder of the authors' four .pth files, or a tar of it", "DIR")],
    /,
    *,
    output: Annotated[Path, Option("the model to write, .safetensors", "OUT", "-o")],
) -> None:
    """Turns the checkpoint of the paper's authors into one model file.

    DIR holds appearance_model.pth, motion_model.pth (or motion_mode.pth), audio_model.pth and
    generator_model.pth. Nothing in them is run. What inference never uses is left out. Beside OUT lies a card
    that names source and licence.

      pdfgc weights import-official checkpoints -o paper.safetensors
      pdfgc animate face.jpg --audio speech.wav --model paper.safetensors -o out.mp4

    Raises:
        InputError: files that are missing, are no state dicts, or do not fit the paper's networks.
    """
    if output.suffix != ".safetensors":
        raise InputError(f"the output must be named .safetensors, but it is {output.name}")
    check_output(output)
    from pdfgc.official.convert import import_official as convert

    imported = convert(source, output)
    dropped = sum(imported.dropped.values())
    say(f"{output}: {imported.kept:,} numbers; {dropped:,} that inference never uses were left out")
    for part, count in imported.dropped.items():
        say(f"    {part}: {count:,}")


def export_official(
    model: PaperModel,
    /,
    *,
    output: Annotated[Path, Option("the folder to write the four .pth files into", "DIR", "-o")],
) -> None:
    """Writes a model as the four files that the code of the paper's authors loads.

    Raises:
        InputError: a file that holds no model of the paper's networks.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"expected a folder to write to, but {output} is a file")
    from pdfgc.official.convert import export_official as convert
    from pdfgc.official.layout import FILES

    convert(model, output)
    say(f"{output}: {', '.join(file.names[0] for file in FILES)}")


def verify(
    model: PaperModel,
    golden: Annotated[Path, Option("inputs and the authors' networks' answers", "GOLDEN")],
    /,
    *,
    tolerance: Annotated[float, Option("largest difference that counts as the same", "D")] = 1e-4,
) -> None:
    """Checks a model against answers recorded from the networks of the paper's authors.

    GOLDEN is a .safetensors file; what it has to hold stands at the top of pdfgc/official/verify.py. The largest
    difference of every output is printed; the exit status is 1 if one is above the tolerance.

    Raises:
        InputError: files that are not what they should be.
        DifferenceError: a difference above the tolerance.
    """
    from pdfgc.official.verify import verify as compare

    if not tolerance >= 0:
        raise InputError(f"a tolerance must be 0 or more, not {tolerance}")
    differences = compare(model, golden)
    for difference in differences:
        say(f"{difference.output:20} {difference.largest:.1e}")
    beyond = [entry.output for entry in differences if not entry.largest <= tolerance]
    if beyond:
        raise DifferenceError(f"{', '.join(beyond)}: differs by more than {tolerance:g}")
