"""A rendered head: somebody who does exactly what is asked, and says where every face point is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch

from pdfgc.data.talking_head_3d.hair import Hair, grow
from pdfgc.data.talking_head_3d.look import GAMMA, Camera, Light, Look, draw_background
from pdfgc.data.talking_head_3d.model import HeadModel, load_model
from pdfgc.data.talking_head_3d.paint import paint_face
from pdfgc.data.talking_head_3d.raster import rasterise
from pdfgc.data.talking_head_3d.shading import HAIR, IRIS_RADIUS, Surface, shade
from pdfgc.data.talking_head_3d.surface import normals, openness
from pdfgc.face.geometry import MESH_POINTS, euler_to_rotation
from pdfgc.face.mesh import LEFT_EYE, RIGHT_EYE

SUPERSAMPLING = 2
PIVOT = np.array((0.0, -3.0, -4.0), np.float32)
"""Where the head turns on the neck, cm in its own axes."""

_PARTED = (
    0.35  # of jawOpen: mouth at which the light is baked, so that teeth and lips' inner sides are not black
)
_TEETH_OPEN = 0.4  # the least light on teeth: a smile bares them more than the baked mouth does
_LID_OVERLAP = -0.04  # cm between the lids that blink 1 leaves: they meet, and a little more


@dataclass(frozen=True)
class Act:
    """What a head does in one frame. Everything is independent of everything else.

    Attributes:
        pose: pitch, yaw, roll in radians, signs as in `pdfgc.face.geometry.fit_pose`.
        shift: of the whole person from the middle of the picture: x right, y up, z nearer, cm.
        gaze: horizontal (positive to the image's right) and vertical (positive downwards) turn of both eyes in
            the head, radians.
        blink: how far the subject's left and right lid are shut, 0..1.
        lips: ARKit action (both sides when the side is left out) -> weight, what speech does.
        expression: likewise, what feeling does.
    """

    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gaze: tuple[float, float] = (0.0, 0.0)
    blink: tuple[float, float] = (0.0, 0.0)
    lips: Mapping[str, float] = field(default_factory=dict)
    expression: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """Somebody, before a camera, in some light.

    Attributes:
        model: the family of shapes.
        identity: `[K]` its coefficients.
        look, light, camera: paint and place.
        background: `[S, S, 3]` float32 in linear light; S is the side of the pictures.
    """

    model: HeadModel
    identity: np.ndarray
    look: Look
    light: Light
    camera: Camera
    background: np.ndarray

    @classmethod
    def random(
        cls, random: np.random.Generator, *, size: int = 256, shapes: str | Path | None = None
    ) -> Head:
        """Somebody, somewhere.

        Args:
            random: decides everything.
            size: side of the pictures.
            shapes: ICT-FaceKit's file; anny's head without.

        Raises:
            InputError: `shapes` is not such a file.
        """
        model = load_model(None if shapes is None else Path(shapes))
        return cls(
            model,
            model.draw_identity(random),
            Look.random(random),
            Light.random(random),
            Camera.random(random),
            draw_background(random, size),
        )

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return len(self.background)

    def render(self, act: Act, random: np.random.Generator | None = None) -> np.ndarray:
        """The picture `[S, S, 3]` uint8 RGB of a frame; with grain where a generator is given."""
        side = self.size * SUPERSAMPLING
        linear = cv2.resize(self.background, (side, side), interpolation=cv2.INTER_LINEAR).reshape(-1, 3)
        pixel, colours = self._fragments(act, side)
        linear[pixel] = colours
        small = cv2.resize(
            linear.reshape(side, side, 3), (self.size, self.size), interpolation=cv2.INTER_AREA
        )
        picture = 255 * np.clip(small, 0, 1) ** (1 / GAMMA)
        if random is not None:
            picture += random.normal(0, self.camera.noise, picture.shape)
        return np.rint(picture).clip(0, 255).astype(np.uint8)

    def mesh(self, act: Act) -> np.ndarray:
        """Where MediaPipe's 478 points truly are: `[478, 3]` float32 in pixels, as `tracker.Face.mesh`.

        Points of the face are places on its skin that move with it, those of the irises places on the eyeballs.

        Raises:
            ValueError: for a model without landmarks.
        """
        points = self._pose(self._points(act), act)
        projected = self.camera.project(points, self.size)
        depth = points[:, 2:] - self.origin(act)[2]
        mesh = np.concatenate([projected[:, :2], -self.scale(act) * depth], 1)
        return mesh.astype(np.float32)

    def origin(self, act: Act) -> np.ndarray:
        """Where the head's origin is: `[3]` cm in camera axes about the middle of the picture."""
        return self._turned(np.zeros((1, 3), np.float32), np.ones(1, np.float32), act)[0]

    def scale(self, act: Act) -> float:
        """Pixels a centimetre at the head's origin."""
        x, y, z = self.origin(act)
        ends = self.camera.project(np.array([(x, y, z), (x + 1, y, z)]), self.size)
        return float(ends[1, 0] - ends[0, 0])

    @cached_property
    def _rest(self) -> np.ndarray:
        return self.model.coarse(self.identity)

    @cached_property
    def _eyes(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """For the right and the left eye: its fine vertices, its centre and radius in cm."""
        fine = self.model.fine(self._rest)
        eyes = []
        for name in ("right_eye", "left_eye"):
            ball = self.model.part(name)
            low, high = fine[ball].min(0), fine[ball].max(0)
            eyes.append((ball, (low + high) / 2, float((high - low)[:2].mean() / 2)))
        return eyes

    @cached_property
    def _lid_gain(self) -> tuple[float, float]:
        """Weights of eyeBlinkLeft and eyeBlinkRight at which this face's lids just meet."""
        gains = []
        for side, loop in (("Left", LEFT_EYE), ("Right", RIGHT_EYE)):
            gaps = []
            for weight in (0.0, 1.0):
                skin = self._on_skin(
                    self.model.fine(self._rest + self.model.act({f"eyeBlink{side}": weight}))
                )
                gaps.append(float((skin[list(loop[3:6]), 1] - skin[list(loop[13:10:-1]), 1]).mean()))
            gains.append(float(np.clip((gaps[0] - _LID_OVERLAP) / max(gaps[0] - gaps[1], 1e-3), 0.5, 1.6)))
        return gains[0], gains[1]

    @cached_property
    def _static(self) -> _Static:
        return _Static.of(self)

    def _shape(self, act: Act) -> np.ndarray:
        """Fine vertices `[W, 3]`, expression and gaze in, pose not."""
        weights = dict(act.lips)
        for name, weight in act.expression.items():
            weights[name] = weights.get(name, 0.0) + weight
        if any(act.blink):
            left, right = self._lid_gain
            weights["eyeBlinkLeft"] = weights.get("eyeBlinkLeft", 0.0) + left * act.blink[0]
            weights["eyeBlinkRight"] = weights.get("eyeBlinkRight", 0.0) + right * act.blink[1]
        fine = self.model.fine(self._rest + self.model.act(weights)).copy()
        turn = self._gaze(act)
        for ball, centre, _ in self._eyes:
            fine[ball] = (fine[ball] - centre) @ turn.T + centre
        return fine

    def _gaze(self, act: Act) -> np.ndarray:
        horizontal, vertical = act.gaze
        return euler_to_rotation(torch.tensor([vertical + self.model.gaze_at_rest, horizontal, 0.0])).numpy()

    def _points(self, act: Act) -> np.ndarray:
        """The 478 points `[478, 3]` before the pose, cm."""
        result = np.empty((MESH_POINTS, 3), np.float32)
        result[: MESH_POINTS - 10] = self._on_skin(self._shape(act))
        turn = self._gaze(act)
        for first, (_, centre, radius) in zip((468, 473), self._eyes, strict=True):
            depth = np.sqrt(radius**2 - IRIS_RADIUS**2)
            rim = IRIS_RADIUS * np.array([(0, 0, 0), (-1, 0, 0), (0, 1, 0), (1, 0, 0), (0, -1, 0)])
            result[first : first + 5] = (rim + np.array((0, 0, depth))) @ turn.T + centre
        return result

    def _on_skin(self, fine: np.ndarray) -> np.ndarray:
        if self.model.landmarks is None:
            raise ValueError("expected a head with landmarks")
        landmarks = self.model.landmarks
        return (fine[landmarks.corners] * landmarks.weights[..., None]).sum(1)

    def _pose(self, points: np.ndarray, act: Act) -> np.ndarray:
        return self._turned(points, np.ones(len(points), np.float32), act)

    def _turned(self, points: np.ndarray, share: np.ndarray, act: Act) -> np.ndarray:
        """Points in head axes to camera axes; `share` of the turn reaches each."""
        turn = euler_to_rotation(torch.tensor(act.pose, dtype=torch.float32)).numpy()
        moved = (points - PIVOT) @ turn.T + PIVOT
        return points + share[:, None] * (moved - points) + np.asarray(act.shift, np.float32)

    def _fragments(self, act: Act, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the pixels that show the head, and their colours, linear."""
        static, model = self._static, self.model
        points = self._turned(self._shape(act), model.neck, act)
        normal = normals(points, model.triangles)
        if static.hair is not None:
            hair = static.hair
            shell = points[hair.roots] + normal[hair.roots] * hair.thickness[:, None]
            points = np.concatenate([points, shell])
            normal = np.concatenate([normal, normals(shell, hair.triangles)])
        seen = rasterise(self.camera.project(points, side), static.triangles, side)
        values = seen.interpolate(static.triangles, np.concatenate([normal, static.attributes], 1))
        normal = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1, keepdims=True), 1e-6)
        surface = Surface(
            part=static.part[seen.triangle],
            normal=normal,
            place=values[:, 3:6],
            open=values[:, 6],
            mouth=values[:, 7],
            ears=values[:, 8],
            eye=values[:, 9:12],
            eye_radius=self._eyes[0][2],
            strands=values[:, 12],
        )
        return seen.pixel, shade(surface, static.paint, self.look, self.light)


@dataclass(frozen=True)
class _Static:
    """What does not change from frame to frame; hair vertices follow the head's."""

    hair: Hair | None
    triangles: np.ndarray
    part: np.ndarray
    attributes: np.ndarray
    paint: np.ndarray

    @classmethod
    def of(cls, head: Head) -> _Static:
        model = head.model
        hair = grow(model, head.look)
        count = len(model.neck)
        mean = model.fine(model.vertices)
        parted = model.fine(head._rest + model.act({"jawOpen": _PARTED}))
        attributes = np.zeros((count, 10), np.float32)
        attributes[:, :3] = mean
        attributes[:, 3] = openness(parted, model.triangles)
        teeth = model.part("teeth")
        attributes[teeth, 3] = np.maximum(attributes[teeth, 3], _TEETH_OPEN)
        attributes[:, 4], attributes[:, 5] = model.masks["mouth"], model.masks["ears"]
        rest = model.fine(head._rest)
        for ball, centre, _ in head._eyes:
            attributes[ball, 6:9] = rest[ball] - centre
        triangles, part = model.triangles, model.triangle_part
        if hair is not None:
            shell = attributes[hair.roots]
            shell[:, 3] = np.maximum(shell[:, 3], 0.6)
            shell[:, 9] = hair.strands
            attributes = np.concatenate([attributes, shell])
            triangles = np.concatenate([triangles, hair.triangles + count])
            part = np.concatenate([part, np.full(len(hair.triangles), HAIR)])
        return cls(hair, triangles, part, attributes, paint_face(model, head.look))
