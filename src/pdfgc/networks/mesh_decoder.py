"""Codes to the driving mesh: what a portrait's face looks like when its factors are driven."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pdfgc.face.geometry import MESH_POINTS, canonical_face
from pdfgc.face.mesh import LEFT_EYE, RIGHT_EYE
from pdfgc.face.regions import region_weights
from pdfgc.networks.motion import POSE

GAZE_DIMS = (2, 3)
BLINK_DIMS = (0, 1, 4, 5)
"""The eye code's entries for gaze and for blink, as in the authors' release (spec 1)."""

_GAINS = {"lips": 1.0, "expression": 1.0, "blink": 3.0, "gaze": 6.0}
"""Bring codes to a spread of about 1: a gaze seldom leaves -0.3..0.3."""

_USUAL_OPENING = 1.0  # cm between the lids


class Displacement(nn.Module):
    """One factor's displacement of the mesh."""

    region: Tensor

    def __init__(self, *, code: int, hidden: int, region: Tensor, face: int = 0, gain: float = 1.0) -> None:
        """A displacement by a code of `code` entries, and by `face` measures of whose face it is."""
        super().__init__()
        self.gain = gain
        self.register_buffer("region", region.clone(), persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(code + face, hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.1),
        )
        self.points = nn.Linear(hidden, MESH_POINTS * 3)
        nn.init.normal_(self.points.weight, std=1e-3)
        nn.init.zeros_(self.points.bias)

    def forward(self, code: Tensor, face: Tensor | None = None) -> Tensor:
        """`[B, code]` and `[B, face]` to displacements `[B, 478, 3]` in cm."""
        inputs = self.gain * code if face is None else torch.cat([self.gain * code, face], 1)
        moved = self.points(self.layers(inputs))
        return moved.unflatten(1, (MESH_POINTS, 3)) * self.region[:, None]


class MeshDecoder(nn.Module):
    """The portrait's canonical mesh, moved from its own codes to the driving codes.

    Every factor adds a displacement of its own, so a factor that is held moves nothing, exactly, and a factor that
    is driven moves only its own region (`face.regions`). Displacements are alike for all faces but for the lids,
    which have as far to go as the portrait's eyes are open: with a free description of the face beside the code, a
    hundred people were learnt by heart and a new one's gaze went astray.

    A tracked face also changes its shape a little as it turns (perspective, and the tracker's own habits: forehead
    and eyes slide by up to half a centimetre with the pitch). `turned` accounts for that, or expression would. It is an
    affine map of the whole face: a free one opened the mouth with the pitch, since a falling jaw tips the tracked head.
    """

    positions: Tensor

    def __init__(self, *, lips: int = 500, expression: int = 30, hidden: int = 256) -> None:
        super().__init__()
        sizes = {"lips": lips, "expression": expression, "blink": len(BLINK_DIMS), "gaze": len(GAZE_DIMS)}
        self.factors = nn.ModuleDict(
            {
                name: Displacement(
                    code=size,
                    hidden=hidden,
                    region=region_weights()[name],
                    face=_FACE.get(name, 0),
                    gain=_GAINS[name],
                )
                for name, size in sizes.items()
            }
        )
        self.register_buffer("positions", affine_positions(), persistent=False)
        self.turned = nn.Linear(2 * POSE, 4 * 3, bias=False)
        nn.init.zeros_(self.turned.weight)

    @torch.no_grad()
    def set_turned(self, weight: Tensor) -> None:
        """Start from a known effect of the pose, `[478 * 3, 12]` (`data.faces.shape_of_pose`), as far as it is one
        affine map of the whole face."""
        points = weight.unflatten(0, (MESH_POINTS, 3)).flatten(1)
        # In float64, so that a resumed run begins with the same digits wherever its memory lies.
        fitted = torch.linalg.lstsq(self.positions.double(), points.double()).solution
        self.turned.weight.copy_(fitted.reshape(4 * 3, -1))

    def forward(self, portrait: Tensor, own: Mapping[str, Tensor], driving: Mapping[str, Tensor]) -> Tensor:
        """Driving canonical mesh.

        Args:
            portrait: `[B, 478, 3]` canonical mesh of the portrait in cm.
            own: the portrait's codes: `lips [B, 500]`, `expression [B, 30]`, `eyes [B, 6]`, `pose [B, 6]`.
            driving: the driving codes, alike.

        Returns:
            `[B, 478, 3]` in cm; equal to `portrait` where `driving` equals `own`.
        """
        before, after = split_eyes(own), split_eyes(driving)
        turn = pose_terms(driving["pose"]) - pose_terms(own["pose"])
        mesh = portrait + self.positions @ self.turned(turn).unflatten(1, (4, 3))
        for name, displacement in self.factors.items():
            face = lid_gaps(portrait) - _USUAL_OPENING if name in _FACE else None
            mesh = mesh + displacement(after[name], face) - displacement(before[name], face)
        return mesh


_FACE = {"blink": 2}
"""Factors whose displacement depends on the portrait's lid gaps, and how many those are."""


def lid_gaps(canonical: Tensor) -> Tensor:
    """How far the right and the left eye are open: `[B, 478, 3]` to `[B, 2]` cm."""
    gaps = [canonical[:, eye[4], 1] - canonical[:, eye[12], 1] for eye in (RIGHT_EYE, LEFT_EYE)]
    return torch.stack(gaps, 1)


def affine_positions() -> Tensor:
    """`[478, 4]` place of each mesh point on the canonical face in units of 10 cm, and 1."""
    vertices = canonical_face()["vertices"]
    irises = [vertices[list(eye)].mean(0).expand(5, -1) for eye in (RIGHT_EYE, LEFT_EYE)]
    return torch.cat([torch.cat([vertices, *irises]) / 10, torch.ones(MESH_POINTS, 1)], 1)


def pose_terms(pose: Tensor) -> Tensor:
    """What the shape of a turned face depends on: `[B, 6]` to `[B, 12]`, the pose and its squares."""
    return torch.cat([pose, pose.square()], 1)


def split_eyes(codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Lips, expression, and the eye code `[B, 6]` as `blink [B, 4]` and `gaze [B, 2]`."""
    eyes = codes["eyes"]
    return {
        "lips": codes["lips"],
        "expression": codes["expression"],
        "blink": eyes[:, list(BLINK_DIMS)],
        "gaze": eyes[:, list(GAZE_DIMS)],
    }
