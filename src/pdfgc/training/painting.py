"""How the mesh-warp generator learns in stage 3: frames of a clip repainted from a portrait of it (eq. 7)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pdfgc.config_stages import ExpressionStage
from pdfgc.face.geometry import POSE_SCALE
from pdfgc.face.mesh import LEFT_EYE, LIPS_OUTER, RIGHT_EYE
from pdfgc.networks.mesh_warp import MeshWarpGenerator, Window, resize, warp
from pdfgc.networks.patch_discriminator import PatchDiscriminator
from pdfgc.networks.sketch import EYES, IRISES, LIPS, MOUTH
from pdfgc.priors.face_features import MeshTeacher
from pdfgc.priors.perceptual import LPIPS
from pdfgc.training.losses import feature_matching, hinge_real_or_fake, hinge_taken_for_real, weighted_l1
from pdfgc.training.stage import Batch, Draw
from pdfgc.training.stage1 import point_weights

_FEATURE_WEIGHT = 4.0
"""How much more an error of eyes and mouth counts than one elsewhere in a frame."""

_CLOSE_UPS, _ANYWHERE = 0.55, 0.25
"""Shares of steps that paint close-ups, half mouths and half eyes, and that paint anywhere in the frame."""

_CLOSER = 1.5


class Painting:
    """The losses of the phases `generator` and `discriminator`.

    Args:
        generator, discriminator: the networks, which the stage owns.
        perceptual: LPIPS, or None to do without.
        teacher: finds the face's points in pictures, for the loss `motion`; None to do without.
        settings: the stage's section of the configuration.
        size: side of a frame in pixels.
    """

    def __init__(
        self,
        generator: MeshWarpGenerator,
        discriminator: PatchDiscriminator,
        perceptual: LPIPS | None,
        teacher: MeshTeacher | None,
        settings: ExpressionStage,
        size: int,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.perceptual, self.teacher = perceptual, teacher
        self.settings, self.size = settings, size
        weights = settings.weights
        self.adversarial = bool(weights.get("adversarial") or weights.get("feature_matching"))

    def draw_window(self, random: np.random.Generator, face: np.ndarray) -> Tensor:
        """Left, top and side of the part to paint: a close-up of mouths or eyes, or more about a face or anywhere.

        All items of a step share it, in whatever parts they are; heads stand alike in their crops.

        Args:
            random: the step's generator.
            face: `[478, 3]` in crop units, where faces stand on average (`PictureTable.usual_face`): the faces of one
                part would give each part another window.

        Returns:
            `[3]` int64, multiples of 8 pixels.
        """
        size = self.size
        kind = random.random()
        side = self.settings.close_up if kind < _CLOSE_UPS else self.settings.painted
        loop = LIPS_OUTER if kind < _CLOSE_UPS / 2 else (*LEFT_EYE, *RIGHT_EYE)
        points = face[list(loop)] if kind < _CLOSE_UPS else face
        middle = (points[:, :2].mean(0) + 1) * (size / 2)
        middle = middle + random.uniform(-0.05, 0.05, 2) * size
        if kind > 1 - _ANYWHERE:
            middle = random.uniform(side / 2, size - side / 2, 2)
        corner = np.clip(np.round((middle - side / 2) / 8) * 8, 0, size - side)
        return torch.tensor([*corner.astype(np.int64), side])

    def choose_watched(self, draw: Draw) -> dict[str, Tensor]:
        """Which of a part's driving frames the loss `motion` looks at: `watched` of the whole batch, evenly spread.

        Returns:
            `watched.frames` `[n]` int64, numbers of frames within the part, possibly none; `watched.weight`, a scalar
            float32 for their mean, so that the mean of all parts' losses is that of the whole batch.
        """
        drivers = self.settings.drivers
        frames, whole = draw.count * drivers, draw.whole * drivers
        watched = min(self.settings.watched, whole)
        first = draw.first * drivers
        # One in every whole / watched frames: the parts have about the same work, and the batch the same frames.
        chosen = [frame for frame in range(frames) if (first + frame) * watched % whole < watched]
        return {
            "watched.frames": torch.tensor(chosen, dtype=torch.int64),
            "watched.weight": torch.tensor(len(chosen) * whole / (watched * frames)),
        }

    def generator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """`l1` and `perceptual` (eq. 7) of the painted part, `flow`: the warped portrait, small, against the frame;
        `motion`: what a tracker reads off it (L_mot, eq. 1 and 8); `adversarial` and `feature_matching` by the
        discriminator once it is listened to."""
        window = Window(*batch["window"].tolist())
        frame, painted, offsets, target, sketch, portrait = self.paint(batch, window)
        wanted, drawn = window.of(target, self.size), window.of(sketch, self.size)
        features = drawn[:, [EYES, IRISES, LIPS, MOUTH]].amax(1, keepdim=True)
        small = resize(portrait, offsets.shape[-1])
        losses = {
            "l1": weighted_l1(frame, wanted, 1 + _FEATURE_WEIGHT * features),
            "flow": (warp(small, offsets) - resize(target, offsets.shape[-1])).abs().mean(),
            "painted": painted.mean().detach(),
        }
        if self.adversarial and step >= self.settings.adversarial_from:
            logits, maps = self.discriminator(frame, drawn)
            with torch.no_grad():
                _, real_maps = self.discriminator(wanted, drawn)
            losses["adversarial"] = hinge_taken_for_real(logits)
            losses["feature_matching"] = feature_matching(real_maps, maps)
        if self.teacher is not None:
            losses["motion"] = self._motion_loss(self.teacher, batch, frame, target, window)
        if self.perceptual is not None:
            if window.side < self.settings.painted:  # seen closer, so that teeth and lids count
                frame, wanted = (
                    F.interpolate(x, scale_factor=_CLOSER, mode="bilinear") for x in (frame, wanted)
                )
            losses["perceptual"] = self.perceptual(frame, wanted).mean()
        return losses

    def _motion_loss(
        self, teacher: MeshTeacher, batch: Batch, frame: Tensor, target: Tensor, window: Window
    ) -> Tensor:
        """This part's share of `motion_difference`, in the frames of `choose_watched`."""
        seen = batch["watched.frames"]
        if len(seen) == 0:
            return frame[seen].sum()  # 0; a loss that lacked a gradient or a line in the log would be none
        meshes = batch["meshes"][:, 1:].flatten(0, 1)[seen]
        difference = motion_difference(teacher, frame[seen], target[seen], meshes, window)
        return batch["watched.weight"] * difference

    def discriminator_losses(self, batch: Batch) -> dict[str, Tensor]:
        """`judge`: real frames from painted ones, patch by patch."""
        window = Window(*batch["window"].tolist())
        with torch.no_grad():
            frame, _, _, target, sketch, _ = self.paint(batch, window)
        drawn = window.of(sketch, self.size)
        fake, _ = self.discriminator(frame, drawn)
        real, _ = self.discriminator(window.of(target, self.size), drawn)
        return {
            "judge": hinge_real_or_fake(real, fake),
            "judged_right": ((real > 0).float().mean() + (fake < 0).float().mean()).detach() / 2,
        }

    def paint(self, batch: Batch, window: Window) -> tuple[Tensor, ...]:
        """Paint the batch's driving frames.

        Returns:
            The frame and its painted share in the window, the offsets, and whole: the driving frames, their sketches,
            and the portraits, all with one row for every driving frame.
        """
        generator = self.generator
        pictures = batch["pictures"].float() / 127.5 - 1
        sketches = batch["sketches"].float() / 255
        drivers = pictures.shape[1] - 1
        portrait = pictures[:, 0].contiguous(memory_format=torch.channels_last)
        features = generator.encode(portrait).repeat(drivers)
        with torch.no_grad(), torch.autocast(pictures.device.type, enabled=False):
            flows = generator.flows(
                batch["meshes"][:, 0].repeat_interleave(drivers, 0), batch["meshes"][:, 1:].flatten(0, 1)
            )
        driving = sketches[:, 1:].flatten(0, 1)
        source = sketches[:, 0].repeat_interleave(drivers, 0)
        triangles = batch["triangles"].flatten(0, 1)
        frame, painted, offsets = generator(features, flows, source, driving, triangles, window)
        return (
            frame,
            painted,
            offsets,
            pictures[:, 1:].flatten(0, 1),
            driving,
            portrait.repeat_interleave(drivers, 0),
        )


def motion_difference(
    teacher: MeshTeacher, painted: Tensor, target: Tensor, meshes: Tensor, window: Window
) -> Tensor:
    """How differently a tracker reads painted faces and true ones (L_mot, eq. 1): a scalar.

    The mean absolute difference of the mesh points' coordinates, weighted as in stage 1 and in cm for a head of the
    usual size in its crop, plus that of the expression scores.

    Args:
        teacher: finds mesh points.
        painted: `[B, 3, w, w]` the window of the frames, -1..1; what surrounds it is taken from the true frames.
        target: `[B, 3, S, S]` true frames.
        meshes: `[B, 478, 3]` about where the faces are, crop units.
        window: of `painted`.
    """
    rows, columns = (slice(first, first + window.side) for first in (window.top, window.left))
    whole = target.float().clone()
    whole[..., rows, columns] = painted.float()
    seen = teacher(whole, meshes)
    with torch.no_grad():
        wanted = teacher(target, meshes)
    shape = weighted_l1(seen.mesh, wanted.mesh, point_weights().to(seen.mesh)) / POSE_SCALE
    return shape + (seen.emotion - wanted.emotion).abs().mean()
