"""Making a user study (the paper's Table 3): blinded clips, a static page that rates them, and the key apart.

    STUDY/page/      what participants get: index.html, study.js, style.css, data.js, clips/<name>.mp4
    STUDY/key.json   which clip is whose; it stays with the experimenter

A clip's name is drawn at random, its file holds the same metadata whoever made it, and the order on the page is
another one for every participant. Pictures and sound are copied as they are, not encoded anew.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from pdfgc.errors import InputError
from pdfgc.evaluation.cases import list_clips
from pdfgc.files import atomic_path
from pdfgc.progress import track

FORMAT = 1
"""Version of the key and of the answers."""

QUESTIONS = ("lip_sync", "expression", "naturalness")
"""What is rated from `LOWEST` to `HIGHEST`, as in the paper."""

LOWEST, HIGHEST = 1, 5

PAGE_FILES = ("index.html", "study.js", "style.css")
"""Files of the page that are the same in every study; they come with the package."""

NOTE = "A clip of a rating study. It may show a synthetic face."
"""The only metadata of a blinded clip, real or not."""

_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".webm": "webm"}
_VIDEO_CODECS = frozenset({"h264", "vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9"})
_SOUND_CODECS = frozenset({"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac"})
_PIXELS = frozenset({"yuv420p", "yuvj420p"})


@dataclass(frozen=True)
class Source:
    """One clip of one method.

    Attributes:
        method: who made it.
        name: the file's name without its suffix: the same for all methods that were given the same task.
        path: the video.
    """

    method: str
    name: str
    path: Path


def collect(folders: Mapping[str, Path], limit: int | None = None, seed: int = 0) -> list[Source]:
    """The clips that every method has, matched by name.

    Args:
        folders: method -> folder (or list) of its videos.
        limit: at most so many names, drawn at random with `seed`.

    Raises:
        InputError: fewer than one method, two files of one name, or a method that lacks a clip of another.
    """
    if not folders:
        raise InputError("expected at least one method with its folder of videos, got none")
    by_method = {method: _by_name(method, list_clips(folder)) for method, folder in folders.items()}
    first, *others = by_method
    names = sorted(by_method[first])
    for other in others:
        if differing := sorted(set(names) ^ set(by_method[other])):
            raise InputError(
                f"expected videos of the same names from every method, but only one of {first} and {other} has "
                f"{differing[0]!r}"
            )
    if limit is not None and limit < len(names):
        names = sorted(random.Random(seed).sample(names, limit))
    return [Source(method, name, paths[name]) for method, paths in by_method.items() for name in names]


def make_study(sources: Sequence[Source], target: Path, seed: int) -> str:
    """Writes a study: the page with the blinded clips, and the key.

    Args:
        sources: the clips.
        target: the study's folder; it must not exist yet, or be empty.
        seed: names of the clips follow from it; the same seed and clips give the same study.

    Returns:
        The study's identifier, which its answers carry.

    Raises:
        InputError: a folder that is in use, or a video that browsers do not play or that has no sound.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"expected a new or empty folder for the study, but {target} holds something")
    for source in sources:
        check_playable(source.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    names = _blind_names(len(sources), draw)
    shuffled = draw.sample(list(sources), len(sources))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        folder = Path(temporary) / "study"
        clips = folder / "page" / "clips"
        clips.mkdir(parents=True)
        digest = hashlib.sha256(str(seed).encode())
        key, files = {}, []
        pairs = list(zip(names, shuffled, strict=True))
        for name, source in track(pairs, len(pairs), "blinding"):
            file = clips / f"{name}.{_CONTAINERS[source.path.suffix.lower()]}"
            blind(source.path, file)
            digest.update(f"{name} {source.method} {source.name}\n".encode() + file.read_bytes())
            key[name] = {**asdict(source), "path": str(source.path)}
            files.append({"id": name, "file": f"clips/{file.name}"})
        study = digest.hexdigest()[:16]
        _write_page(folder / "page", study, files)
        tree = {"pdfgc_study": FORMAT, "study": study, "seed": seed, "clips": key}
        (folder / "key.json").write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            target.rmdir()
        folder.rename(target)
    return study


def check_playable(path: Path) -> None:
    """Whether browsers play a video, and whether it speaks.

    Raises:
        InputError: another container or codec than browsers play, or no sound.
    """
    from pdfgc.media.container import open_media, picture_stream, sound_stream

    wanted = "expected an .mp4 or .webm with H.264, VP8, VP9 or AV1 (4:2:0) and sound that browsers play"
    with open_media(path) as container:
        picture, sound = picture_stream(container), sound_stream(container)
        if path.suffix.lower() not in _CONTAINERS:
            raise InputError(f"{wanted}, but got {path}")
        if picture is None:
            raise InputError(f"{wanted}, but {path} has no pictures")
        codec, pixels = picture.codec_context.name, picture.codec_context.pix_fmt
        if codec not in _VIDEO_CODECS or pixels not in _PIXELS:
            raise InputError(f"{wanted}, but the pictures of {path} are {codec} ({pixels}); encode it anew")
        if sound is None:
            raise InputError(f"{path} has no sound, so nobody can rate its lip sync")
        if sound.codec_context.name not in _SOUND_CODECS:
            raise InputError(
                f"{wanted}, but the sound of {path} is {sound.codec_context.name}; encode it anew"
            )


def blind(source: Path, target: Path) -> None:
    """Copies a video's pictures and sound bit for bit into a new file whose metadata say nothing of its maker."""
    import av

    from pdfgc.media.container import open_media, picture_stream, sound_stream

    with atomic_path(target) as temporary, open_media(source) as old:
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(temporary), "w", options=options) as new:
            new.metadata["comment"] = NOTE
            streams = {}
            for stream in (picture_stream(old), sound_stream(old)):
                if stream is not None:
                    streams[stream.index] = new.add_stream_from_template(stream)
                    streams[stream.index].metadata.clear()
            for packet in old.demux([old.streams[index] for index in streams]):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    new.mux(packet)


