"""Half an hour on a rented GPU without a network: what to carry there, and what to bring back (gpu_visit.md).

python scripts/gpu_visit.py pack SHARDS HEADS -o FOLDER     here: FOLDER/1, FOLDER/2, ..., one for each call
python scripts/gpu_visit.py receive FOLDER/1                there, the others in later calls
python scripts/gpu_visit.py train --minutes 20              there: two trainings that go on between calls
python scripts/gpu_visit.py collect -o OUT                  there: what they have learnt so far
python scripts/gpu_visit.py measure -o OUT                  there: speeds, on a GPU without other work
python scripts/gpu_visit.py join PIECES -o model.safetensors    here
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load, save

import pack_shards
from pdfgc.errors import InputError
from pdfgc.training.checkpoint import read_latest
from pdfgc.training.results import read_result, write_result

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
JOBS = Path("scripts", "gpu_jobs.py")
EMBEDDED = ROOT / "src" / "pdfgc" / "assets" / "small.safetensors"

WHEELS = ("soundfile==0.14.0", "cffi==2.1.1", "pycparser==3.12", "tflite==2.18.0")
"""What unpacking and the loss `motion` need and the GPU's machine lacks."""

_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")
_PART_MIB = 6.0
"""Of packed clips: small enough to fill folders well."""
_MANIFEST = "visit.json"
_PIECE = re.compile(r"generator-(\d+)-(\d+)-of-(\d+)")
_WATCHED = 20.0
"""Seconds that `train` waits for trainings that fail at once."""


def pack(shards: Path, heads: Path, output: Path, wheels: Path | None, limit_mib: float) -> list[Path]:
    """Writes the numbered folders, each of which fits into one call beside the project's own files.

    Args:
        shards: clips of `pdfgc prepare`, or a folder of part*.tar made of them.
        heads: what `paper_overfit.py pack` wrote.
        output: a folder in the project, which git is told to ignore.
        wheels: a folder of ready ones, or None to download them.
        limit_mib: of a call.

    Raises:
        InputError: when `heads` is not complete, or a file does not fit into a call.
    """
    if not (heads / "vgg.safetensors").is_file() or not (heads / "shards").is_dir():
        raise InputError(
            f"expected a folder that paper_overfit.py pack wrote, but {heads} lacks shards or VGG"
        )
    output.mkdir(parents=True, exist_ok=True)
    (output / ".gitignore").write_text("*\n")
    for old in output.glob(f"*/{_MANIFEST}"):
        shutil.rmtree(old.parent)
    room = int(limit_mib * 2**20) - tree_size()
    with TemporaryDirectory() as scratch:
        parts = sorted(shards.glob("part*.tar")) or pack_shards.pack(
            shards, Path(scratch), part_mib=_PART_MIB, crf=21
        )
        chosen = wheels or download_wheels(Path(scratch) / "wheels")
        files = {f"parts/{path.name}": path for path in parts}
        files |= {f"wheels/{path.name}": path for path in chosen.glob("*.whl")}
        carried = [heads / "vgg.safetensors", *(heads / "shards").rglob("*")]
        files |= {f"heads/{path.relative_to(heads)}": path for path in carried if path.is_file()}
        loads = divide({name: path.stat().st_size for name, path in files.items()}, room)
        folders = [output / str(number + 1) for number in range(len(loads))]
        for folder, names in zip(folders, loads, strict=True):
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(files[name], folder / name)
            (folder / _MANIFEST).write_text(json.dumps({"folders": len(folders)}))
    return folders


