"""A stage small enough for tests of the loop: a two-layer net with dropout learns the mouth opening of
made-up clips, with a memory bank, and a critic as a second phase."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.data.clips import ClipSet
from pdfgc.training.distributed import gather_rows
from pdfgc.training.losses import info_nce, squared_correlation
from pdfgc.training.memory_bank import MemoryBank
from pdfgc.training.stage import Batch, Draw, Phase, Stage


def make_net() -> nn.Module:
    """The two-layer net."""
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1))


class Bank(nn.Module):
    """The last rows of targets."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Tensor
        self.register_buffer("rows", torch.zeros(8))

    def push(self, values: Tensor) -> None:
        self.rows.copy_(torch.cat([values.detach(), self.rows])[: len(self.rows)])


class ToyStage(Stage):
    """Trains the module named `net`; `poison` is a step at which the batch holds a NaN."""

    name = "stage1"

    def __init__(
        self, clips: ClipSet, weights: dict[str, float], poison: int | None = None, net: str = "motion"
    ) -> None:
        self.clips = clips
        self.poison = poison
        self.net = net
        self.weights = weights
        self.modules = {
            net: make_net(),
            "critic": nn.Linear(1, 1),
            "frozen": nn.Linear(1, 1),
            "bank": Bank(),
        }
        self.phases = (Phase("net", (net,)), Phase("critic", ("critic",), interval=2, ema=False))
        self.exports = (net,)

    def batch(self, draw: Draw) -> Batch:
        inputs, targets = [], []
        for random in draw.items():
            clip = self.clips.draw(random)
            frame = int(random.integers(len(clip)))
            mesh = clip.mesh(slice(frame, frame + 1))[0]
            inputs.append(mesh[[13, 14]].ravel() + random.normal(scale=0.01, size=6))
            targets.append(mesh[14, 1] - mesh[13, 1])
        batch = {
            "input": torch.from_numpy(np.array(inputs, np.float32)),
            "target": torch.from_numpy(np.array(targets, np.float32)),
        }
        if draw.step == self.poison:
            batch["input"][0, 0] = torch.nan
        return batch

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        bank = self.modules["bank"]
        assert isinstance(bank, Bank)
        answer = self.modules[self.net](batch["input"])[:, 0]
        if phase == "critic":
            return {"critic": (self.modules["critic"](answer.detach()[:, None]) - 1).square().mean()}
        mean = bank.rows.mean()
        bank.push(batch["target"])
        noise = 0.01 * torch.rand_like(answer)
        return {"mesh": (answer + noise - batch["target"]).square().mean(), "bank_mean": mean}

    def sample(self) -> np.ndarray:
        return np.full((8, 8, 3), 128, np.uint8)

    def validate(self) -> dict[str, float]:
        with torch.no_grad():
            return {"weight": float(self.modules[self.net][0].weight.sum())}  # type: ignore[index]


class ComparingStage(Stage):
    """A stage whose losses compare the items of a batch with each other and with a memory bank; nothing random.

    `poison` is a step at which the last item's target holds a NaN.
    """

    name = "stage1"

    def __init__(self, clips: ClipSet, poison: int | None = None) -> None:
        self.clips = clips
        self.poison = poison
        self.weights = {"mesh": 1.0, "swap": 0.1, "correlation": 0.5}
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 3))
        self.bank = MemoryBank(16, answer=3, target=6)
        self.modules = {"motion": self.net, "bank": self.bank}
        self.phases = (Phase("motion", ("motion",)),)
        self.exports = ("motion",)

    def batch(self, draw: Draw) -> Batch:
        inputs = np.stack([random.normal(size=6) for random in draw.items()]).astype(np.float32)
        targets = np.sin(inputs[:, :3])
        if draw.step == self.poison and draw.first > 0:
            targets[-1, 0] = np.nan
        return {"input": torch.from_numpy(inputs), "target": torch.from_numpy(targets)}

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        answer = self.net(batch["input"])
        rows = self.bank.extend(answer=answer, target=batch["input"])
        anchors, candidates = gather_rows(answer), gather_rows(batch["input"])[:, :3]
        return {
            "mesh": (answer - batch["target"]).square().mean(),
            "swap": info_nce(anchors, candidates, temperature=0.5),
            "correlation": squared_correlation(rows["answer"], rows["target"]),
        }
