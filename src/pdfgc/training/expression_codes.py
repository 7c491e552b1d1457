"""How expression codes and the mesh decoder learn in stage 3.

Expression is what the other factors leave unexplained: its code is averaged over a window, kept uncorrelated with
speech by a memory bank (eq. 6), and has to rebuild the driving mesh together with lips, eyes and pose (complementary
learning, eq. 8, on the mesh).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pdfgc.face.mesh import LEFT_BROW, LEFT_EYE, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE
from pdfgc.networks.hearing import SpeechNetwork
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.motion import FactorHead, MeshMotionEncoder
from pdfgc.training.code_moments import lip_gaps
from pdfgc.training.distributed import any_process
from pdfgc.training.losses import squared_correlation, weighted_l1
from pdfgc.training.memory_bank import MemoryBank
from pdfgc.training.stage1 import point_weights


@dataclass(frozen=True)
class ExpressionCodes:
    """The losses of the phase `codes`, on networks that the stage owns."""

    motion: MeshMotionEncoder
    lips: FactorHead
    eyes: FactorHead
    speech: SpeechNetwork
    expression: FactorHead
    decoder: MeshDecoder
    bank: MemoryBank
    """Expression codes beside what was heard."""
    other_bank: MemoryBank
    """Expression codes beside pose and eyes."""
    apart_from_speech: bool
    """Whether the loss `correlation` is wanted."""
    apart_from_others: bool
    """Whether the loss `entanglement` is wanted."""

    def losses(self, moment: dict[str, Tensor]) -> dict[str, Tensor]:
        """`mesh`, `opening` (of the lips) and `gestures` (smile and brows): the driving mesh rebuilt from codes;
        `canonical`: zero codes give the neutral face, and zero lips a shut mouth (`closed`); `corners`: lips alone
        leave the smile as it is;
        `correlation`: of expression with speech (eq. 6), and `entanglement`: the same with pose and eyes, which the
        tracker's brows and cheeks covary with."""
        window = moment["canonical"].shape[1]
        portrait = moment["portrait"]
        own = self.codes(moment["own"], moment["own_blendshapes"], moment["own_pose"])
        frontal = self.motion.frontal(moment["canonical"].flatten(0, 1), moment["blendshapes"].flatten(0, 1))
        frames = self.expression(frontal).unflatten(0, (-1, window))
        expression = frames.mean(1)
        # Codes learn from averages, but are used frame by frame: the decoder alone also learns how far those reach.
        of_one_frame = frames[:, window // 2].detach()
        middle = self.motion(*(moment[name][:, window // 2] for name in ("canonical", "blendshapes", "pose")))
        heard = self.speech.contrast(moment["features"], moment["times"][:, None])[:, 0]
        spoken = self.speech.encode(heard)
        driving = {
            "lips": torch.where(moment["by_ear"][:, None], spoken, self._lips(middle)),
            "expression": torch.where(moment["single_frame"][:, None], of_one_frame, expression),
            "eyes": self.eyes(middle),
            "pose": moment["pose"][:, window // 2],
        }
        decoder, points = self.decoder, point_weights().to(expression)
        rebuilt = decoder(portrait, own, driving)
        zero = {name: torch.zeros_like(code) for name, code in own.items()} | {"pose": own["pose"]}
        silent = decoder(portrait, own, own | {"lips": zero["lips"]})
        talking = decoder(portrait, own, own | {"lips": driving["lips"]})
        losses = {
            "closed": lip_gaps(silent).abs().mean(),
            "mesh": weighted_l1(rebuilt, moment["target"], points),
            "opening": (lip_gaps(rebuilt) - lip_gaps(moment["target"])).abs().mean(),
            "gestures": (gestures(rebuilt) - gestures(moment["target"])).abs().mean(),
            "canonical": weighted_l1(decoder(portrait, own, zero), moment["neutral"], points),
            "corners": (smiles(talking) - smiles(portrait)).abs().mean(),
        }
        audible = moment["heard"]
        if self.apart_from_speech and any_process([bool(audible.any())])[0]:
            rows = self.bank.extend(expression=expression[audible], speech=heard.detach()[audible])
            losses["correlation"] = squared_correlation(rows["expression"], rows["speech"])
        if self.apart_from_others:
            others = torch.cat([driving["pose"], driving["eyes"]], 1).detach()
            rows = self.other_bank.extend(expression=expression, others=others)
            losses["entanglement"] = squared_correlation(rows["expression"], rows["others"])
        return losses

    def _lips(self, feature: Tensor) -> Tensor:
        """Lip codes of pictures; what contrast has found stays as it is, only the code is learnt here."""
        self.lips.layers.eval()  # frozen: its normalisation may not follow this stage's batches
        return self.lips.code(torch.relu(self.lips.contrast(feature).detach()))

    def codes(self, canonical: Tensor, blendshapes: Tensor, pose: Tensor) -> dict[str, Tensor]:
        """The four codes of single frames: `[B, 478, 3]` cm, `[B, 52]` and `[B, 6]` to `{factor: [B, D]}`."""
        feature = self.motion(canonical, blendshapes, pose)
        return {
            "lips": self._lips(feature),
            "expression": self.expression(self.motion.frontal(canonical, blendshapes)),
            "eyes": self.eyes(feature),
            "pose": pose,
        }


def smiles(canonical: Tensor) -> Tensor:
    """Distance between the mouth's corners plus their height over the middle of the lips (`face.mesh.smile`):
    `[B, 478, 3]` to `[B]` cm."""
    right, left = canonical[:, LIPS_OUTER[0]], canonical[:, LIPS_OUTER[10]]
    middle = (canonical[:, LIPS_OUTER[5], 1] + canonical[:, LIPS_OUTER[15], 1]) / 2
    return (left - right).norm(dim=-1) + (left[:, 1] + right[:, 1]) / 2 - middle


def gestures(canonical: Tensor) -> Tensor:
    """The smile, and how high the brows are over the corners of the eyes: `[B, 478, 3]` to `[B, 2]` cm."""
    height = canonical[..., 1]
    corners = [eye[entry] for eye in (RIGHT_EYE, LEFT_EYE) for entry in (0, 8)]
    brows = height[:, list(RIGHT_BROW + LEFT_BROW)].mean(1) - height[:, corners].mean(1)
    return torch.stack([smiles(canonical), brows], 1)