def tree_size() -> int:
    """Bytes of the project's files that travel with every call.

    Raises:
        InputError: when this is no git repository.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"expected a git repository at {ROOT}, but git cannot list its files") from error
    paths = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    return sum(path.lstat().st_size for path in paths if path.is_file())


def divide(sizes: Mapping[str, int], room: int) -> list[list[str]]:
    """Names in groups of at most `room` bytes, the largest first and each where it fits first.

    Raises:
        InputError: when one is larger than that.
    """
    groups: list[list[str]] = []
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if sizes[name] > room:
            raise InputError(
                f"expected files of at most {room / 2**20:.1f} MiB beside the project's own, but {name} has "
                f"{sizes[name] / 2**20:.1f}"
            )
        for group in groups:
            if sum(sizes[other] for other in group) + sizes[name] <= room:
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


def download_wheels(folder: Path) -> Path:
    """Fetches `WHEELS` for the GPU's machine.

    Raises:
        InputError: when pip cannot.
    """
    words = ["download", "--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
    for platform in _PLATFORMS:
        words += ["--platform", f"{platform}_x86_64"]
    run_pip([*words, "-d", str(folder), *WHEELS])
    return folder


def run_pip(words: Sequence[str]) -> None:
    """Runs pip on what is named, without what that needs.

    Raises:
        InputError: when pip fails.
    """
    command = [sys.executable, "-m", "pip", words[0], "-q", "--no-deps", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"pip {words[0]} failed: {reason}")


def receive(folder: Path, work: Path) -> None:
    """Takes over a folder that came; with the last one, everything is made ready.

    Raises:
        InputError: when `pack` did not write it.
    """
    if not (folder / _MANIFEST).is_file():
        raise InputError(f"expected a folder that gpu_visit.py pack wrote, but {folder} has no {_MANIFEST}")
    shutil.copytree(folder, work, dirs_exist_ok=True)
    (work / "received").mkdir(exist_ok=True)
    (work / "received" / folder.resolve().name).touch()
    if any((folder / "wheels").glob("*.whl")):
        install_wheels(work)
    if (folder / "heads" / "vgg.safetensors").is_file():
        from paper_overfit import _from_8_bits

        save_file(_from_8_bits(load_file(work / "heads" / "vgg.safetensors")), work / "vgg.safetensors")
    wanted = json.loads((folder / _MANIFEST).read_text())["folders"]
    missing = {str(number + 1) for number in range(wanted)} - {path.name for path in work.glob("received/*")}
    if missing:
        log.info("still to come: %s", " ".join(sorted(missing)))
        return
    sys.path.append(str(work / "site"))  # soundfile
    clips = pack_shards.unpack(work / "parts", work / "shards", os.cpu_count() or 1)
    log.info("all is here: %d clips in %s", clips, work / "shards")


def install_wheels(work: Path) -> None:
    """Unpacks the wheels beside what else came, where nothing of the machine's own is changed."""
    words = ["install", "--no-index", "--no-compile", "--no-cache-dir", "--upgrade"]
    run_pip([*words, "--target", str(work / "site"), *map(str, (work / "wheels").glob("*.whl"))])


