"""The paper's networks against recorded answers of the authors' own installation.

A golden file is a safetensors file with some inputs and what the authors' networks answered:

    portrait, driver   [1, 3, S, S]  pictures in -1..1, as the networks take them
    audio.wave         [N]           16 kHz at an RMS of 0.1
    appearance.vector  [1, 2048]     of the portrait
    appearance.map     [1, 512, 7, 7]
    motion.pose, motion.eyes, motion.expression, motion.lip_feature    of the driver
    audio.mel          [80, L]       of the wave
    audio.feature, audio.lips        of the patch of frame 12, columns 40..59 of that spectrum
    frame              [1, 3, S, S]  painted from the portrait with audio.lips, then the driver's expression, eyes
                                     and pose, without gains, styled conv i using the buffer noises.noise_i
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.networks.mel import log_mel, paper_filters, paper_window
from pdfgc.networks.paper.appearance import AppearanceEncoder
from pdfgc.networks.paper.motion import MotionEncoder
from pdfgc.networks.speech_mel import MelSpeechNetwork
from pdfgc.official.convert import read_networks

TOLERANCE = 1e-4
"""Largest difference that counts as the same: float32 sums in another order differ by about a tenth of that."""

FRAME = 12
"""The frame whose patch of the spectrum the golden file is about."""


@dataclass(frozen=True)
class Difference:
    """One output: its name and the largest absolute difference to the recorded answer."""

    output: str
    largest: float


def verify(model: Path, golden: Path) -> list[Difference]:
    """Runs every network on the recorded inputs.

    Raises:
        InputError: files that are not what they should be, a golden file without inputs and answers, or inputs or
            answers of another shape.
    """
    networks, config = read_networks(model)
    recorded = _read(golden)
    _check_inputs(recorded, config.size, golden)
    with torch.inference_mode():
        ours = _answers(networks, recorded)
    shared = [name for name in ours if name in recorded]
    if not shared:
        raise InputError(
            f"expected inputs and answers of the authors' networks in {golden}, but it has no pair of them"
        )
    for name in shared:
        if ours[name].shape != recorded[name].shape:
            raise InputError(
                f"expected {name} in {golden} as {list(ours[name].shape)}, but it is {list(recorded[name].shape)}"
            )
    return [Difference(name, _largest(ours[name] - recorded[name])) for name in shared]


def _check_inputs(recorded: dict[str, Tensor], size: int, golden: Path) -> None:
    """Raises InputError for an input that the networks could not take."""
    picture = [1, 3, size, size]
    for name in ("portrait", "driver"):
        if name in recorded and not _is_float(recorded[name], picture):
            raise InputError(
                f"expected {name} in {golden} as {picture} float32, but it is {_form(recorded[name])}"
            )
    wave = recorded.get("audio.wave")
    if wave is not None and not (wave.numel() and _is_float(wave, [wave.numel()])):
        raise InputError(
            f"expected audio.wave in {golden} as one row of float32 samples, but it is {_form(wave)}"
        )


def _is_float(tensor: Tensor, shape: list[int]) -> bool:
    return tensor.dtype == torch.float32 and list(tensor.shape) == shape


def _form(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _answers(networks: dict[str, nn.Module], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Whatever can be answered from the inputs that are given."""
    answers: dict[str, Tensor] = {}
    appearance, motion, speech = networks["appearance"], networks["motion"], networks["speech"]
    assert isinstance(appearance, AppearanceEncoder) and isinstance(motion, MotionEncoder)
    assert isinstance(speech, MelSpeechNetwork)
    if "portrait" in given:
        answers["appearance.vector"], answers["appearance.map"] = appearance(given["portrait"])
    if "driver" in given:
        feature = motion.model(given["driver"])
        lips = motion.head("lips", feature)
        answers["motion.lip_feature"] = lips
        for factor in ("expression", "eyes", "pose"):
            answers[f"motion.{factor}"] = motion.embed(factor, motion.head(factor, feature))
    if "audio.wave" in given:
        spectrum = log_mel(given["audio.wave"][None], paper_filters(), paper_window())
        answers["audio.mel"] = spectrum[0]
        heard = speech.contrast(spectrum.transpose(1, 2), torch.tensor([[FRAME / 25]]))[0]
        answers["audio.feature"], answers["audio.lips"] = heard, speech.encode(heard)
    parts = ("appearance.vector", "audio.lips", "motion.expression", "motion.eyes", "motion.pose")
    if all(part in answers for part in parts):
        style = torch.cat([answers[part] for part in parts], 1)
        answers["frame"] = networks["generator"](answers["appearance.map"], style)
    return answers


def _largest(difference: Tensor) -> float:
    """NaN if there is one anywhere."""
    return float(difference.abs().max())


def _read(golden: Path) -> dict[str, Tensor]:
    if not golden.is_file():
        raise InputError(f"expected a golden file at {golden}, but there is none")
    try:
        return load_file(golden)
    except SafetensorError as error:
        raise InputError(
            f"expected a safetensors file, but {golden} cannot be read as one ({error})"
        ) from error
