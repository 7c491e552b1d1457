"""Prepared clips made small enough to carry to a rented GPU, and back into clips there.

    python scripts/pack_shards.py pack SHARDS -o PACK --part-mib 24      here
    python scripts/pack_shards.py unpack PACK -o SHARDS                  there; parts may arrive one by one

A part is a tar of up to five files a clip: the description, the pictures as H.264 video, faces rounded to an eighth of
a pixel, and the sound as Opus. About 1.5 KiB a frame, a fifteenth of the shards; pictures lose what a good video codec
loses (39 dB at the default). Unpacking needs numpy, OpenCV and soundfile, no PyAV and no MediaPipe.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import lzma
import tarfile
import tempfile
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from pdfgc.data.clips import Clip, ClipInfo, ClipSet, write_clip
from pdfgc.errors import InputError
from pdfgc.files import atomic_path
from pdfgc.progress import track

log = logging.getLogger(__name__)

_STEPS = 1024
"""Steps of a packed mesh to one crop unit: an eighth of a pixel at 256."""
_QUALITY = 95  # of the JPEGs made when unpacking
_RATE = 16000


def pack(shards: Path, folder: Path, part_mib: float, crf: int) -> list[Path]:
    """Packs the clips that have pictures, mixed so that every part has people of all sources.

    Raises:
        InputError: when `shards` was not made by `pdfgc prepare`, or has no pictures.
    """
    clips = list(ClipSet.open(shards).where(pictures=True))
    if not clips:
        raise InputError(f"expected clips with pictures in {shards}, but there are none")
    np.random.default_rng(0).shuffle(clips)
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Path] = []
    held: dict[str, bytes] = {}
    for clip in track(clips, total=len(clips), description="packing"):
        files = _pack_clip(clip, crf)
        if held and _size(held) + _size(files) > part_mib * 2**20:
            parts.append(_write_part(folder / f"part{len(parts):02d}.tar", held))
            held = {}
        held |= files
    return [*parts, _write_part(folder / f"part{len(parts):02d}.tar", held)]


def unpack(folder: Path, shards: Path, threads: int = 1) -> int:
    """Writes the clips of all parts in `folder`, and the index of everything in `shards`; returns the clips it holds.

    Args:
        threads: how many clips are unpacked side by side.

    Raises:
        InputError: when there are no parts.
    """
    parts = sorted(folder.glob("part*.tar"))
    if not parts:
        raise InputError(f"expected part*.tar in {folder}, but there are none")
    target = shards / "clips"
    target.mkdir(parents=True, exist_ok=True)
    clips = [clip for part in parts for clip in _read_part(part)]
    with ThreadPool(threads) as pool:  # decompressing and decoding, nearly all of the work, run side by side
        written = pool.imap_unordered(lambda clip: _unpack_clip(*clip, target), clips)
        for _ in track(written, total=len(clips), description="unpacking"):
            pass
    return _write_index(shards)


def _read_part(part: Path) -> list[tuple[str, dict[str, bytes]]]:
    """Name and files, by their suffixes, of every clip in a part."""
    clips: dict[str, dict[str, bytes]] = {}
    with tarfile.open(part) as tar:
        for member in tar:
            name, _, suffix = member.name.rpartition(".")
            file = tar.extractfile(member)
            clips.setdefault(name, {})[suffix] = b"" if file is None else file.read()
    return list(clips.items())


def _size(files: dict[str, bytes]) -> int:
    return sum(len(data) + 1024 for data in files.values())


def _write_part(path: Path, files: dict[str, bytes]) -> Path:
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def _pack_clip(clip: Clip, crf: int) -> dict[str, bytes]:
    name = clip.path.stem
    steps = np.round(clip.mesh() * _STEPS).astype(np.int16)
    change = np.diff(steps, axis=0, prepend=np.zeros_like(steps[:1]))
    planes = change.view(np.uint8).reshape(-1, 2).T  # low bytes, then high ones: far smaller
    rest = io.BytesIO()
    np.savez_compressed(
        rest,
        blendshapes=np.round(clip.blendshapes() * 255).astype(np.uint8),
        matrices=clip.matrices().astype(np.float16),
        ticks=clip.ticks(),
        frames=clip.frame_numbers(),
    )
    files = {
        f"{name}.json": json.dumps(clip.info.to_json()).encode(),
        f"{name}.mp4": _encode_pictures(clip, crf),
        f"{name}.mesh": lzma.compress(np.ascontiguousarray(planes).tobytes()),
        f"{name}.npz": rest.getvalue(),
    }
    if clip.info.samples:
        files[f"{name}.ogg"] = _encode_sound(clip.audio())
    return files


def _encode_pictures(clip: Clip, crf: int) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "slow"})
        stream.width = stream.height = clip.info.picture_size
        stream.pix_fmt = "yuv420p"
        for picture in clip.pictures(range(len(clip))):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return target.getvalue()


def _encode_sound(wave: np.ndarray) -> bytes:
    import soundfile

    target = io.BytesIO()
    soundfile.write(target, wave, _RATE, format="OGG", subtype="OPUS")
    return target.getvalue()


def _unpack_clip(name: str, files: dict[str, bytes], target: Path) -> None:
    _require(name, files, "json", "mesh", "npz", "mp4")
    info = ClipInfo.from_json(json.loads(files["json"]))
    if info.samples:
        _require(name, files, "ogg")
    planes = np.frombuffer(lzma.decompress(files["mesh"]), np.uint8).reshape(2, -1)
    change = np.ascontiguousarray(planes.T).view(np.int16).reshape(info.frames, 478, 3)
    mesh = np.cumsum(change, axis=0, dtype=np.int16).astype(np.float32) / _STEPS
    rest = np.load(io.BytesIO(files["npz"]))
    jpegs = list(_decode_pictures(files["mp4"], info.frames))
    sound = _decode_sound(files["ogg"], info.samples) if info.samples else np.zeros(0, np.int16)
    tensors = {
        "pictures": np.frombuffer(b"".join(jpegs), np.uint8),
        "picture_offsets": np.cumsum([0, *map(len, jpegs)]),
        "mesh": mesh,
        "blendshapes": rest["blendshapes"].astype(np.float32) / 255,
        "matrices": rest["matrices"].astype(np.float32),
        "ticks": rest["ticks"],
        "frames": rest["frames"],
        "audio": sound,
    }
    write_clip(target / f"{name}.safetensors", info, tensors)


def _require(name: str, files: dict[str, bytes], *suffixes: str) -> None:
    """Raises InputError where a packed clip lacks a file."""
    for suffix in suffixes:
        if suffix not in files:
            raise InputError(f"expected {name}.{suffix} in a packed clip, but it is not there")


def _decode_pictures(data: bytes, frames: int) -> Iterator[bytes]:
    import cv2

    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:  # OpenCV reads files only
        file.write(data)
        file.flush()
        video = cv2.VideoCapture(file.name)
        for number in range(frames):
            found, picture = video.read()
            if not found:
                raise InputError(
                    f"expected {frames} pictures in a packed clip, but decoding stopped at {number}"
                )
            yield cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _decode_sound(data: bytes, samples: int) -> np.ndarray:
    import soundfile

    wave, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    return np.pad(wave[:samples], (0, max(samples - len(wave), 0)))


def _write_index(shards: Path) -> int:
    from pdfgc.data.clips import open_clip

    entries = []
    for path in sorted((shards / "clips").glob("*.safetensors")):
        entries.append({"file": str(path.relative_to(shards)), "info": open_clip(path).info.to_json()})
    with atomic_path(shards / "index.json") as temporary:
        temporary.write_text(json.dumps({"clips": entries}))
    return len(entries)


def main() -> None:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    packing = verbs.add_parser("pack", help="clips to parts")
    packing.add_argument("shards", type=Path)
    packing.add_argument("-o", dest="folder", type=Path, required=True)
    packing.add_argument("--part-mib", type=float, default=24.0, help="size of a part at most, about")
    packing.add_argument("--crf", type=int, default=21, help="quality of the pictures; smaller is better")
    unpacking = verbs.add_parser("unpack", help="parts to clips")
    unpacking.add_argument("folder", type=Path)
    unpacking.add_argument("-o", dest="shards", type=Path, required=True)
    unpacking.add_argument("--threads", type=int, default=1, help="clips unpacked side by side")
    arguments = parser.parse_args()
    if arguments.verb == "pack":
        for path in pack(arguments.shards, arguments.folder, arguments.part_mib, arguments.crf):
            log.info("%s: %.1f MiB", path, path.stat().st_size / 2**20)
    else:
        log.info(
            "%d clips in %s", unpack(arguments.folder, arguments.shards, arguments.threads), arguments.shards
        )


if __name__ == "__main__":
    main()
