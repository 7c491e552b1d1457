"""Prepared clips: reading and writing the files that training learns from.

One safetensors file is one clip of one head, T frames in which its face was found:

| tensor | shape | what |
|---|---|---|
| `pictures` | uint8 `[bytes]` | head crops as JPEG files, one after the other; empty without pictures |
| `picture_offsets` | int64 `[T + 1]` | where each JPEG begins and the last ends; `[1]` without pictures |
| `mesh` | float32 `[T, 478, 3]` | the face in crop units (see `pdfgc.face.geometry`) |
| `blendshapes` | float32 `[T, 52]` | 0..1, MediaPipe's order |
| `matrices` | float32 `[T, 4, 4]` | MediaPipe's head matrices |
| `ticks` | int64 `[T]` | each frame's time since the clip's start, in units of `time_base` seconds |
| `frames` | int64 `[T]` | number in the video, or in a film's stretch, from 0; a gap is a frame without a face |
| `audio` | int16 `[N]` | 16 kHz mono from the clip's start (tick 0) on; empty without sound |

The rest is a JSON object in the metadata entry `pdfgc_clip`, the fields of `ClipInfo`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pdfgc.errors import InputError
from pdfgc.files import atomic_path

log = logging.getLogger(__name__)

AUDIO_RATE = 16000
"""Samples a second of a clip's sound."""


