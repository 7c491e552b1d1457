"""Stage 2, eyes: eyes of one frame in the face of another (paper section 3.2, eq. 4).

The paper warps the eye region of one picture into another; on the mesh the lids, the irises and their blendshapes
are simply exchanged. The code's entries are tied to what they stand for in the authors' release, gaze in 2:4 and
blink in 0, 1, 4, 5, by regressing the geometry of lids and irises, so that gaze and blink can be driven apart.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.data.faces import FaceTable, draw_clip
from pdfgc.face.mesh import BLENDSHAPES
from pdfgc.face.regions import region_weights
from pdfgc.networks.motion import FactorHead, MeshMotionEncoder
from pdfgc.training.distributed import gather_rows
from pdfgc.training.losses import info_nce
from pdfgc.training.stage import Batch, Draw, Phase, Setup, Stage
from pdfgc.training.stage1 import FaceAugmentation

EYES = 6


def eye_targets(blendshapes: Tensor) -> Tensor:
    """What the eye code stands for: `[..., 52]` blendshapes to `[..., 6]`.

    Entries 0 and 1: left and right lid shut (1) or open (0). 2 and 3: gaze to the image's right and down, about
    -1..1. 4 and 5: left and right eye wide (1) or squinting (-1). MediaPipe's scores are used because they are
    relative to the person's own eyes, which lid distances are not.
    """
    score = {name: blendshapes[..., index] for index, name in enumerate(BLENDSHAPES)}
    right = (
        score["eyeLookOutLeft"] + score["eyeLookInRight"] - score["eyeLookInLeft"] - score["eyeLookOutRight"]
    )
    down = (
        score["eyeLookDownLeft"]
        + score["eyeLookDownRight"]
        - score["eyeLookUpLeft"]
        - score["eyeLookUpRight"]
    )
    wide = [score[f"eyeWide{side}"] - score[f"eyeSquint{side}"] for side in ("Left", "Right")]
    return torch.stack([score["eyeBlinkLeft"], score["eyeBlinkRight"], right / 2, down / 2, *wide], -1)


def swap_eyes(face: Tensor, eyes: Tensor, face_scores: Tensor, eye_scores: Tensor) -> tuple[Tensor, Tensor]:
    """Faces with the eyes of others.

    Args:
        face, eyes: `[B, 478, 3]` canonical meshes; lids and irises come from `eyes`.
        face_scores, eye_scores: `[B, 52]` their blendshapes; the eye scores come from `eye_scores`.

    Returns:
        The mixed meshes and blendshapes.
    """
    regions = region_weights()
    share = (regions["blink"] + regions["gaze"]).to(face)[:, None]
    of_eyes = torch.tensor([name.startswith("eye") for name in BLENDSHAPES], device=face.device)
    return face + share * (eyes - face), torch.where(of_eyes, eye_scores, face_scores)


class EyesStage(Stage):
    """Trains `eyes`."""

    name: ClassVar[str] = "stage2-eyes"
    requires: ClassVar[tuple[str, ...]] = ("stage1",)

    def __init__(self, setup: Setup) -> None:
        sizes, settings = setup.config.networks, setup.config.stages.stage2_eyes
        stage1 = setup.config.stages.stage1
        self.faces = FaceTable.load(setup.clips)
        self.people = self.faces.by_identity()
        self.augment = FaceAugmentation(self.faces, stretch=stage1.stretch, swap_neutral=stage1.swap_neutral)
        self.held_out = FaceTable.load(setup.held_out) if len(setup.held_out) else None
        motion = MeshMotionEncoder(feature=sizes.motion, hidden=sizes.motion_hidden)
        setup.earlier.load("motion", motion)
        head = FactorHead(feature=sizes.motion, hidden=sizes.motion_hidden, code=EYES)
        self.motion, self.head = motion, head
        self.modules = {"motion": motion, "eyes": head}
        self.phases = (Phase("eyes", ("eyes",)),)
        self.exports = ("eyes",)
        self.weights = settings.weights
        self.temperature = settings.temperature

    def batch(self, draw: Draw) -> Batch:
        """Pairs of frames of one clip under one augmentation each."""
        canonical, rows_taken = [], []
        for random in draw.items():
            clip = draw_clip(self.people, random)
            rows = self.faces.frames(clip)
            pair = [rows[int(i)] for i in random.integers(len(rows), size=2)]
            canonical.append(self.augment(self.faces.canonical[pair], clip, random))
            rows_taken.append(pair)
        taken = torch.tensor(rows_taken).T
        return {
            "canonical": torch.stack(canonical, 1),
            "blendshapes": self.faces.blendshapes[taken],
            "pose": self.faces.pose[taken],
        }

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, Tensor]:
        """`swap`: the anchor (face of frame 2, eyes of frame 1) is near frame 1 and far from frame 2 and the rest
        of the batch (eq. 4); `geometry`: the code of anchor and frames is the state of lids and irises."""
        motion, head = self.motion, self.head
        (first, second), (first_scores, second_scores) = batch["canonical"], batch["blendshapes"]
        mixed, mixed_scores = swap_eyes(second, first, second_scores, first_scores)
        features = [
            motion(mixed, mixed_scores, batch["pose"][1]),
            motion(first, first_scores, batch["pose"][0]),
            motion(second, second_scores, batch["pose"][1]),
        ]
        anchor, positive, negative = (gather_rows(head.contrast(feature)) for feature in features)
        codes = head(torch.cat(features))
        targets = torch.cat([eye_targets(scores) for scores in (first_scores, first_scores, second_scores)])
        return {
            "swap": info_nce(anchor, torch.cat([positive, negative]), temperature=self.temperature),
            "geometry": F.l1_loss(codes, targets),
        }

    def validate(self) -> dict[str, float]:
        """Correlation of each part of the code with what it stands for, on held-out people."""
        faces = self.held_out
        if faces is None:
            return {}
        rows = torch.from_numpy(np.linspace(0, len(faces.pose) - 1, 2000).astype(np.int64))
        known = [t[rows].to(self.device) for t in (faces.canonical, faces.blendshapes, faces.pose)]
        codes = self.head(self.motion(*known)).cpu()
        targets = eye_targets(faces.blendshapes[rows])
        names = ("blink_left", "blink_right", "gaze_x", "gaze_y", "wide_left", "wide_right")
        return {name: float(np.corrcoef(codes[:, i], targets[:, i])[0, 1]) for i, name in enumerate(names)}


def build(setup: Setup) -> Stage:
    """The stage for a run."""
    return EyesStage(setup)