def environment(work: Path, project: Path = ROOT) -> dict[str, str]:
    """Of the processes that use what was received."""
    paths = [str(project / "src"), str(work / "site"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "PDFGC_OFFLINE": "1"}


def train(work: Path, minutes: float, words: Mapping[str, Sequence[str]]) -> None:
    """Starts both trainings, each in a session of its own that outlives this call; WORK/<name>.txt is what they say.

    They run from a copy of the project: later calls bring its files anew while they do.

    Args:
        words: by training, what its command gets beside the time.

    Raises:
        InputError: when one of them ends at once.
    """
    project = work / "project"
    for part in ("src", "scripts"):
        shutil.copytree(ROOT / part, project / part, dirs_exist_ok=True)
    running: dict[str, subprocess.Popen[bytes]] = {}
    for name, more in words.items():
        command = [sys.executable, str(JOBS), name, "--work", str(work), "--minutes", f"{minutes:g}", *more]
        with open(work / f"{name}.txt", "ab") as file:
            running[name] = subprocess.Popen(
                command,
                cwd=project,
                env=environment(work, project),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        log.info("%s: process %d", name, running[name].pid)
    end = time.monotonic() + _WATCHED
    while time.monotonic() < end and any(process.poll() is None for process in running.values()):
        time.sleep(0.2)
    for name, process in running.items():
        if process.poll():
            raise InputError(f"the training {name} ended at once: {last_lines(work / f'{name}.txt', 5)}")


def last_lines(path: Path, count: int) -> str:
    """The end of a text."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])


def collect(work: Path, output: Path, piece_mib: float) -> list[Path]:
    """Writes the painter's averaged weights so far, in pieces, and everything that shows how the trainings go."""
    output.mkdir(parents=True, exist_ok=True)
    pieces = []
    checkpoint = read_latest(work / "small" / "stage3" / "checkpoints")
    if checkpoint is None:
        log.info("there is no checkpoint of small yet")
    else:
        averages = checkpoint.part("averages")  # of parameters; buffers are as they are
        state = {
            name: averages.get(name, value)
            for name, value in checkpoint.part("modules").items()
            if name.startswith("generator.")
        }
        data = save({name: v.half() if v.is_floating_point() else v for name, v in state.items()})
        most = int(piece_mib * 2**20)
        count = -(-len(data) // most)
        for number in range(count):
            piece = output / f"generator-{checkpoint.step:06d}-{number + 1}-of-{count}"
            piece.write_bytes(data[number * most : (number + 1) * most])
            pieces.append(piece)
    with tarfile.open(output / "logs.tar.gz", "w:gz") as tar:
        for path in list_logs(work):
            tar.add(path, path.relative_to(work))
    return [*pieces, output / "logs.tar.gz"]


def list_logs(work: Path) -> list[Path]:
    """What the processes said, every stage's lines and last sheet, and what paper_overfit.py wrote."""
    found = [*work.glob("*.txt"), *work.glob("paper_out/*")]
    for lines in sorted([*work.glob("small/*/log.jsonl"), *work.glob("paper/run/*/log.jsonl")]):
        sheets = sorted((lines.parent / "samples").glob("*.jpg"))
        found += [lines, *sheets[-1:]]
    return found


def join(pieces: Sequence[Path], output: Path, base: Path = EMBEDDED) -> None:
    """Writes the embedded model with a collected painter in it.

    Raises:
        InputError: when pieces are missing, are of several states, or do not fit the model.
    """
    named = {path: _PIECE.fullmatch(path.name) for path in pieces}
    places = sorted(tuple(int(part) for part in match.groups()) for match in named.values() if match)
    step, _, count = places[0] if places else (0, 0, 0)
    if (
        not places
        or places != [(step, number + 1, count) for number in range(count)]
        or not all(named.values())
    ):
        raise InputError(f"expected all pieces of one state, but got {', '.join(p.name for p in pieces)}")
    ordered = sorted(pieces, key=lambda path: int(path.name.split("-")[2]))
    try:
        painter = load(b"".join(path.read_bytes() for path in ordered))
    except SafetensorError as error:
        raise InputError(f"expected pieces of a safetensors file, but it is damaged ({error})") from error
    model = read_result(base)
    before = {name: value.shape for name, value in model.tensors.items() if name.startswith("generator.")}
    if before != {name: value.shape for name, value in painter.items()}:
        raise InputError(f"expected the painter of {base}, but the pieces have other tensors")
    stages = model.about["stages"]
    done = {**stages.get("stage3", {}), "further_steps": step}
    write_result(output, {**model.tensors, **painter}, {**model.about, "stages": {**stages, "stage3": done}})


def measures(work: Path, given: argparse.Namespace) -> dict[str, tuple[float, list[str]]]:
    """What `measure` runs: seconds at most and the words after `python`, by name."""
    jobs, on = str(JOBS), ["--work", str(work), "--device", given.device]
    steps = ["--steps", str(given.steps)]
    frames, device = ["--frames", str(given.frames)], ["--device", given.device]
    small, paper = training_words(given).values()
    batches = [str(batch) for batch in given.batches]
    inference = ["--preset", given.model_preset]
    one = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    return {
        "profile_small": (110, [jobs, "profile", "small", *on, *steps, *small]),
        "profile_paper": (110, [jobs, "profile", "paper", *on, *steps, *paper]),
        "profile_lips": (75, [jobs, "profile", "lips", *on, *steps, *paper]),
        "render": (80, ["benchmarks/render.py", *device, "--batch", *batches, *frames]),
        "paper_inference": (
            100,
            ["benchmarks/paper_inference.py", *device, *frames, "--turns", "1", *inference],
        ),
        "distributed": (90, [*one, jobs, "distributed", *on]),
    }


def measure(work: Path, output: Path, jobs: Mapping[str, tuple[float, list[str]]]) -> None:
    """Runs each measurement within its time; OUTPUT/<name>.txt is what it says."""
    output.mkdir(parents=True, exist_ok=True)
    for name, (limit, words) in jobs.items():
        start = time.monotonic()
        path = output / f"{name}.txt"
        with open(path, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=environment(work),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            try:
                ended = f"status {process.wait(limit)}"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its workers, too
                process.wait()
                ended = "out of time"
        log.info("%s: %s after %.0f s", name, ended, time.monotonic() - start)


def training_words(given: argparse.Namespace) -> dict[str, list[str]]:
    """What the command line says of both trainings, as gpu_jobs.py takes it."""
    preset = ["--preset", given.paper_preset] if given.paper_preset else []
    return {
        "small": ["--device", given.device, "--set", *given.small],
        "paper": [*preset, "--device", given.device, "--set", *given.paper],
    }


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs: Any = parser.add_subparsers(dest="verb", required=True)
    part: dict[str, argparse.ArgumentParser] = {
        verb: verbs.add_parser(verb) for verb in ("pack", "receive", "train", "collect", "measure", "join")
    }
    part["pack"].add_argument("shards", type=Path, help="of pdfgc prepare, or a folder of part*.tar")
    part["pack"].add_argument("heads", type=Path, help="of paper_overfit.py pack")
    part["pack"].add_argument("--wheels", type=Path, help="ready ones (default: they are downloaded)")
    part["pack"].add_argument("--limit-mib", type=float, default=62.0, help="of a call, project included")
    part["receive"].add_argument("folder", type=Path)
    part["train"].add_argument("--minutes", type=float, default=20.0)
    part["train"].add_argument("--only", nargs="+", choices=["small", "paper"])
    part["collect"].add_argument("--piece-mib", type=float, default=15.0)
    part["measure"].add_argument("--only", nargs="+", metavar="NAME", help="of the measurements")
    part["measure"].add_argument("--steps", type=int, default=12, help="of each profile")
    part["measure"].add_argument("--frames", type=int, default=200)
    part["measure"].add_argument(
        "--batches", type=int, nargs="+", default=[1, 8, 32], help="of frames rendered"
    )
    part["measure"].add_argument("--model-preset", default="paper", help="of paper_inference.py")
    part["join"].add_argument("pieces", type=Path, nargs="+")
    for verb in ("pack", "collect", "measure", "join"):
        part[verb].add_argument("-o", "--output", type=Path, required=True)
    for verb in ("receive", "train", "collect", "measure"):
        part[verb].add_argument("--work", type=lambda text: Path(text).resolve(), default=Path("/tmp/visit"))
    for verb in ("train", "measure"):
        part[verb].add_argument("--device", default="auto")
        part[verb].add_argument(
            "--small", nargs="*", default=[], metavar="KEY=VALUE", help="changed settings"
        )
        part[verb].add_argument(
            "--paper", nargs="*", default=[], metavar="KEY=VALUE", help="changed settings"
        )
        part[verb].add_argument("--paper-preset", help="in place of gpu_paper.yaml")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Does what the command line says; returns the exit status."""
    given = parse(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        if given.verb == "pack":
            for folder in pack(given.shards, given.heads, given.output, given.wheels, given.limit_mib):
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                log.info("%s: %.1f MiB", folder, size / 2**20)
        elif given.verb == "receive":
            receive(given.folder, given.work)
        elif given.verb == "train":
            both = training_words(given)
            train(given.work, given.minutes, {name: both[name] for name in given.only or both})
        elif given.verb == "collect":
            for path in collect(given.work, given.output, given.piece_mib):
                log.info("%s: %.1f MiB", path.name, path.stat().st_size / 2**20)
        elif given.verb == "measure":
            jobs = measures(given.work, given)
            measure(given.work, given.output, {name: jobs[name] for name in given.only or jobs})
        else:
            join(given.pieces, given.output)
    except InputError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
