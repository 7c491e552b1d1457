"""Where MediaPipe's face points lie on a head model: seen once by the tracker, then carried along exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdfgc.data.talking_head_3d.head import Act, Head
from pdfgc.data.talking_head_3d.look import Camera, Light, Look
from pdfgc.data.talking_head_3d.model import PARTS, HeadModel, Landmarks
from pdfgc.data.talking_head_3d.raster import rasterise
from pdfgc.errors import InputError
from pdfgc.face.mesh import FACE_OVAL

_SIDE = 768
_FACE_POINTS = 468
_RIM = 9  # pixels, 0.4 cm
_SHOWN = Act(lips={"jawOpen": 0.15}, expression={"eyeWide": 0.3})
"""Lips parted and eyes wide, so that no two points of different lips or lids lie on one another."""


def find_landmarks(model: HeadModel) -> Landmarks:
    """Renders the mean face from the front, and takes for each point the nearest visible place of its skin.

    Twice: the first time without brows and lips, which are painted where the points are.

    Raises:
        InputError: the tracker sees no face.
    """
    from pdfgc.face.tracker import FaceTracker

    with FaceTracker() as tracker:
        for _ in range(2):
            head = _mean_head(model)
            faces = tracker.detect(head.render(_SHOWN))
            if not faces:
                raise InputError(f"expected the head {model.name} to show a face, but the tracker finds none")
            model = replace(model, landmarks=_nearest_skin(head, faces[0].mesh[:_FACE_POINTS, :2]))
    assert model.landmarks is not None
    return model.landmarks


def _mean_head(model: HeadModel) -> Head:
    light = Light(
        lamps=np.array([(0.3, 0.4, 0.87)], np.float32),
        lamp_colours=np.full((1, 3), 0.7, np.float32),
        sky=np.full(3, 0.5, np.float32),
        ground=np.full(3, 0.3, np.float32),
    )
    look = replace(
        Look.random(np.random.default_rng(0)),
        skin=np.array((0.62, 0.37, 0.26), np.float32),
        lips=np.array((0.42, 0.13, 0.12), np.float32),
        hair=np.array((0.05, 0.03, 0.02), np.float32),
        brows=np.array((0.05, 0.03, 0.02), np.float32),
        iris=np.array((0.1, 0.05, 0.02), np.float32),
        beard=0.0, freckles=0.0, blush=0.0, hair_thickness=0.6, hair_low=0.0, brow_width=1.0,
    )  # fmt: skip
    identity = np.zeros(len(model.identity_names))
    people = np.array(
        [name.startswith("person/") and name.endswith("young") for name in model.identity_names]
    )
    identity[people] = 1 / max(people.sum(), 1)
    room = np.full((_SIDE, _SIDE, 3), 0.25, np.float32)
    return Head(model, identity, look, light, Camera(200.0, 1.9, 0.0), room)


def _nearest_skin(head: Head, pixels: np.ndarray) -> Landmarks:
    """Places on visible skin, the mouth's inside left out, nearest to points `[N, 2]` of the picture."""
    model = head.model
    points = head.camera.project(head._turned(head._shape(_SHOWN), model.neck, _SHOWN), head.size)
    seen = rasterise(points, model.triangles, head.size)
    values = np.stack([model.masks["mouth"], points[:, 2]], 1)
    mouth, depth = seen.interpolate(model.triangles, values).T
    skin = np.flatnonzero((model.triangle_part[seen.triangle] == PARTS.index("skin")) & (mouth < 0.5))
    place = np.stack([seen.pixel[skin] % head.size, seen.pixel[skin] // head.size], 1) + 0.5
    chosen = np.array([skin[np.argmin(((place - pixel) ** 2).sum(1))] for pixel in pixels])
    for index in FACE_OVAL:  # on the face's rim, where the next pixel may be the neck's or the ear's
        about = skin[((place - pixels[index]) ** 2).sum(1) < _RIM**2]
        if len(about):
            chosen[index] = about[np.argmin(depth[about])]
    return Landmarks(model.triangles[seen.triangle[chosen]], seen.weights[chosen])
