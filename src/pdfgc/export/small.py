"""The graphs of preset `small`.

Everything learnt is in them, and the geometry between meshes, poses and flows; drawing the sketch of a mesh and
looking for faces is left to whoever runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pdfgc.export.graph import Graph, Input, Output
from pdfgc.export.pictures import example_picture, to_bytes, to_floats
from pdfgc.export.speech import hearing_graph, speech_graph
from pdfgc.face.crop import HEAD_SIDE, LIFT
from pdfgc.face.geometry import apply_pose, canonical_face, fit_pose, remove_pose
from pdfgc.face.mesh import (
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from pdfgc.model import Model, Portrait
from pdfgc.motion import FACTORS
from pdfgc.networks.codec import REST_POSE, driven_mesh, face_codes
from pdfgc.networks.eye_rings import eye_triangles
from pdfgc.networks.hearing import SAMPLE_RATE
from pdfgc.networks.mesh_decoder import MeshDecoder
from pdfgc.networks.mesh_warp import MeshWarpGenerator, PortraitFeatures
from pdfgc.networks.motion import BLENDSHAPES, MeshMotionEncoder
from pdfgc.networks.sketch import draw_sketches
from pdfgc.networks.triangles import corners_of, draw_triangles, seam_triangles

_MESH = "face mesh in crop units: x right, y down, -1..1 across the head crop, z at the same scale"
_CODES = {
    "lips": "lip code",
    "expression": "expression code",
    "eyes": "eye code: gaze 2:4, blink 0, 1, 4, 5",
    "pose": f"pitch, yaw, roll (radians), x, y (crop units), log scale; relative to {list(REST_POSE)}",
}
_TRIANGLES = (
    "drawing of the triangles at lips, lids and eyes: number of the nearest one that faces the camera, or 0"
)
_CORNERS = "the mesh, and points on rings about the irises: the corners of the triangles"
_SKETCH = "drawing of the mesh, 0..255: face oval, brows, eyes, irises, lips, inside of the mouth"
_STEPS = (
    "Find the face (MediaPipe Face Landmarker: 478 points, 52 scores) and crop a square "
    f"{HEAD_SIDE} face heights wide, its centre {LIFT} face heights above the face's. One square serves a whole "
    "clip. Meshes go to crop units.",
    "Once for the portrait: `motion` gives its own codes, `portrait` its features; draw its sketch.",
    "For drivers: `motion` gives the codes of each frame; take each factor from the driver that you want, and "
    "what nobody drives from the portrait's own codes. Codes of drivers are best smoothed in time.",
    "For speech: `hearing` gives features of up to 30 s of sound (let longer sound overlap by 2 s), `speech` the "
    "lip codes at the frames' times.",
    "For every frame: `mesh_decoder` gives the mesh and the corners of its triangles; draw its sketch and these, "
    "`generator` paints. "
    "`pdfgc animate` then lays the portrait's irises over the frames (`networks/irises.py`), which no graph does.",
    "A sketch has one channel for each entry of `constants.sketch` in `export.json`: polygons and circles "
    "through those mesh points, filled with 255, anti-aliased; pixel i of n lies at 2 (i + 0.5) / n - 1 crop units.",
    "The drawing of triangles holds 1, 2, ... for the entries of `constants.triangles`, whose numbers are points of "
    "`corners`; first `constants.triangles_inside_eyes` of them, then the others over these, the farthest first, "
    "edges sharp. Those whose corners turn counterclockwise in the picture (y down) face away and are left out.",
)


def graphs(model: Model) -> list[Graph]:
    """All of a model's networks; the model must be on the CPU."""
    return [
        motion_graph(model),
        hearing_graph(model.hearing, "the loudest fifth at an RMS of 0.1 (less than 20 dB louder or softer)"),
        speech_graph(
            model.speech, model.hearing, lips=f"{_CODES['lips']}; fade it to 0, a shut mouth, in silence"
        ),
        portrait_graph(model),
        mesh_decoder_graph(model),
        generator_graph(model),
    ]


