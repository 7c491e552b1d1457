"""A trained model: faces and speech to codes, a portrait and codes to frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.config import config_from_dict
from pdfgc.devices import choose_device, fast_autocast, half_precision
from pdfgc.errors import InputError
from pdfgc.face.geometry import fit_pose, remove_pose
from pdfgc.listening import listen
from pdfgc.model_parts import check_crop, count_weights, fingerprint, load_parts, to_pixels
from pdfgc.motion import FACTORS, SMOOTHING, MotionTrack
from pdfgc.networks.codec import driven_mesh, face_codes
from pdfgc.networks.hearing import SAMPLE_RATE
from pdfgc.networks.irises import Irises
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.mesh_warp import Flows, MeshWarpGenerator, PortraitFeatures
from pdfgc.networks.motion import FactorHead, MeshMotionEncoder, PoseHead
from pdfgc.networks.quick_warp import QuickGenerator
from pdfgc.networks.sketch import draw_sketches
from pdfgc.networks.speech_kinds import make_hearing, make_speech_network
from pdfgc.networks.triangles import draw_triangles
from pdfgc.parallel import Threads
from pdfgc.silence import speech_share
from pdfgc.training.results import Result, read_result, warn_of_misfits
from pdfgc.wording import nearest

if TYPE_CHECKING:
    from pdfgc.avatar import Avatar
    from pdfgc.face.crop import CropBox
    from pdfgc.face.tracker import Face
    from pdfgc.paper_model import PaperModel
    from pdfgc.portrait import Picture

EMBEDDED = ("small",)
"""Names of the models in the package."""

Engine = Literal["torch", "onnx"]
"""What can paint frames."""


@dataclass(frozen=True)
class Portrait:
    """A portrait encoded once for all its frames."""

    features: PortraitFeatures
    mesh: Tensor
    """`[1, 478, 3]` crop units."""
    canonical: Tensor
    """`[1, 478, 3]` cm."""
    pose: Tensor
    """`[1, 6]` as the tracker sees it."""
    sketch: Tensor
    """`[1, channels, S, S]` 0..1."""
    codes: dict[str, np.ndarray]
    """Its own codes, `{factor: [D]}`."""
    irises: Irises
    """What is laid over its painted eyes."""


class Model:
    """Preset `small` for use: `pdfgc.load` makes one.

    Attributes:
        preset: name of the configuration.
        size: side of head crops and rendered frames in pixels.
        device: where it computes; what goes in and comes out are numpy arrays all the same.
        painter: paints frames `[T, S, S, 3]` uint8 from driving meshes in the generator's place, where it is set.
        fingerprint: differs for any two models whose codes mean different things; tracks carry it.
    """

    needs_crops = False
    """Codes come from the mesh; the pictures themselves are not needed."""

    pose_in_radians = True
    """Pose codes begin with angles."""

    def __init__(self, result: Result, device: torch.device | str = "cpu") -> None:
        config = config_from_dict(result.about["config"])
        sizes = config.networks
        self.preset = config.preset
        self.size = config.size
        self.about = result.about
        self.device = torch.device(device)
        self.painter: Callable[[Portrait, Tensor], np.ndarray] | None = None
        wide: dict[str, Any] = {"feature": sizes.motion, "hidden": sizes.motion_hidden}
        self.motion = MeshMotionEncoder(**wide)
        self.heads = {
            "lips": FactorHead(**wide, code=FACTORS["lips"]),
            "expression": FactorHead(**wide, code=FACTORS["expression"]),
            "eyes": FactorHead(**wide, code=FACTORS["eyes"]),
            "pose": PoseHead(**wide),
        }
        self.hearing = make_hearing(sizes.speech)
        self.speech = make_speech_network(
            sizes.speech, hidden=sizes.speech_hidden, feature=sizes.motion_hidden, code=FACTORS["lips"]
        )
        self.decoder = MeshDecoder(
            lips=FACTORS["lips"], expression=FACTORS["expression"], hidden=sizes.decoder_hidden
        )
        self.generator = MeshWarpGenerator(
            channels=sizes.warp_channels, flow_channels=sizes.flow_channels, context=sizes.warp_context
        )
        self._modules: dict[str, nn.Module] = {
            "motion": self.motion,
            **self.heads,
            "hearing": self.hearing,
            "speech": self.speech,
            "decoder": self.decoder,
            "generator": self.generator,
        }
        load_parts(self._modules, result)
        self.fingerprint = fingerprint(
            part for name, part in self._modules.items() if name not in ("generator", "hearing")
        )
        for module in self._modules.values():
            module.to(self.device)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return count_weights(self._modules)

    def avatar(self, portrait: Picture, *, face: int = 0) -> Avatar:
        """A portrait made ready: any photo, its head found, cropped and encoded once (see `Avatar`)."""
        from pdfgc.avatar import Avatar

        return Avatar(self, portrait, face=face)

    def box(self, faces: Sequence[Face]) -> CropBox:
        """The square of a clip, or of one picture, that crops show: the head."""
        from pdfgc.face.crop import head_box

        return head_box(faces)

    def smooth(self, track: MotionTrack, strength: float) -> MotionTrack:
        """A driver's track under Gaussians of `motion.SMOOTHING` times `strength`."""
        return track.smooth(**{name: width * strength for name, width in SMOOTHING.items()})

    @torch.inference_mode()
    def encode_motion(
        self, crops: np.ndarray | None, meshes: np.ndarray, blendshapes: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Motion codes of tracked faces (spec 1).

        Args:
            crops: not looked at by this preset.
            meshes: `[T, 478, 3]` crop units.
            blendshapes: `[T, 52]`, 0..1.

        Returns:
            `{"lips": [T, 500], "expression": [T, 30], "eyes": [T, 6], "pose": [T, 6]}` float32. Poses are radians
            (pitch, yaw, roll), crop units and log scale, relative to `codec.REST_POSE`.
        """
        codes = face_codes(self.motion, self.heads, self._tensor(meshes), self._tensor(blendshapes))
        return {factor: code.cpu().numpy() for factor, code in codes.items()}

    @torch.inference_mode()
    def encode_speech(self, wave: Iterable[np.ndarray], fps: Fraction) -> Iterator[np.ndarray]:
        """Lip codes of speech; silence gives the zero code, a closed mouth.

        Args:
            wave: mono samples at 16 kHz, -1..1, in blocks of any length; memory does not grow with their number.
            fps: rows a second.

        Yields:
            `[n, 500]` float32; row i stands for second i / fps of the sound.
        """
        for heard in listen(wave, fps, self.hearing, self.device):
            codes = self.speech(heard.features[None], heard.since[None].to(self.device))[0].cpu()
            yield (codes * speech_share(heard.samples, heard.since, SAMPLE_RATE)[:, None]).numpy()

    @torch.inference_mode()
    def portrait(self, image: np.ndarray, mesh: np.ndarray, blendshapes: np.ndarray) -> Portrait:
        """Encode a portrait.

        Args:
            image: `[S, S, 3]` uint8 head crop, S = `size`.
            mesh: `[478, 3]` its crop mesh.
            blendshapes: `[52]`.

        Raises:
            ValueError: for a crop of another size.
        """
        check_crop(image, self.size)
        pixels = self._tensor(image).permute(2, 0, 1)[None] / 127.5 - 1
        points = self._tensor(mesh)[None]
        pose = fit_pose(points)
        return Portrait(
            features=self.generator.encode(pixels.contiguous(memory_format=torch.channels_last)),
            mesh=points,
            canonical=remove_pose(points, pose),
            pose=pose,
            sketch=_sketches(points, self.size),
            codes={
                name: code[0]
                for name, code in self.encode_motion(None, mesh[None], blendshapes[None]).items()
            },
            irises=Irises(image, mesh),
        )

    @torch.inference_mode()
    def render(self, portrait: Portrait, codes: Mapping[str, np.ndarray]) -> np.ndarray:
        """Paint frames.

        Args:
            portrait: from `portrait`.
            codes: `{factor: [T, D]}`, all four factors.

        Returns:
            `[T, S, S, 3]` uint8.
        """
        driving = self.driving_mesh(portrait, codes)
        if self._threads is None or self.painter is not None:
            return self._show(portrait, driving)
        _ = self._quick  # made here, once: threads that ask for it at the same time would each make one
        return self._threads.over_rows(lambda part: self._show(portrait, part), driving)

    @torch.inference_mode()
    def _show(self, portrait: Portrait, driving: Tensor) -> np.ndarray:
        """Frames `[T, S, S, 3]` uint8 of driving meshes: painted, and the irises laid over."""
        if self.painter is not None:
            frames = self.painter(portrait, driving)
        elif self._quick is not None:
            frames = self._paint_quickly(portrait, driving)
        else:
            frames = self._paint(portrait, driving)
        return portrait.irises.draw(frames, driving.cpu().numpy())

    @cached_property
    def _quick(self) -> QuickGenerator | None:
        """Paints on processors that are as fast in float32 as in anything else."""
        alone = self.device.type == "cpu" and half_precision("cpu") is None
        return QuickGenerator(self.generator) if alone else None

    @cached_property
    def _threads(self) -> Threads | None:
        return Threads() if self.device.type == "cpu" else None

    def _paint_quickly(self, portrait: Portrait, driving: Tensor) -> np.ndarray:
        assert self._quick is not None
        meshes = driving.numpy()
        return self._quick(
            portrait.features,
            self._flows(portrait, driving),
            portrait.sketch,
            draw_sketches(meshes, self.size),
            draw_triangles(meshes, self.size),
        )

    def _paint(self, portrait: Portrait, driving: Tensor) -> np.ndarray:
        count = len(driving)
        with fast_autocast(self.device):
            frames, _, _ = self.generator(
                portrait.features.expand(count),
                self._flows(portrait, driving),
                portrait.sketch.expand(count, -1, -1, -1),
                _sketches(driving, self.size),
                self._triangles(driving),
            )
        return to_pixels(frames)

    def driving_mesh(self, portrait: Portrait, codes: Mapping[str, np.ndarray]) -> Tensor:
        """The face that codes `{factor: [T, D]}` ask of a portrait: `[T, 478, 3]` crop units, on `device`."""
        wanted = {name: self._tensor(codes[name]) for name in FACTORS}
        count = len(wanted["pose"])
        own = {name: self._tensor(code)[None].expand(count, -1) for name, code in portrait.codes.items()}
        canonical, pose = portrait.canonical.expand(count, -1, -1), portrait.pose.expand(count, -1)
        return driven_mesh(self.decoder, canonical, pose, own, wanted)

    def _triangles(self, driving: Tensor) -> Tensor:
        return torch.from_numpy(draw_triangles(driving.cpu().numpy(), self.size)).to(driving.device)

    def _flows(self, portrait: Portrait, driving: Tensor) -> Flows:
        with torch.autocast(self.device.type, enabled=False):
            return self.generator.flows(portrait.mesh.expand_as(driving), driving)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device).float()


@overload
def load(name: Literal["small"] = ..., *, device: str = ..., engine: Engine = ...) -> Model: ...


@overload
def load(name: str | Path, *, device: str = ..., engine: Engine = ...) -> Model | PaperModel: ...


def load(name: str | Path = "small", *, device: str = "auto", engine: Engine = "torch") -> Model | PaperModel:
    """Load a model; which networks it has, its file says.

    Args:
        name: `small` (the weights in the package), a folder of a training run, or a `.safetensors` file.
        device: where it computes: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        engine: what paints the frames: `torch`, or `onnx`, ONNX Runtime on the CPU (the extra `export`).

    Raises:
        InputError: when there is no such model, device or engine, or the file is not one.
    """
    where = choose_device("cpu" if (engine, device) == ("onnx", "auto") else device)
    result = _read(name)
    warn_of_misfits(str(name), result.about)
    model = _make(result, where)
    if engine == "onnx":
        from pdfgc.engines import paint_by_onnx

        paint_by_onnx(model)
    elif engine != "torch":
        raise InputError(f"expected the engine torch or onnx, but got {engine!r}")
    return model


def _make(result: Result, device: torch.device) -> Model | PaperModel:
    if config_from_dict(result.about["config"]).family == "mesh":
        return Model(result, device)
    from pdfgc.paper_model import PaperModel

    return PaperModel(result, device)


def _read(name: str | Path) -> Result:
    path = Path(name)
    if path.is_dir():
        if not (path / "model.safetensors").exists() and any(path.glob("*.pth")):
            raise InputError(
                f"{path} holds files of the authors' release: pdfgc weights import-official makes a model of them"
            )
        return read_result(path / "model.safetensors")
    if path.suffix:
        return read_result(path)
    if str(name) == "paper":
        raise InputError(
            "the weights of preset paper are not in the package: `pdfgc weights import-official` makes a model "
            "of the authors' files"
        )
    if str(name) not in EMBEDDED:
        meant = nearest(str(name), EMBEDDED)
        raise InputError(
            f"expected a model's name, run folder or .safetensors file, but there is no model {str(name)!r}"
            + (f"; did you mean {meant!r}?" if meant else "")
        )
    with resources.as_file(resources.files("pdfgc.assets") / f"{name}.safetensors") as file:
        return read_result(file)


def _sketches(meshes: Tensor, size: int) -> Tensor:
    """Drawn on the CPU, copied as bytes to where the meshes are: `[T, channels, size, size]`, 0..1."""
    return torch.from_numpy(draw_sketches(meshes.cpu().numpy(), size)).to(meshes.device).float() / 255
