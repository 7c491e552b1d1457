"""The sync judge of our own: a small network that tells whether a mouth moves with a sound.

It sees grey pictures of the mouth and hears the features of Whisper's first layers (the frozen `hearing` of preset
`small`), five frames of 25 a second at a time, and puts both into one space where the same moment lies close together
(contrast in time, as SyncNet: Chung & Zisserman 2016). Nothing of the generator's training went into its weights, and
none of it is a training loss. It is trained by `scripts/train_sync_judge.py`.
"""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pdfgc.errors import InputError
from pdfgc.networks.speech import FEATURE_RATE, WIDTH, WhisperTrunk

RATE = 25
"""Frames a second that the judge knows."""

HEIGHT, WIDTH_PIXELS = 48, 72
"""Size of a mouth picture."""

FRAMES = 5
"""Frames that one feature looks at: 0.2 s."""

HEARD = FEATURE_RATE // RATE * WIDTH
"""Numbers that are heard during one frame."""

ASSET = "sync_small.safetensors"

_CHANNELS = (1, 16, 32, 48, 64)
_MAP = 3 * 5  # places left of a mouth picture after four strides of 2


class _Moments(nn.Module):
    """A row of frames to a row of unit features, each of `FRAMES` frames about its own."""

    def __init__(self, inputs: int, hidden: int, feature: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(inputs, hidden, 1), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Conv1d(hidden, hidden, FRAMES, padding=FRAMES // 2), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Dropout(dropout), nn.Conv1d(hidden, feature, 1),
        )  # fmt: skip

    def forward(self, rows: Tensor) -> Tensor:
        """`[B, T, inputs]` to `[B, T, feature]`."""
        return F.normalize(self.net(rows.transpose(1, 2)).transpose(1, 2), dim=-1)


class SyncJudge(nn.Module):
    """Mouths and speech into one space.

    Args:
        seen: numbers that a single mouth picture becomes.
        hidden: width.
        feature: size of the common space.
        dropout: of the layers between, in training.
    """

    heard_mean: Tensor
    heard_sd: Tensor

    def __init__(
        self, *, seen: int = 96, hidden: int = 128, feature: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in pairwise(_CHANNELS):
            layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        layers += [nn.Flatten(), nn.Dropout(dropout), nn.Linear(_CHANNELS[-1] * _MAP, seen)]
        self.picture = nn.Sequential(*layers)
        self.mouth = _Moments(seen, hidden, feature, dropout)
        self.speech = _Moments(HEARD, hidden, feature, dropout)
        self.register_buffer("heard_mean", torch.zeros(HEARD))
        self.register_buffer("heard_sd", torch.ones(HEARD))

    def see(self, mouths: Tensor) -> Tensor:
        """Features of rows of mouths.

        What a mouth looks like on the average of its row is taken off: it tells the person, not the word.

        Args:
            mouths: `[B, T, 48, 72]` of `normalise`.

        Returns:
            `[B, T, feature]`, unit length; the outermost two of either end look past it.
        """
        rows = self.picture(mouths.flatten(0, 1)[:, None]).unflatten(0, mouths.shape[:2])
        return self.mouth(rows - rows.mean(1, keepdim=True))

    def hear(self, heard: Tensor) -> Tensor:
        """Features of rows of `speech_rows`, `[B, T, HEARD]` to `[B, T, feature]` of unit length."""
        return self.speech((heard - self.heard_mean) / self.heard_sd)


def normalise(mouths: Tensor) -> Tensor:
    """Rows of grey pictures `[B, T, 48, 72]`, uint8 or 0..255, to mean 0 and standard deviation 1 of the whole row."""
    pictures = mouths.float() / 255
    pictures = pictures - pictures.mean((1, 2, 3), keepdim=True)
    return pictures / (pictures.std((1, 2, 3), keepdim=True) + 0.05)


def speech_rows(features: Tensor, frames: int, first: float = 0.0) -> Tensor:
    """What is heard during each frame.

    Args:
        features: `[L, 384]` of Whisper's trunk, 50 a second, from second 0 of the sound on.
        frames: how many frames of `RATE` a second.
        first: the second at which the first frame stands.

    Returns:
        `[frames, HEARD]`, zeros past the ends of the sound.
    """
    step = FEATURE_RATE // RATE
    start = round(first * FEATURE_RATE)
    rows = features.new_zeros(frames * step, features.shape[1])
    low, high = max(start, 0), min(start + len(rows), len(features))
    if high > low:
        rows[low - start : high - start] = features[low:high]
    return rows.unflatten(0, (frames, step)).flatten(1)


def judge_path() -> Path:
    """Where the package's own weights of the judge lie."""
    return Path(str(resources.files("pdfgc.assets") / ASSET))


def load_judge(path: Path | None = None) -> SyncJudge:
    """The judge with its weights, by default those in the package.

    Raises:
        InputError: there is no such file, or it is not a sync judge.
    """
    path = path or judge_path()
    if not path.is_file():
        raise InputError(f"expected the weights of a sync judge at {path}, but there is no file")
    judge = SyncJudge()
    try:
        judge.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
        _require_all(judge, path)
    except (SafetensorError, RuntimeError) as error:
        raise InputError(
            f"expected the weights of a sync judge in {path}, but it is something else"
        ) from error
    return judge.eval().requires_grad_(False)


def load_hearing() -> WhisperTrunk:
    """Whisper's first layers out of the package's default model, frozen.

    Raises:
        InputError: the package's default model has none.
    """
    path = Path(str(resources.files("pdfgc.assets") / "small.safetensors"))
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith("hearing.")]  # noqa: SIM118 (not a dict)
        state = {name.removeprefix("hearing."): file.get_tensor(name).float() for name in names}
    if not state:
        raise InputError(f"expected Whisper's layers in {path}, but it has none")
    hearing = WhisperTrunk()
    hearing.load_state_dict(state)
    return hearing.eval()


def _require_all(judge: SyncJudge, path: Path) -> None:
    """Every weight must be in the file; only the counters of batches may be missing."""
    stored = load_file(path).keys()
    missing = [n for n in judge.state_dict() if n not in stored and not n.endswith("num_batches_tracked")]
    if missing:
        raise InputError(f"expected the weights of a sync judge in {path}, but {missing[0]} is missing")
