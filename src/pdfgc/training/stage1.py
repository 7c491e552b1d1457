"""Stage 1 of preset `small`: appearance against motion, on the face mesh (paper section 3.1).

The portrait brings the shape of a face, the driving frame brings motion through the motion encoder alone, and a
decoder has to rebuild the driving frame's mesh. The driving mesh is stretched and given another person's neutral
shape first, so the only way through is the motion.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pdfgc.config_stages import MotionStage
from pdfgc.data.faces import FaceTable, draw_clip
from pdfgc.face.mesh import mouth_opening
from pdfgc.face.regions import region_weights
from pdfgc.networks.mesh_decoder import Displacement
from pdfgc.networks.motion import BLENDSHAPES, POSE, MeshMotionEncoder
from pdfgc.training.losses import weighted_l1
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage

_IDENTITY = 64


def point_weights() -> Tensor:
    """`[478, 1]` how much an error of each point matters: lids, irises and mouth move little and show most."""
    regions = region_weights()
    return (1 + 3 * regions["blink"] + 5 * regions["gaze"] + 2 * regions["lips"])[:, None]


class FaceAugmentation:
    """What hides identity in driving meshes: stretch, and the neutral shape of other people."""

    def __init__(self, faces: FaceTable, *, stretch: float, swap_neutral: float) -> None:
        self.faces = faces
        self.stretch = stretch
        self.swap_neutral = swap_neutral

    def __call__(self, canonical: Tensor, clip: int, random: np.random.Generator) -> Tensor:
        """One augmentation for the frames `[T, 478, 3]` of one clip."""
        if random.random() < self.swap_neutral:
            other = int(random.integers(len(self.faces.clips)))
            canonical = canonical - self.faces.neutral[clip] + self.faces.neutral[other]
        scale = 1 + self.stretch * random.standard_normal(3)
        return canonical * torch.tensor(scale, dtype=torch.float32)


class Stage1(Stage):
    """Trains `motion`; the decoder `rebuild` (the paper's G0) serves this stage alone."""

    name: ClassVar[str] = "stage1"

    def __init__(self, setup: Setup) -> None:
        settings = setup.config.stages.stage1
        assert isinstance(settings, MotionStage)
        sizes = setup.config.networks
        self.faces = FaceTable.load(setup.clips)
        self.held_out = FaceTable.load(setup.held_out) if len(setup.held_out) else None
        self.people = self.faces.by_identity()
        self.augment = FaceAugmentation(
            self.faces, stretch=settings.stretch, swap_neutral=settings.swap_neutral
        )
        motion = MeshMotionEncoder(feature=sizes.motion, hidden=sizes.motion_hidden)
        motion.set_statistics(self.faces.canonical)
        everywhere = torch.ones(len(region_weights()["lips"]))
        self.motion = motion
        self.identity = nn.Linear(motion.mean.numel(), _IDENTITY)
        self.displacement = Displacement(
            code=sizes.motion, hidden=sizes.motion_hidden, region=everywhere, face=_IDENTITY
        )
        self.modules = {
            "motion": motion,
            "identity": self.identity,
            "rebuild": self.displacement,
            "readout": nn.Linear(sizes.motion, BLENDSHAPES + POSE),
        }
        self.phases = (Phase("motion", tuple(self.modules)),)
        self.exports = ("motion",)
        self.weights = settings.weights
        self.points = point_weights()

    def batch(self, draw: Draw) -> Batch:
        """Pairs of frames of one clip, the driving one augmented."""
        items = []
        for random in draw.items():
            clip = draw_clip(self.people, random)
            rows = self.faces.frames(clip)
            portrait, driving = (rows[int(i)] for i in random.integers(len(rows), size=2))
            shown = self.augment(self.faces.canonical[[portrait, driving]], clip, random)
            items.append((portrait, driving, shown))
        own = torch.tensor([item[0] for item in items])
        driving_rows = torch.tensor([item[1] for item in items])
        return {
            "portrait": self.faces.canonical[own],
            "target": self.faces.canonical[driving_rows],
            "shown": torch.stack([item[2] for item in items], 1),
            "blendshapes": self.faces.blendshapes[torch.stack([own, driving_rows])],
            "pose": self.faces.pose[torch.stack([own, driving_rows])],
        }

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`mesh`: the rebuilt mesh; `blendshapes` and `pose`: eq. 1, what the feature knows of expression and pose."""
        motion = self.motion
        count = len(batch["portrait"])
        features = motion(*(batch[name].flatten(0, 1) for name in ("shown", "blendshapes", "pose")))
        rebuilt = self._rebuild(batch["portrait"], features[:count], features[count:])
        read = self.modules["readout"](features)
        pose = batch["pose"].flatten(0, 1) / motion.pose_units
        return {
            "mesh": weighted_l1(rebuilt, batch["target"], self.points.to(rebuilt)),
            "blendshapes": F.l1_loss(read[:, :BLENDSHAPES], batch["blendshapes"].flatten(0, 1)),
            "pose": F.l1_loss(read[:, BLENDSHAPES:], pose),
        }

    def _rebuild(self, portrait: Tensor, own: Tensor, driving: Tensor) -> Tensor:
        shape = (portrait - self.motion.mean) / self.motion.spread
        identity = self.identity(shape.flatten(1))
        return portrait + self.displacement(driving, identity) - self.displacement(own, identity)

    def validate(self) -> dict[str, float]:
        """On held-out people: error of the rebuilt mesh and of its mouth, in cm, and of not moving at all."""
        faces = self.held_out
        if faces is None:
            return {}
        random = np.random.default_rng(0)
        rows = [
            random.integers(len(faces.frames(clip)), size=2) + faces.starts[clip]
            for clip in range(len(faces.clips))
        ]
        own, driving = (torch.tensor(column) for column in np.array(rows).T)
        device = self.device
        feature = [
            self.motion(*(t[i].to(device) for t in (faces.canonical, faces.blendshapes, faces.pose)))
            for i in (own, driving)
        ]
        portrait, target = faces.canonical[own], faces.canonical[driving]
        rebuilt = self._rebuild(portrait.to(device), *feature).cpu()
        return {
            "mesh_cm": float((rebuilt - target).norm(dim=-1).mean()),
            "still_cm": float((portrait - target).norm(dim=-1).mean()),
            "mouth_cm": float(np.abs(_mouth(rebuilt) - _mouth(target)).mean()),
        }


def _mouth(canonical: Tensor) -> np.ndarray:
    # the measure takes crop meshes: y down, z away
    return mouth_opening((canonical * torch.tensor([1.0, -1.0, -1.0])).numpy())


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return Stage1(setup)