def constants(model: Model) -> dict[str, Any]:
    """What a runtime needs besides the graphs."""
    return {
        "factors": FACTORS,
        "rest_pose": REST_POSE,
        "sample_rate": SAMPLE_RATE,
        "features_a_second": model.hearing.rate,
        "head_crop_in_face_heights": {"side": HEAD_SIDE, "centre_above_the_faces": LIFT},
        "sketch": [
            {"channel": "oval", "fill": [FACE_OVAL]},
            {"channel": "brows", "fill": [RIGHT_BROW, LEFT_BROW]},
            {"channel": "eyes", "fill": [RIGHT_EYE, LEFT_EYE]},
            {
                "channel": "irises",
                "circles_of_centre_and_rim": [RIGHT_IRIS, LEFT_IRIS],
                "only_inside": "eyes",
            },
            {"channel": "lips", "fill": [LIPS_OUTER], "never_inside": "mouth"},
            {"channel": "mouth", "fill": [LIPS_INNER]},
        ],
        "triangles": seam_triangles().tolist(),
        "triangles_inside_eyes": len(eye_triangles()),
        "steps": _STEPS,
    }


def motion_graph(model: Model) -> Graph:
    """Tracked faces to codes."""
    scores = torch.rand(2, BLENDSHAPES, generator=torch.Generator().manual_seed(1))
    return Graph(
        "motion",
        "once for the portrait, and for every frame of a driver",
        _Motion(model.motion, model.heads),
        (
            Input("mesh", _MESH, _meshes(2), {0: "faces"}),
            Input("blendshapes", "MediaPipe's 52 scores in its order, 0..1", scores, {0: "faces"}),
        ),
        tuple(Output(name, what, {0: "faces"}) for name, what in _CODES.items()),
    )


def portrait_graph(model: Model) -> Graph:
    """A portrait to the features that every frame reuses."""
    return Graph(
        "portrait",
        "once",
        _Portrait(model.generator),
        (Input("picture", "head crop, RGB, 0..255", example_picture(model.size, 2), {0: "portraits"}),),
        tuple(Output(name, "features", {0: "portraits"}) for name in PortraitFeatures._fields[1:]),
    )


def mesh_decoder_graph(model: Model) -> Graph:
    """Codes to the driving mesh."""
    generator = torch.Generator().manual_seed(4)

    def code(name: str, count: int) -> Tensor:
        return 0.1 * torch.randn(count, FACTORS[name], generator=generator)

    own = tuple(Input(f"own_{name}", f"the portrait's {_CODES[name]}", code(name, 1)) for name in FACTORS)
    driving = tuple(Input(name, f"wanted {_CODES[name]}", code(name, 2), {0: "frames"}) for name in FACTORS)
    return Graph(
        "mesh_decoder",
        "for every frame",
        _MeshDecoder(model.decoder),
        (Input("portrait_mesh", f"the portrait's {_MESH}", _meshes(1)), *own, *driving),
        (Output("mesh", _MESH, {0: "frames"}), Output("corners", _CORNERS, {0: "frames"})),
    )


def generator_graph(model: Model) -> Graph:
    """Driving meshes to frames."""
    source, driving = _meshes(1), _meshes(2)
    picture = example_picture(model.size, 1)
    network = _Generator(model.generator)
    features = PortraitFeatures(*_Portrait(model.generator).features(picture))
    encoded = {name: getattr(features, name) for name in PortraitFeatures._fields[1:]}
    return Graph(
        "generator",
        "for every frame",
        network,
        (
            Input("picture", "the portrait's head crop, RGB, 0..255", picture),
            *(Input(name, "features of the graph portrait", value) for name, value in encoded.items()),
            Input("portrait_mesh", f"the portrait's {_MESH}", source),
            Input("portrait_sketch", f"of the portrait's mesh: {_SKETCH}", _sketches(source, model.size)),
            Input("mesh", f"of the graph mesh_decoder: {_MESH}", driving, {0: "frames"}),
            Input("sketch", f"of that mesh: {_SKETCH}", _sketches(driving, model.size), {0: "frames"}),
            Input("triangles", f"of that mesh: {_TRIANGLES}", _triangles(driving, model.size), {0: "frames"}),
        ),
        (Output("frames", "RGB, 0..255", {0: "frames"}),),
    )


