"""Made-up clips for tests: meshes that talk and nod without any video, and a video with a real, findable
face."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from pdfgc.data.clips import AUDIO_RATE, ClipInfo, ClipSet, write_clip
from pdfgc.face.geometry import MESH_POINTS, apply_pose, canonical_face

FPS = 25
ASTRONAUT = Path(__file__).parents[1] / "demo" / "astronaut.jpg"


def talking_meshes(frames: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Crop meshes `[T, 478, 3]` of a head that nods, turns and talks; its mouth's opening `[T]`, 0..1."""
    vertices = canonical_face()["vertices"].numpy()
    irises = np.repeat(vertices[[468 - 5, 468 - 10]], 5, axis=0)
    face = np.concatenate([vertices, irises])[:MESH_POINTS] * (1 + 0.05 * random.normal(size=3))
    phase = random.uniform(0, 2 * np.pi, 3)
    time = np.arange(frames) / FPS
    opening = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time + phase[0])
    chin = np.clip(-(face[:, 1] + 3) / 5, 0, 1)  # 0 above the mouth, 1 at the chin
    moving = np.repeat(face[None], frames, 0)
    moving[..., 1] -= 1.5 * opening[:, None] * chin
    pose = np.zeros((frames, 6))
    pose[:, 0] = 0.1 * np.sin(time + phase[1])
    pose[:, 1] = 0.3 * np.sin(0.7 * time + phase[2])
    mesh = apply_pose(torch.tensor(moving, dtype=torch.float32), torch.tensor(pose, dtype=torch.float32))
    return mesh.numpy(), opening


def write_talking_clip(
    path: Path, *, identity: str, seed: int, frames: int = 30, size: int = 32, pictures: bool = True
) -> ClipInfo:
    """A clip file of random blobs for pictures, a talking mesh, and a tone as loud as the mouth is open."""
    import cv2

    random = np.random.default_rng(seed)
    mesh, opening = talking_meshes(frames, random)
    blobs = []
    for picture in random.integers(0, 255, (frames if pictures else 0, size, size, 3), np.uint8):
        blobs.append(cv2.imencode(".jpg", picture)[1].ravel())
    offsets = np.cumsum([0, *map(len, blobs)]).astype(np.int64)
    samples = frames * AUDIO_RATE // FPS
    loudness = np.interp(np.arange(samples) / AUDIO_RATE, np.arange(frames) / FPS, opening)
    tone = 0.3 * loudness * np.sin(2 * np.pi * 220 * np.arange(samples) / AUDIO_RATE)
    info = ClipInfo(
        identity=identity,
        source=path.name,
        time_base=Fraction(1, FPS),
        crop=(0.0, 0.0, float(size)),
        video_size=(size, size),
        picture_size=size,
        frames=frames,
        has_pictures=pictures,
        samples=samples,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "pictures": np.concatenate(blobs) if blobs else np.zeros(0, np.uint8),
        "picture_offsets": offsets,
        "mesh": mesh,
        "blendshapes": random.uniform(0, 1, (frames, 52)).astype(np.float32),
        "matrices": np.repeat(np.eye(4, dtype=np.float32)[None], frames, 0),
        "ticks": np.arange(frames),
        "frames": np.arange(frames),
        "audio": (tone * 32767).astype(np.int16),
    }
    write_clip(path, info, tensors)
    return info


def write_clip_set(folder: Path, *, identities: int = 3, clips: int = 2, **options: int) -> ClipSet:
    """A prepared folder, index included, of people named `person_0`, ... with `clips` clips each."""
    entries = []
    for person in range(identities):
        for number in range(clips):
            file = f"clips/person_{person}_{number}.safetensors"
            info = write_talking_clip(
                folder / file,
                identity=f"person_{person}",
                seed=100 * person + number,
                frames=options.get("frames", 30),
                size=options.get("size", 32),
            )
            entries.append({"file": file, "info": info.to_json()})
    (folder / "index.json").write_text(json.dumps({"clips": entries, "rejected": []}))
    return ClipSet.open(folder)


def write_face_video(
    path: Path, *, frames: int = 12, side: int = 256, sound: bool | np.ndarray = True, face: bool = True
) -> None:
    """A video of the astronaut of `demo` (public domain), who sways and nods, with a tone.

    Args:
        path: an mp4 file to write.
        frames: its length, at 25 frames a second.
        side: its width and height in pixels.
        sound: whether it has a sound track; or that sound, `[N]` float32 at 16 kHz, at least as long as the video.
        face: without, a grey wall takes the astronaut's place.
    """
    import av
    import cv2
    from PIL import Image

    portrait = np.asarray(Image.open(ASTRONAUT))[:300, 70:370]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        wave = _tone(frames / FPS) if isinstance(sound, bool) else sound[: frames * AUDIO_RATE // FPS]
        tone = None if sound is False else container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        for number in range(frames):
            angle, shift = 4 * np.sin(number / 4), 6 * np.cos(number / 5)
            turn = cv2.getRotationMatrix2D((150, 130), float(angle), side / 300)
            turn[:, 2] += (side - 300) / 2 + shift
            picture = cv2.warpAffine(portrait, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
            pixels = np.asarray(picture if face else np.full_like(picture, 128), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
        if tone is not None:
            frame = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
            frame.sample_rate, frame.pts = AUDIO_RATE, 0
            container.mux([*tone.encode(frame), *tone.encode()])


def _tone(seconds: float) -> np.ndarray:
    """220 Hz at 16 kHz: `[N]` float32."""
    samples = np.arange(int(seconds * AUDIO_RATE))
    return (0.3 * np.sin(2 * np.pi * 220 * samples / AUDIO_RATE)).astype(np.float32)


def prepared_bytes(folder: Path) -> dict[str, bytes]:
    """All files of a prepared folder but the lock, which says what process worked there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