@dataclass(frozen=True)
class ClipInfo:
    """What a clip's file says about it besides the tensors."""

    identity: str
    source: str
    """The video, relative to the folder that was prepared."""
    time_base: Fraction
    """Seconds per tick."""
    crop: tuple[float, float, float]
    """Left, top and side of the head crop in pixels of the video's upright frames."""
    video_size: tuple[int, int]
    """Width and height of the video's upright frames in pixels."""
    picture_size: int
    """Side of the stored pictures."""
    frames: int
    has_pictures: bool
    samples: int
    """Length of the sound at `AUDIO_RATE`."""
    start: Fraction = Fraction(0)
    """Seconds from the video's first frame to the clip's start; a long video gives several clips."""
    labels: dict[str, str] = field(default_factory=dict)
    """Anything else that is known: licence, emotion, language."""
    framing: str = "head"
    """What the crop shows: `head` or `voxceleb` (see `pdfgc.data.settings`)."""
    sync: str = ""
    """Whether the sound is in step: a verdict of `pdfgc.data.sound_offset`; empty where nobody listened."""
    sound_late: float = 0.0
    """Seconds by which the sound came late in the video before it was moved."""
    sync_fit: float = 0.0
    """Correlation of the mouth with the sound as it is stored."""
    sound_fault: str = ""
    """Why there is no sound though the video has some: `silent`, `no speech`, `out of step`."""

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ClipInfo:
        """Reads what `to_json` wrote."""
        return cls(
            **{
                **tree,
                "time_base": Fraction(tree["time_base"]),
                "start": Fraction(tree.get("start", 0)),
                "crop": tuple(tree["crop"]),
                "video_size": tuple(tree["video_size"]),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "time_base": str(self.time_base), "start": str(self.start)}


@dataclass(frozen=True)
class Clip:
    """One prepared clip; nothing but `info` is in memory, everything else is read when asked for.

    Every reader takes the frames it should read as a slice, or none for all.
    """

    path: Path
    info: ClipInfo

    def __len__(self) -> int:
        return self.info.frames

    @property
    def identity(self) -> str:
        """Name of the person."""
        return self.info.identity

    @property
    def seconds(self) -> float:
        """Time from the first to the last frame."""
        times = self.times()
        return float(times[-1] - times[0])

    def mesh(self, frames: slice = slice(None)) -> np.ndarray:
        """`[n, 478, 3]` float32 crop meshes."""
        return self._read("mesh", frames)

    def blendshapes(self, frames: slice = slice(None)) -> np.ndarray:
        """`[n, 52]` float32, 0..1."""
        return self._read("blendshapes", frames)

    def matrices(self, frames: slice = slice(None)) -> np.ndarray:
        """`[n, 4, 4]` float32 head matrices of MediaPipe."""
        return self._read("matrices", frames)

    def times(self, frames: slice = slice(None)) -> np.ndarray:
        """`[n]` float64 seconds since the clip's start, which is also time 0 of `audio`."""
        return self.ticks(frames) * float(self.info.time_base)

    def ticks(self, frames: slice = slice(None)) -> np.ndarray:
        """`[n]` int64 times since the clip's start in units of `info.time_base` seconds."""
        return self._read("ticks", frames)

    def frame_numbers(self, frames: slice = slice(None)) -> np.ndarray:
        """`[n]` int64 numbers in the video; a gap is a frame in which no face was found."""
        return self._read("frames", frames)

    def audio(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Samples `start .. stop` of the sound at 16 kHz: `[n]` float32, -1..1; empty without sound."""
        return self._read("audio", slice(start, stop)).astype(np.float32) / 32768.0

    def mel(self) -> np.ndarray:
        """The paper's log-mel spectrum of the sound: `[80, columns]` float32, 0..1, 100 columns a second.

        It is computed when asked for, not stored: it follows from the sound and would take as many bytes. The patch
        of the frame at second t begins 8 columns before `round(100 t)` and has 20 (the paper's, spec 4).
        """
        import torch

        from pdfgc.networks.mel import log_mel, paper_filters, paper_window, to_rms

        wave = torch.from_numpy(self.audio())
        return log_mel(to_rms(wave)[None], paper_filters(), paper_window())[0].numpy()

    def picture(self, frame: int) -> np.ndarray:
        """One head crop: `[size, size, 3]` uint8 RGB.

        Raises:
            InputError: when the clip was prepared without pictures.
        """
        return self.pictures([frame])[0]

    def pictures(self, frames: Sequence[int]) -> np.ndarray:
        """Several head crops: `[n, size, size, 3]` uint8 RGB.

        Raises:
            InputError: when the clip was prepared without pictures, or a picture is damaged.
        """
        import cv2

        if not self.info.has_pictures:
            raise InputError(f"expected a clip with pictures, but {self.path} was prepared without")
        size = self.info.picture_size
        decoded = np.empty((len(frames), size, size, 3), np.uint8)
        with self._open() as file:
            offsets = file.get_slice("picture_offsets")[:]
            data = file.get_slice("pictures")
            for row, frame in enumerate(frames):
                picture = cv2.imdecode(data[int(offsets[frame]) : int(offsets[frame + 1])], cv2.IMREAD_COLOR)
                if picture is None or picture.shape != decoded.shape[1:]:
                    raise InputError(
                        f"expected a JPEG of {size} x {size} pixels as frame {frame} of {self.path}"
                    )
                decoded[row] = picture[..., ::-1]
        return decoded

    def _read(self, name: str, part: slice) -> np.ndarray:
        with self._open() as file:
            entries = file.get_slice(name)
            if 0 in entries.get_shape():  # which safetensors cannot slice
                return file.get_tensor(name)
            values: np.ndarray = entries[part]
        return values

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """The file.

        Raises:
            InputError: it is missing or damaged.
        """
        try:
            with safe_open(self.path, "numpy") as file:
                yield file
        except (FileNotFoundError, SafetensorError) as error:
            raise InputError(f"expected a prepared clip, but {self.path} cannot be read ({error})") from error


def open_clip(path: Path) -> Clip:
    """A clip from its file.

    Raises:
        InputError: when the file is missing or is not a prepared clip.
    """
    if not path.is_file():
        raise InputError(f"expected a prepared clip at {path}, but there is none")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise InputError(f"expected a prepared clip, but {path} cannot be read ({error})") from error
    if "pdfgc_clip" not in metadata:
        raise InputError(f"expected a clip written by pdfgc prepare, but {path} is another safetensors file")
    return Clip(path, ClipInfo.from_json(json.loads(metadata["pdfgc_clip"])))


def write_clip(path: Path, info: ClipInfo, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a clip's file, complete or not at all; the same contents give the same bytes."""
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, temporary, metadata={"pdfgc_clip": json.dumps(info.to_json())})


def digest_of(folder: Path) -> str:
    """What names the clips of a prepared folder wherever it lies: a SHA-256 of what its index says of them.

    Raises:
        OSError: the index cannot be read.
    """
    clips = json.loads((folder / "index.json").read_text())["clips"]
    return hashlib.sha256(json.dumps(clips, sort_keys=True).encode()).hexdigest()


class ClipSet:
    """Clips by identity.

    Sampling is by identity first: one person may have more than half of the minutes.
    """

    def __init__(self, clips: Iterable[Clip]) -> None:
        self.clips = tuple(clips)

    @classmethod
    def open(cls, folder: Path) -> ClipSet:
        """The clips of a prepared folder, by its index.

        Raises:
            InputError: when the folder has no index, or the index is damaged.
        """
        index = folder / "index.json"
        if not index.is_file():
            raise InputError(f"expected a folder made by pdfgc prepare, but {folder} has no index.json")
        try:
            entries = json.loads(index.read_text())["clips"]
            return cls(Clip(folder / entry["file"], ClipInfo.from_json(entry["info"])) for entry in entries)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"expected an index made by pdfgc prepare, but {index} is damaged") from error

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @cached_property
    def by_identity(self) -> dict[str, tuple[Clip, ...]]:
        """The clips of each identity, both in sorted order."""
        groups: dict[str, list[Clip]] = {}
        for clip in sorted(self.clips, key=lambda clip: (clip.identity, str(clip.path))):
            groups.setdefault(clip.identity, []).append(clip)
        return {identity: tuple(clips) for identity, clips in groups.items()}

    @property
    def identities(self) -> tuple[str, ...]:
        """Names of the people, sorted."""
        return tuple(self.by_identity)

    def where(
        self,
        *,
        pictures: bool | None = None,
        sound: bool | None = None,
        min_frames: int = 1,
        in_step: bool | None = None,
    ) -> ClipSet:
        """The clips that have (or have no) pictures and sound, sound that surely is in step, and so many frames."""
        return ClipSet(
            clip
            for clip in self.clips
            if (pictures is None or clip.info.has_pictures == pictures)
            and (sound is None or (clip.info.samples > 0) == sound)
            and (in_step is None or (clip.info.sync in ("in step", "shifted")) == in_step)
            and len(clip) >= min_frames
        )

    def split(self, patterns: Sequence[str]) -> tuple[ClipSet, ClipSet]:
        """Clips whose identity matches none of the names or patterns (`mead_*`), and those that match one."""
        matched: set[str] = set()
        for pattern in patterns:
            hits = fnmatch.filter(self.identities, pattern)
            if not hits:
                log.warning("no clip has the identity %r, which should be held out or excluded", pattern)
            matched.update(hits)
        rest = ClipSet(clip for clip in self.clips if clip.identity not in matched)
        return rest, ClipSet(clip for clip in self.clips if clip.identity in matched)

    def draw(self, random: np.random.Generator) -> Clip:
        """A clip: first a person, all alike, then one of that person's clips.

        Raises:
            InputError: when there are no clips.
        """
        if not self.clips:
            raise InputError("expected clips to train on, but there are none that fit")
        clips = self.by_identity[self.identities[random.integers(len(self.identities))]]
        return clips[random.integers(len(clips))]
