"""Frames, poses and sound of prepared clips as the paper's networks take them.

Clips are read as they are drawn; only their index is in memory, so the number of clips does not matter.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from pdfgc.config_paper import Augmentation
from pdfgc.data.clips import AUDIO_RATE, Clip, ClipSet
from pdfgc.errors import InputError
from pdfgc.face.crop import CropBox
from pdfgc.face.geometry import fit_pose
from pdfgc.face.paper_view import head_mesh, view_box, view_mesh
from pdfgc.networks.speech_mel import MelHearing, mel_patches
from pdfgc.wording import counted

_HEARD = 1.5
"""Seconds of sound on each side of the frames by which its level is set."""

_LEAST_FRAMES = 2

_ENLARGED = 0.5
"""Side of a stored view, as a part of that of the pictures, below which it counts as too small."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moment:
    """Some frames of one clip."""

    clip: Clip
    frames: np.ndarray
    """Their rows in the clip."""

    def only(self, index: int) -> Moment:
        """One of its frames."""
        return Moment(self.clip, self.frames[index : index + 1])


class PaperClips:
    """The clips with pictures, and what is drawn from them.

    Args:
        clips: prepared clips.
        size: side of the pictures in pixels.
        sound: whether every clip has to have sound.

    Raises:
        InputError: when no clip fits.
    """

    def __init__(self, clips: ClipSet, size: int, *, sound: bool = False) -> None:
        self.clips = clips.where(pictures=True, sound=True if sound else None, min_frames=_LEAST_FRAMES)
        if not len(self.clips):
            raise InputError(
                "expected prepared clips with pictures"
                + (" and sound" if sound else "")
                + ", but none has them"
            )
        self.size = size
        self.people = {identity: number for number, identity in enumerate(self.clips.identities)}
        self._hearing = MelHearing()

    def draw(self, random: np.random.Generator, frames: int, *, span: float | None = None) -> Moment:
        """Frames of one clip at random: a person first, all alike, then a clip, then the frames in order.

        Args:
            random: where chance comes from.
            frames: how many.
            span: seconds within which they lie; anywhere when None.
        """
        clip = self.clips.draw(random)
        rows = np.arange(len(clip))
        if span is not None:
            times = clip.times()
            begin = random.uniform(times[0], max(times[-1] - span, times[0] + 1e-6))
            inside = np.flatnonzero((times >= begin) & (times <= begin + span))
            rows = inside if len(inside) else np.array([np.abs(times - begin).argmin()])
        return Moment(clip, np.sort(random.choice(rows, frames, replace=len(rows) < frames)))

    def draw_pair(self, random: np.random.Generator, gap: float = 0.0) -> Moment:
        """Two frames of one clip, at least `gap` seconds apart where the clip is long enough."""
        clip = self.clips.draw(random)
        times = clip.times()
        first = int(random.integers(len(clip)))
        apart = np.abs(times - times[first])
        others = np.flatnonzero(apart >= min(max(gap, 1e-6), apart.max()))
        return Moment(clip, np.array([first, int(random.choice(others))]))

    def pictures(self, moment: Moment) -> Tensor:
        """`[n, 3, size, size]` uint8: the view of each frame."""
        matrix = _matrix(_view(moment.clip), self.size)
        return self._warped(moment.clip.pictures(moment.frames.tolist()), [matrix] * len(moment.frames))

    def augmented(self, moment: Moment, settings: Augmentation, random: np.random.Generator) -> Tensor:
        """As `pictures`, each frame under a change of its own: turn, size, stretch, shift, colours, blur."""
        base = _matrix(_view(moment.clip), self.size)
        matrices = [_random_warp(base, self.size, settings, random) for _ in moment.frames]
        warped = self._warped(moment.clip.pictures(moment.frames.tolist()), matrices)
        changed = [_recoloured(picture, settings, random) for picture in warped.permute(0, 2, 3, 1).numpy()]
        return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()

    def meshes(self, moment: Moment) -> Tensor:
        """`[n, 478, 3]` in units of the view."""
        mesh = self._rows(moment, "mesh")
        return torch.from_numpy(mesh if _is_view(moment.clip) else view_mesh(mesh))

    def blendshapes(self, moment: Moment) -> Tensor:
        """`[n, 52]`."""
        return torch.from_numpy(self._rows(moment, "blendshapes"))

    def poses(self, moment: Moment) -> Tensor:
        """`[n, 6]` as `geometry.fit_pose` of the head crop."""
        mesh = self._rows(moment, "mesh")
        return fit_pose(torch.from_numpy(head_mesh(mesh) if _is_view(moment.clip) else mesh))

    def patches(self, moment: Moment) -> Tensor:
        """`[n, 80, 20]`: the mel patch about each frame; the level is that of the sound about all of them."""
        times = moment.clip.times()[moment.frames]
        first = max(int((times[0] - _HEARD) * AUDIO_RATE), 0)
        last = min(int((times[-1] + _HEARD) * AUDIO_RATE), moment.clip.info.samples)
        wave = torch.from_numpy(moment.clip.audio(min(first, last), last))
        if len(wave) == 0:
            wave = torch.zeros(AUDIO_RATE)
        columns = self._hearing(self._hearing.set_level(wave)[None])
        at = torch.tensor(times - first / AUDIO_RATE, dtype=torch.float32)
        return mel_patches(columns, at[None])[0]

    def warn_of_small_pictures(self) -> None:
        """Says when most views would be enlarged to more than twice their size."""
        sides = [_view(clip).side for clip in self.clips]
        small = sum(side < _ENLARGED * self.size for side in sides)
        if small > len(sides) / 2:
            log.warning(
                "%s of %d hold pictures too small for %d pixels (the smallest has %.0f): prepare them larger (--size)",
                *(counted(small, "clip"), len(sides), self.size, min(sides)),
            )

    def person(self, moment: Moment) -> int:
        """The number of whose clip it is."""
        return self.people[moment.clip.identity]

    def _rows(self, moment: Moment, name: str) -> np.ndarray:
        low, high = int(moment.frames.min()), int(moment.frames.max()) + 1
        values: np.ndarray = getattr(moment.clip, name)(slice(low, high))
        return np.ascontiguousarray(values[moment.frames - low])

    def _warped(self, pictures: np.ndarray, matrices: list[np.ndarray]) -> Tensor:
        side = (self.size, self.size)
        warped = [
            cv2.warpAffine(picture, matrix, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for picture, matrix in zip(pictures, matrices, strict=True)
        ]
        return torch.from_numpy(np.stack(warped)).permute(0, 3, 1, 2).contiguous()


def window_of(clip: Clip, middle: int, frames: int) -> Moment:
    """`frames` neighbouring frames about one of them; at a clip's ends the last one repeats."""
    rows = middle + np.arange(frames) - frames // 2
    return Moment(clip, rows.clip(0, len(clip) - 1))


def far_pair(clip: Clip) -> Moment:
    """A clip's first frame and the one whose face differs most from it: to look at and to measure by."""
    mesh = clip.mesh()
    return Moment(clip, np.array([0, int(np.abs(mesh - mesh[:1]).mean((1, 2)).argmax())]))


def _is_view(clip: Clip) -> bool:
    """Whether the clip is stored as the view already, not as the head crop about it."""
    return clip.info.framing == "voxceleb"


def _view(clip: Clip) -> CropBox:
    """The view in pixels of the stored picture."""
    stored = CropBox(0.0, 0.0, float(clip.info.picture_size))
    return stored if _is_view(clip) else view_box(stored)


def _matrix(box: CropBox, size: int) -> np.ndarray:
    """`[2, 3]` affine map of pixel indices, stored picture to view."""
    scale = size / box.side
    shift = 0.5 * (scale - 1)
    return np.array([[scale, 0, shift - box.left * scale], [0, scale, shift - box.top * scale]])


def _random_warp(
    base: np.ndarray, size: int, settings: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """The map `base` followed by a random turn, size, stretch and shift about the view's middle."""
    angle = settings.rotate * random.standard_normal()
    zoom = np.exp(settings.scale * random.standard_normal())
    stretch = np.exp(settings.stretch * random.standard_normal() * np.array([0.5, -0.5]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    change = turn * (zoom * stretch)
    middle = np.full(2, (size - 1) / 2)
    shift = middle - change @ middle + settings.shift * size * random.standard_normal(2)
    return np.column_stack([change @ base[:, :2], change @ base[:, 2] + shift])


def _recoloured(picture: np.ndarray, settings: Augmentation, random: np.random.Generator) -> np.ndarray:
    """A picture `[S, S, 3]` uint8 with other brightness, contrast, tint and saturation, maybe blurred."""
    gain = np.exp(
        settings.colour * random.standard_normal(3) * 0.3 + settings.colour * random.standard_normal()
    )
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(settings.colour * random.standard_normal())
    table = np.clip(np.rint(255 * levels * gain), 0, 255).astype(np.uint8)[:, None]
    changed = cv2.LUT(np.ascontiguousarray(picture), table).astype(np.float32)
    grey = changed.mean(2, keepdims=True)
    changed = grey + (changed - grey) * np.exp(settings.colour * random.standard_normal())
    if random.random() < settings.blur:
        changed = cv2.GaussianBlur(changed, (0, 0), random.uniform(0.3, 1.5) * picture.shape[0] / 224)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