def generator_inputs(portrait: Portrait, driving: Tensor) -> dict[str, np.ndarray]:
    """What `generator_graph` takes, of a portrait on the CPU and driving meshes `[T, 478, 3]`."""
    features = {name: getattr(portrait.features, name).numpy() for name in PortraitFeatures._fields[1:]}
    size = portrait.sketch.shape[-1]
    return features | {
        "picture": to_bytes(portrait.features.image).permute(0, 2, 3, 1).numpy(),
        "portrait_mesh": portrait.mesh.numpy(),
        "portrait_sketch": (portrait.sketch * 255).round().byte().numpy(),
        "mesh": driving.numpy(),
        "sketch": draw_sketches(driving.numpy(), size),
        "triangles": draw_triangles(driving.numpy(), size),
    }


class _Motion(nn.Module):
    def __init__(self, motion: MeshMotionEncoder, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.motion = motion
        self.heads = nn.ModuleDict(heads)

    def forward(self, mesh: Tensor, blendshapes: Tensor) -> tuple[Tensor, ...]:
        codes = face_codes(self.motion, dict(self.heads.items()), mesh, blendshapes)
        return tuple(codes[name] for name in FACTORS)


class _Portrait(nn.Module):
    def __init__(self, generator: MeshWarpGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.features(picture)[1:])

    def features(self, picture: Tensor) -> PortraitFeatures:
        """Of `[B, S, S, 3]` uint8."""
        return self.generator.encode(to_floats(picture))


class _MeshDecoder(nn.Module):
    def __init__(self, decoder: MeshDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, portrait_mesh: Tensor, *codes: Tensor) -> tuple[Tensor, Tensor]:
        """Of the portrait's mesh and codes, then the driving ones, each in the order of `FACTORS`."""
        count = len(FACTORS)
        driving = dict(zip(FACTORS, codes[count:], strict=True))
        frames = driving["pose"].shape[0]
        own = {name: code.expand(frames, -1) for name, code in zip(FACTORS, codes[:count], strict=True)}
        pose = fit_pose(portrait_mesh)
        canonical = remove_pose(portrait_mesh, pose)
        mesh = driven_mesh(
            self.decoder, canonical.expand(frames, -1, -1), pose.expand(frames, -1), own, driving
        )
        return mesh, corners_of(mesh)


class _Generator(nn.Module):
    def __init__(self, generator: MeshWarpGenerator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, picture: Tensor, *inputs: Tensor) -> Tensor:
        """The inputs of `generator_graph`, in their order."""
        *encoded, source, source_sketch, driving, sketch, triangles = inputs
        frames = driving.shape[0]
        painted, _, _ = self.generator(
            PortraitFeatures(to_floats(picture), *encoded).expand(frames),
            self.generator.flows(source.expand(frames, -1, -1), driving),
            (source_sketch.float() / 255).expand(frames, -1, -1, -1),
            sketch.float() / 255,
            triangles,
        )
        return to_bytes(painted).permute(0, 2, 3, 1)


def _meshes(count: int) -> Tensor:
    """`[count, 478, 3]` the canonical face, turned a little more each time."""
    vertices = canonical_face()["vertices"]
    face = torch.cat([vertices, vertices[:1].expand(10, -1)])
    poses = torch.tensor([[0.05, 0.1, -0.05, 0.0, 0.1, 0.0]]) * torch.arange(1, count + 1)[:, None]
    return apply_pose(face.expand(count, -1, -1), poses)


def _sketches(meshes: Tensor, size: int) -> Tensor:
    return torch.from_numpy(draw_sketches(meshes.numpy(), size))


def _triangles(meshes: Tensor, size: int) -> Tensor:
    return torch.from_numpy(draw_triangles(meshes.numpy(), size))
