"""The authors' four files to one of ours, and back."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pdfgc.config import Config, config_from_dict, config_to_dict, load_config
from pdfgc.errors import InputError
from pdfgc.files import atomic_path, sha256_of
from pdfgc.networks.paper.build import make_networks
from pdfgc.official.layout import FILES, OfficialFile, unread_tensors
from pdfgc.state_dicts import read_tensors
from pdfgc.training.results import read_result, write_result

SOURCE = "https://github.com/Dorniwang/PD-FGC-inference"

_CARD = """\
# PD-FGC, the authors' weights

Source: the inference release of "Progressive Disentangled Representation Learning for Fine-Grained Controllable
Talking Head Synthesis" (Wang et al., CVPR 2023), {source}; converted by `pdfgc weights import-official`.

Licence: the authors'. These weights are not part of pdfgc, and pdfgc's Apache-2.0 licence does not cover them. The
release came without a licence file when this was written: ask its authors before you share or sell anything made
from it. They trained on VoxCeleb2 (CC BY 4.0; its pictures belong to their owners).

Files, with their SHA-256:
{files}

Kept: {kept} numbers. Left out, because inference never uses them: {dropped} numbers ({which}).
"""


@dataclass(frozen=True)
class Imported:
    """What became of an import.

    Attributes:
        kept: numbers in the new file.
        dropped: numbers left out, by file and first part of the name.
    """

    kept: int
    dropped: dict[str, int]


def import_official(source: Path, output: Path, config: Config | None = None) -> Imported:
    """Writes the authors' weights as one file of ours, and its card (`.md`) beside it.

    Args:
        source: the folder of the four files, or a tar of it.
        output: a `.safetensors` file.
        config: sizes of the networks (default: preset `paper`).

    Raises:
        InputError: a file that is missing, is no state dict, or does not fit the networks.
    """
    config = load_config("paper") if config is None else config
    with torch.device("meta"):
        networks = make_networks(config.paper.networks, config.size)
    tensors: dict[str, Tensor] = {}
    dropped: dict[str, int] = {}
    hashes: dict[str, str] = {}
    with _folder(source) as folder:
        for file in FILES:
            path = _find(folder, file)
            state = read_tensors(path, name=path.name)
            wanted = networks[file.module].state_dict()
            _check(path.name, state, wanted)
            hashes[path.name] = sha256_of(path)
            for name, tensor in state.items():
                if name in wanted:
                    tensors[f"{file.module}.{name}"] = tensor.to(wanted[name].dtype)
                else:
                    part = f"{path.name}: {name.split('.')[0]}"
                    dropped[part] = dropped.get(part, 0) + tensor.numel()
    kept = sum(tensor.numel() for tensor in tensors.values())
    card = _CARD.format(
        source=SOURCE,
        files="\n".join(f"- {name} {digest}" for name, digest in hashes.items()),
        kept=f"{kept:,}",
        dropped=f"{sum(dropped.values()):,}",
        which=", ".join(f"{part} {count:,}" for part, count in dropped.items()) or "none",
    )
    about = {
        "preset": config.preset,
        "config": config_to_dict(config),
        "stages": {},
        "source": {"origin": SOURCE, "files": hashes},
        "licence": "the authors' own; see card",
        "card": card,
    }
    with atomic_path(output.with_suffix(".md")) as beside:
        beside.write_text(card)
        write_result(output, tensors, about)
    return Imported(kept, dropped)


def export_official(model: Path, folder: Path) -> None:
    """Writes a model of preset `paper` as the four files that the authors' code loads.

    Args:
        model: a `.safetensors` file of the paper's networks.
        folder: is made if it does not exist; files of the same names in it are replaced.

    Raises:
        InputError: a file that holds no model of the paper's networks.
    """
    networks, _ = read_networks(model)
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        network = networks[file.module]
        state = dict(network.state_dict())
        if file.module == "generator":
            state |= unread_tensors(network)
        with atomic_path(folder / file.names[0]) as temporary:
            torch.save(state, temporary)


def read_networks(model: Path) -> tuple[dict[str, nn.Module], Config]:
    """The networks of a model file of preset `paper`, in evaluation mode, and its configuration.

    Raises:
        InputError: a file that holds no model of the paper's networks.
    """
    result = read_result(model)
    config = config_from_dict(result.about["config"])
    if config.family != "paper":
        raise InputError(
            f"expected a model of the paper's networks, but {model} is one of preset {config.preset}"
        )
    with torch.device("meta"):
        networks = make_networks(config.paper.networks, config.size)
    for name, network in networks.items():
        state = result.module(name)
        _check(f"the part {name} of {model.name}", state, network.state_dict())
        network.to_empty(device="cpu").load_state_dict(state, strict=False)
        network.eval().requires_grad_(False)
    return networks, config


@contextmanager
def _folder(source: Path) -> Iterator[Path]:
    """The folder itself, or one that a tar's checkpoint files were copied into."""
    if source.is_dir():
        yield source
        return
    if not source.is_file() or not tarfile.is_tarfile(source):
        raise InputError(f"expected the folder of the authors' four files, or a tar of it, but got {source}")
    with tempfile.TemporaryDirectory() as folder:
        try:
            _unpack(source, Path(folder))
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise InputError(f"expected a whole tar in {source}, but it cannot be read ({error})") from error
        yield Path(folder)


def _unpack(source: Path, folder: Path) -> None:
    """Copies the checkpoint files out of a tar."""
    names = {name for file in FILES for name in file.names}
    with tarfile.open(source) as archive:
        for member in archive:
            name = Path(member.name).name
            stream = archive.extractfile(member) if member.isfile() and name in names else None
            if stream is not None:
                with (folder / name).open("wb") as out:
                    shutil.copyfileobj(stream, out)


def _find(folder: Path, file: OfficialFile) -> Path:
    for name in file.names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"expected {' or '.join(file.names)} in {folder}, but there is no such file")


def _check(where: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises InputError unless every wanted tensor is there in its shape, of real and finite numbers."""
    missing = [name for name in wanted if name not in state]
    if missing:
        raise InputError(
            f"expected {len(wanted)} tensors of the paper's network in {where}, but {len(missing)} are missing, "
            f"the first {missing[0]}"
        )
    for name, tensor in wanted.items():
        if state[name].shape != tensor.shape:
            raise InputError(
                f"expected {name} in {where} to be {_size(tensor)}, but it is {_size(state[name])}"
            )
        if state[name].is_complex() or not state[name].isfinite().all():
            raise InputError(f"expected finite real numbers in {name} of {where}, but some are not")


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"
