"""Codes to the driving mesh: what a portrait's face looks like when its factors are driven."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pdfgc.face.geometry import MESH_POINTS
from pdfgc.face.regions import region_weights

GAZE_DIMS = (2, 3)
BLINK_DIMS = (0, 1, 4, 5)
"""The eye code's entries for gaze and for blink, as in the authors' release (spec 1)."""

_IDENTITY = 64

_GAINS = {"lips": 1.0, "expression": 1.0, "blink": 3.0, "gaze": 6.0}
"""Bring codes to a spread of about 1: a gaze seldom leaves -0.3..0.3."""


class Displacement(nn.Module):
    """One factor's displacement of the mesh: a function of its code and of whose face it is."""

    region: Tensor

    def __init__(self, *, code: int, hidden: int, region: Tensor, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.register_buffer("region", region.clone(), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(code + _IDENTITY, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.1),
        )
        self.points = nn.Linear(hidden, MESH_POINTS * 3)
        nn.init.normal_(self.points.weight, std=1e-3)
        nn.init.zeros_(self.points.bias)

    def forward(self, code: Tensor, identity: Tensor) -> Tensor:
        """`[B, code]` and `[B, 64]` to displacements `[B, 478, 3]` in cm."""
        moved = self.points(self.layers(torch.cat([self.gain * code, identity], 1)))
        return moved.unflatten(1, (MESH_POINTS, 3)) * self.region[:, None]


class MeshDecoder(nn.Module):
    """The portrait's canonical mesh, moved from its own codes to the driving codes.

    Every factor adds a displacement of its own, so a factor that is held moves nothing, exactly, and a factor that
    is driven moves only its own region (`face.regions`).
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *, lips: int = 500, expression: int = 30, hidden: int = 256) -> None:
        super().__init__()
        regions = region_weights()
        self.register_buffer("mean", torch.zeros(MESH_POINTS, 3))
        self.register_buffer("spread", torch.ones(()))
        self.identity = nn.Linear(MESH_POINTS * 3, _IDENTITY)
        sizes = {"lips": lips, "expression": expression, "blink": len(BLINK_DIMS), "gaze": len(GAZE_DIMS)}
        self.factors = nn.ModuleDict(
            {
                name: Displacement(code=size, hidden=hidden, region=regions[name], gain=_GAINS[name])
                for name, size in sizes.items()
            }
        )

    @torch.no_grad()
    def set_statistics(self, mean: Tensor, spread: Tensor) -> None:
        """The centre `[478, 3]` and scale of canonical meshes, from the motion encoder."""
        self.mean.copy_(mean)
        self.spread.copy_(spread)

    def forward(self, portrait: Tensor, own: Mapping[str, Tensor], driving: Mapping[str, Tensor]) -> Tensor:
        """Driving canonical mesh.

        Args:
            portrait: `[B, 478, 3]` canonical mesh of the portrait in cm.
            own: the portrait's codes: `lips [B, 500]`, `expression [B, 30]`, `eyes [B, 6]`.
            driving: the driving codes, alike.

        Returns:
            `[B, 478, 3]` in cm; equal to `portrait` where `driving` equals `own`.
        """
        identity = self.identity(((portrait - self.mean) / self.spread).flatten(1))
        before, after = split_eyes(own), split_eyes(driving)
        mesh = portrait
        for name, displacement in self.factors.items():
            mesh = mesh + displacement(after[name], identity) - displacement(before[name], identity)
        return mesh


def split_eyes(codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Lips, expression, and the eye code `[B, 6]` as `blink [B, 4]` and `gaze [B, 2]`."""
    eyes = codes["eyes"]
    return {
        "lips": codes["lips"],
        "expression": codes["expression"],
        "blink": eyes[:, list(BLINK_DIMS)],
        "gaze": eyes[:, list(GAZE_DIMS)],
    }
