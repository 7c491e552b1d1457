"""The publication's networks in use: pictures and speech to codes, a portrait and codes to frames."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.allocator import KEPT_BLOCK
from pdfgc.config import config_from_dict
from pdfgc.devices import fast_autocast, half_precision, lay_channels_last
from pdfgc.errors import InputError
from pdfgc.face.crop import CropBox, head_box
from pdfgc.face.paper_view import view_box
from pdfgc.face.tracker import Face
from pdfgc.listening import gaussian_taps, listen, smooth_rows
from pdfgc.model_parts import check_crop, count_weights, fingerprint, load_parts, to_pixels
from pdfgc.motion import FACTORS, MotionTrack
from pdfgc.networks.paper.build import make_appearance, make_generator, make_motion, make_speech
from pdfgc.networks.paper.painter import Painter
from pdfgc.networks.paper.quick_motion import QuickTrunk
from pdfgc.networks.speech_mel import MelHearing
from pdfgc.parallel import Threads
from pdfgc.training.results import Result

if TYPE_CHECKING:
    from pdfgc.avatar import Avatar
    from pdfgc.portrait import Picture

_ALIGNED = 224
"""Side of the aligned pictures that `PaperUse.margin` is about."""

_PICTURES_AT_ONCE = 4
"""Encoded together: so the largest maps, 6.4 MB a picture, stay within `KEPT_BLOCK`."""


@dataclass(frozen=True)
class PaperPortrait:
    """A portrait encoded once for all its frames."""

    vector: Tensor
    """`[1, 2048]`."""
    start: Tensor
    """`[1, 512, 7, 7]`, the map that the generator starts from."""
    codes: dict[str, np.ndarray]
    """Its own codes, `{factor: [D]}`."""


class PaperModel:
    """Preset `paper` for use: `pdfgc.load` makes one.

    Codes are the networks' answers times the gains of `PaperUse`, as the authors' inference has them.

    Attributes:
        preset: name of the configuration.
        size: side of the squares it sees and paints in pixels.
        device: where it computes; what goes in and comes out are numpy arrays all the same.
        use: the constants of its use.
        gains: factors on its codes by factor.
        painter: paints frames `[T, S, S, 3]` uint8 from codes in the generator's place, where it is set.
        fingerprint: differs for any two models whose codes mean different things; tracks carry it.
    """

    needs_crops = True
    """Codes come from the pictures."""

    pose_in_radians = False
    """Pose codes are in units of their training; those of the authors' release in units that nobody states."""

    def __init__(self, result: Result, device: torch.device | str = "cpu") -> None:
        config = config_from_dict(result.about["config"])
        sizes = config.paper.networks
        self.preset = config.preset
        self.size = config.size
        self.about = result.about
        self.use = config.paper.use
        self.device = torch.device(device)
        self.painter: Callable[[PaperPortrait, Mapping[str, np.ndarray]], np.ndarray] | None = None
        with torch.device("meta"):
            self.appearance = make_appearance(sizes)
            self.motion = make_motion(sizes, config.size)
            self.speech = make_speech(sizes)
            self.generator = make_generator(sizes, config.size)
        self._modules: dict[str, nn.Module] = {
            "appearance": self.appearance,
            "motion": self.motion,
            "speech": self.speech,
            "generator": self.generator,
        }
        load_parts(self._modules, result)
        settings = json.dumps(dataclasses.asdict(self.use))
        self.fingerprint = fingerprint([self.motion, self.speech], settings)
        self.hearing = MelHearing().to(self.device)
        for module in self._modules.values():
            module.to(self.device)
            if module is not self.generator:
                lay_channels_last(module)
        self.gains = {
            "lips": self.use.lips_gain,
            "expression": self.use.expression_gain,
            "eyes": self.use.eyes_gain,
            "pose": 1.0,
        }

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return count_weights(self._modules)

    def avatar(self, portrait: Picture, *, face: int = 0, aligned: bool = False) -> Avatar:
        """A portrait made ready: any photo, its head found, cropped and encoded once (see `Avatar`)."""
        from pdfgc.avatar import Avatar

        return Avatar(self, portrait, face=face, aligned=aligned)

    # ------------------------------------------------------------------ what it looks at

    def box(self, faces: Sequence[Face]) -> CropBox:
        """The square of a clip, or of one picture, that the networks see: VoxCeleb's alignment less its margin."""
        return view_box(head_box(faces))

    def aligned_box(self, width: int, height: int) -> CropBox:
        """The same square of a picture `width` x `height` that is aligned as VoxCeleb's are.

        Raises:
            InputError: a picture that is not square.
        """
        if width != height:
            raise InputError(f"an aligned picture must be square, but one is {width} x {height} pixels")
        margin = self.use.margin * width / _ALIGNED
        return CropBox(margin, 0.0, width - 2 * margin)

    def cut_aligned(self, picture: np.ndarray) -> np.ndarray:
        """The square of an aligned picture `[H, H, 3]` uint8 as `[S, S, 3]`, resampled as the authors do (spec 4).

        Raises:
            InputError: a picture that is not square.
        """
        box = self.aligned_box(picture.shape[1], picture.shape[0])
        if picture.shape[0] != _ALIGNED:
            picture = cv2.resize(picture, (_ALIGNED, _ALIGNED), interpolation=cv2.INTER_LINEAR)
            box = self.aligned_box(_ALIGNED, _ALIGNED)
        left, side = int(box.left), int(box.side)
        cut = picture[:side, left : left + side]
        return cv2.resize(cut, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    # ------------------------------------------------------------------ codes

    def encode_motion(
        self, crops: np.ndarray | None, meshes: np.ndarray, blendshapes: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Motion codes of pictures, as `encode_pictures`.

        Args:
            crops: `[T, S, S, 3]` uint8.
            meshes, blendshapes: not looked at by this preset.

        Raises:
            ValueError: without crops.
        """
        if crops is None:
            raise ValueError("expected head crops: this preset reads codes off the pictures")
        return self.encode_pictures(crops)

    @torch.inference_mode()
    def encode_pictures(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Motion codes of `[T, S, S, 3]` uint8: `{factor: [T, D]}` float32, gains applied."""
        look = partial(self._look, self._trunk)  # made ready here: threads would each make their own
        at_once = min(_PICTURES_AT_ONCE, max(1, -(-len(crops) // torch.get_num_threads())))
        pieces = [crops[first : first + at_once] for first in range(0, len(crops), at_once)]
        parts = list(map(look, pieces)) if self._threads is None else self._threads.map(look, pieces)
        return {
            factor: self.gains[factor] * torch.cat([part[factor] for part in parts]).float().cpu().numpy()
            for factor in FACTORS
        }

    @torch.inference_mode()
    def _look(self, trunk: Callable[[Tensor], Tensor], crops: np.ndarray) -> dict[str, Tensor]:
        with fast_autocast(self.device):
            return self.motion.codes(trunk(self._pictures(crops)))

    @torch.inference_mode()
    def encode_speech(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        """Lip codes of speech, gain and smoothing applied.

        Args:
            wave: mono samples at 16 kHz, -1..1, in blocks of any length; memory does not grow with their number.
            fps: rows a second.

        Yields:
            `[n, 500]` float32; row i stands for second i / fps of the sound.
        """
        yield from smooth_rows(
            self._spoken(wave, fps), gaussian_taps(self.use.lips_taps, self.use.lips_sigma)
        )

    def _spoken(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        for heard in listen(wave, fps, self.hearing, self.device):
            codes = self.speech(heard.features[None], heard.since[None].to(self.device))[0]
            yield self.use.lips_gain * codes.float().cpu().numpy()

    def smooth(self, track: MotionTrack, strength: float) -> MotionTrack:
        """The mean of 3 frames over a driver's pose (`PaperUse.pose_mean`); other factors as they are.

        Args:
            track: a driver's.
            strength: 1 as the authors do it, 0 not at all, 2 over 5 frames, and so on.
        """
        taps = 1 + 2 * round(strength * (self.use.pose_mean // 2))
        if taps == 1:
            return track
        pose = np.concatenate(list(smooth_rows([track.pose], np.full(taps, 1 / taps))))
        return dataclasses.replace(
            track, pose=pose, metadata={**track.metadata, "smoothed": json.dumps({"pose": f"{taps} frames"})}
        )

    # ------------------------------------------------------------------ pictures

    @torch.inference_mode()
    def portrait(
        self, image: np.ndarray, mesh: np.ndarray | None = None, blendshapes: np.ndarray | None = None
    ) -> PaperPortrait:
        """Encode a portrait.

        Args:
            image: `[S, S, 3]` uint8, the square of `box` or `cut_aligned`.
            mesh, blendshapes: not looked at by this preset.

        Raises:
            ValueError: for a square of another size.
        """
        check_crop(image, self.size)
        vector, start = self.appearance(self._pictures(image[None]))
        codes = self.encode_pictures(image[None])
        return PaperPortrait(vector, start, {name: code[0] for name, code in codes.items()})

    @torch.inference_mode()
    def render(self, portrait: PaperPortrait, codes: Mapping[str, np.ndarray]) -> np.ndarray:
        """Paint frames.

        Args:
            portrait: from `portrait`.
            codes: `{factor: [T, D]}`, all four factors.

        Returns:
            `[T, S, S, 3]` uint8.
        """
        if self.painter is not None:
            return self.painter(portrait, codes)
        paint, styles = self.paint, self.style(portrait, codes)
        if self._threads is None:
            return to_pixels(paint(portrait.start, styles))
        return self._threads.over_rows(lambda part: to_pixels(paint(portrait.start, part)), styles)

    @cached_property
    def _threads(self) -> Threads | None:
        return Threads() if self.device.type == "cpu" else None

    @cached_property
    def _trunk(self) -> Callable[[Tensor], Tensor]:
        """E_mot's trunk in the way that is fastest here."""
        trunk = self.motion.model
        is_float32 = self.device.type == "cpu" and half_precision("cpu") is None
        return QuickTrunk(trunk) if is_float32 and QuickTrunk.pays() else trunk

    @cached_property
    def paint(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The generator made ready (`Painter`): maps and styles to frames in -1..1."""
        dtype = half_precision(self.device.type)
        if dtype != torch.bfloat16:  # float16 would overflow where styles are large
            dtype = torch.float32
        return Painter(self.generator, dtype, room=KEPT_BLOCK if self.device.type == "cpu" else 0)

    def style(self, portrait: PaperPortrait, codes: Mapping[str, np.ndarray]) -> Tensor:
        """What the generator is driven by: `[T, 2590]`, appearance vector, lips, expression, eyes, pose."""
        motion = np.concatenate([np.asarray(codes[name], np.float32) for name in FACTORS], 1)
        driven = torch.from_numpy(motion).to(self.device)
        return torch.cat([portrait.vector.expand(len(driven), -1), driven], 1)

    def _pictures(self, crops: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device)
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1  # channels-last, as the pictures are