def read_key(study: Path) -> tuple[str, dict[str, tuple[str, str]]]:
    """The key of a study.

    Returns:
        The study's identifier, and clip -> (method, name).

    Raises:
        InputError: there is no key, or it is damaged.
    """
    path = study / "key.json"
    if not path.is_file():
        raise InputError(f"expected a study made by pdfgc study make, but there is no {path}")
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if tree["pdfgc_study"] != FORMAT:
            raise InputError(f"expected a key of version {FORMAT} in {path}, got {tree['pdfgc_study']}")
        return tree["study"], {clip: (v["method"], v["name"]) for clip, v in tree["clips"].items()}
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"expected the key of a study in {path}, but it is damaged") from error


def _by_name(method: str, paths: Sequence[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise InputError(
                f"the method {method} has two videos named {path.stem}: {named[path.stem]}, {path}"
            )
        named[path.stem] = path
    return named


def _blind_names(count: int, draw: random.Random) -> list[str]:
    names: list[str] = []
    while len(names) < count:
        name = f"{draw.getrandbits(32):08x}"
        if name not in names:
            names.append(name)
    return names


def _write_page(page: Path, study: str, files: Sequence[Mapping[str, str]]) -> None:
    """The fixed files, and `data.js`: the clips of this study, sorted by their random names."""
    for name in PAGE_FILES:
        with resources.as_file(resources.files("pdfgc.evaluation") / "study_page" / name) as fixed:
            shutil.copyfile(fixed, page / name)
    clips = sorted(files, key=lambda clip: clip["id"])
    tree = {"format": FORMAT, "study": study, "clips": clips}
    (page / "data.js").write_text(f"const STUDY = {json.dumps(tree, indent=1)};\n", encoding="utf-8")
