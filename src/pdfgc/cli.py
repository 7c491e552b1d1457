"""The command `pdfgc`: each verb is a typed function, and everything heavy is imported inside it."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

from safetensors import SafetensorError

from pdfgc import progress
from pdfgc import weights_commands as weights
from pdfgc.allocator import keep_freed_memory
from pdfgc.arguments import Group, Option, Verb, complain, parse
from pdfgc.data import commands as data_commands
from pdfgc.data import talking_head_3d_commands
from pdfgc.errors import DifferenceError, InputError, NonFiniteError
from pdfgc.evaluation import commands as evaluation
from pdfgc.evaluation import protocol_commands, study_commands, video_commands
from pdfgc.export.command import export
from pdfgc.files import check_output
from pdfgc.progress import say
from pdfgc.wording import counted

if TYPE_CHECKING:
    from pdfgc.model import Model
    from pdfgc.paper_model import PaperModel

PROGRAM = "pdfgc"
DESCRIPTION = """\
Makes a portrait talk. Lips, head pose, eyes and expression each follow a source of their own.

  pdfgc animate face.jpg --audio speech.wav -o out.mp4
  pdfgc animate face.jpg --audio speech.wav --pose nod.mp4 --eyes look.mp4 --expression joy.mp4 -o out.mp4
"""

BAD_INPUT = 2
INTERRUPTED = 128 + signal.SIGINT
"""What shells report of a program that Ctrl-C ended."""

_MISSING_LIBRARY = re.compile(r"^lib[\w.+-]+\.so\S*: cannot open shared object")
"""How the loader speaks of system libraries that OpenCV and MediaPipe want and bare servers lack."""


def _driver(text: str, metavar: str = "DRIVER") -> Option:
    return Option(text, metavar, group="who drives what")


def _reading(text: str, metavar: str | None = None) -> Option:
    return Option(text, metavar, group="how drivers are read")


def _picture(text: str, metavar: str | None = None) -> Option:
    return Option(text, metavar, group="the picture")


ModelName = Annotated[
    str, Option("a model that comes with pdfgc, a .safetensors file, or a training run's folder", "MODEL")
]
MissingFaces = Annotated[
    Literal["hold", "skip", "fail"],
    _reading("frames that show no face: hold the last one, pass smoothly over them, or fail"),
]
Device = Annotated[str, Option("auto (a GPU where there is one), cpu, cuda, cuda:1", "DEVICE")]
Aligned = Annotated[
    bool,
    _reading("pictures are cut as VoxCeleb's are and taken as they are; for models of preset paper"),
]
FolderRate = Annotated[str, _reading("frames a second of drivers that are folders of numbered frames", "FPS")]
EngineName = Annotated[
    Literal["torch", "onnx"],
    Option("what paints the frames; onnx is ONNX Runtime on the CPU (pip install '.[export]')"),
]


def animate(
    portrait: Annotated[Path, Option("a photo of the person who is to talk")],
    /,
    *,
    output: Annotated[Path, Option("the video to write, .mp4", "OUT", "-o")],
    audio: Annotated[
        Path | None, _driver("speech: moves the lips and is heard; sound or a video", "FILE")
    ] = None,
    lips: Annotated[str | None, _driver("lips from this instead of from the speech")] = None,
    pose: Annotated[str | None, _driver("turns, tilts and shifts of the head")] = None,
    eyes: Annotated[str | None, _driver("gaze and blinks")] = None,
    gaze: Annotated[str | None, _driver("gaze alone")] = None,
    blink: Annotated[str | None, _driver("blinks alone")] = None,
    expression: Annotated[str | None, _driver("the feeling: brows, cheeks, smile; not the speech")] = None,
    track: Annotated[
        str | None,
        _driver("everything not named above, such as an earlier result's track"),
    ] = None,
    loop: Annotated[
        Literal["pingpong", "wrap", "hold"],
        _reading("what follows a driver's end: back and forth, from the start, or standing still"),
    ] = "pingpong",
    missing: MissingFaces = "hold",
    smooth: Annotated[
        float,
        _reading("how much videos are smoothed in time: 1 as usual, 0 not at all", "FACTOR"),
    ] = 1.0,
    relative_pose: Annotated[
        bool,
        _reading("the head moves from the portrait's own pose on, as the driver's from its first frame"),
    ] = False,
    strength: Annotated[
        tuple[str, ...],
        _reading(
            "expression, lips or pose weaker (0 is neutral) or stronger (to 4) than driven", "FACTOR=NUMBER"
        ),
    ] = (),
    folder_fps: FolderRate = "25",
    aligned: Aligned = False,
    fps: Annotated[
        str | None,
        _picture("frames a second of OUT, such as 30 or 30000/1001 (default: --track's own, else 25)", "FPS"),
    ] = None,
    duration: Annotated[
        str | None,
        _picture("seconds (default: the speech's, else --track's, else the longest driver's)", "SECONDS"),
    ] = None,
    size: Annotated[
        int | None,
        _picture("side in pixels (default: the model's; the photo's with --paste-back)", "PIXELS"),
    ] = None,
    paste_back: Annotated[bool, _picture("the whole photo with the head in it")] = False,
    quality: Annotated[int, _picture("0 to 51; smaller looks better, larger saves space", "CRF")] = 18,
    face: Annotated[int, Option("which face of the photo, 0 for the largest", "N")] = 0,
    model: ModelName = "small",
    device: Device = "auto",
    engine: EngineName = "torch",
    dry_run: Annotated[bool, Option("look at the inputs, say what would be made, and stop")] = False,
) -> None:
    """Makes a portrait talk.

    A DRIVER is a video, a picture, a folder of numbered frames, a saved motion track, or a word:
      hold  what the portrait itself shows; for everything that is not named
      zero  the neutral position
      idle  gentle blinks and sway, for eyes and pose

    The speech sets the length; without it, --track; without that, the longest moving driver. The motion that
    was rendered is saved beside OUT as a track, so that one part can be changed later while the rest stays:

      pdfgc animate face.jpg --audio a.wav --pose nod.mp4 -o one.mp4
      pdfgc animate face.jpg --audio a.wav --track one.motion.safetensors --eyes look.mp4 -o two.mp4

    Raises:
        InputError: files, words and numbers that cannot be used, or nothing that moves.
    """
    from pdfgc import remarks
    from pdfgc.avatar import Avatar
    from pdfgc.drivers import check_smoothing
    from pdfgc.media.writer import SUFFIXES
    from pdfgc.motion import SUFFIX
    from pdfgc.performance import check_quality
    from pdfgc.planning import check_portrait, plan
    from pdfgc.strength import read_strength

    inputs = [portrait, audio, lips, pose, eyes, gaze, blink, expression, track]
    _check_output(output, SUFFIXES, inputs)
    _check_not_input(output.with_suffix(SUFFIX), inputs)
    check_quality(quality)
    check_smoothing(smooth)
    strengths = read_strength(strength)
    check_portrait(portrait)
    drivers: dict[str, str | None] = {
        "lips": lips,
        "expression": expression,
        "eyes": eyes,
        "gaze": gaze,
        "blink": blink,
        "pose": pose,
    }
    planned = plan(
        drivers,
        audio=audio,
        track=track,
        fps=fps,
        duration=duration,
        folder_fps=folder_fps,
        relative_pose=relative_pose,
        strength=strengths,
    )
    loaded = _load(model, device, engine)
    for saved in planned.tracks:
        saved.require_model(loaded.fingerprint)
    avatar = Avatar(loaded, portrait, face=face, aligned=aligned)
    if dry_run:
        view = avatar.view(size, paste_back=paste_back)
        remarks.note(planned.remarks)
        say(f"would make {_summary(output, planned.frames, view.width, view.height, planned.fps)}")
        for slot, mover in planned.movers.items():
            say(f"  {slot}: {mover}")
        return
    performance = avatar.animate(
        lips=lips,
        expression=expression,
        eyes=eyes,
        gaze=gaze,
        blink=blink,
        pose=pose,
        audio=audio,
        track=track,
        fps=fps,
        duration=duration,
        loop=loop,
        missing=missing,
        smooth=smooth,
        relative_pose=relative_pose,
        strength=strengths,
        folder_fps=folder_fps,
        size=size,
        paste_back=paste_back,
    )
    performance.save(output, quality=quality)
    say(_summary(output, len(performance), performance.width, performance.height, performance.fps))


def _summary(output: Path, frames: int, width: int, height: int, fps: Fraction) -> str:
    from pdfgc.media.writer import file_size

    seconds = float(frames / fps)
    width, height = file_size(width, height)
    return f"{output}: {counted(frames, 'frame')} of {width}x{height} pixels, {float(fps):g} a second, {seconds:.2f} s"


def motion(
    clip: Annotated[Path, Option("a video, a picture, or a folder of numbered frames")],
    /,
    *,
    output: Annotated[Path, Option("the track to write, .safetensors", "OUT", "-o")],
    missing: MissingFaces = "hold",
    folder_fps: FolderRate = "25",
    aligned: Aligned = False,
    model: ModelName = "small",
) -> None:
    """Saves the motion of a clip as a track, which drives a portrait without the clip.

    A track holds numbers only: lips, expression, eyes and head pose for every frame, no picture. It belongs
    to the model that made it. It is saved as measured; smoothing happens when it drives.

      pdfgc motion nod.mp4 -o nod.motion.safetensors
      pdfgc animate face.jpg --pose nod.motion.safetensors -o out.mp4

    Raises:
        InputError: a clip that cannot be read or shows no face.
    """
    from pdfgc import remarks
    from pdfgc.aligned import read_aligned
    from pdfgc.drivers import read_motion

    _check_output(output, (".safetensors",), [clip])
    if clip.suffix.lower() == ".safetensors":
        raise InputError(f"{clip} is a track already; expected a video, a picture or a folder of frames")
    if clip.is_dir():
        remarks.note(filter(None, [remarks.on_gaps(clip)]))
    encoder = _load(model)
    if aligned:
        track = read_aligned(clip, encoder, fps=folder_fps)
    else:
        track = read_motion(clip, encoder, missing=missing, fps=folder_fps)
    track.save(output)
    if len(track) == 1:
        say(f"{output}: a still")
        return
    frames = counted(len(track), "frame")
    say(f"{output}: {frames}, {float(track.duration):.2f} s, {track.found.mean():.0%} with a face")


def train(
    stage: Annotated[
        Literal["stage1", "stage2-lips", "stage2-eyes", "stage2-pose", "stage3", "all"],
        Option("what to train; each builds on the ones before it in the same run"),
    ],
    /,
    *,
    data: Annotated[Path, Option("what `pdfgc prepare` made", "SHARDS")],
    run: Annotated[Path, Option("the folder that everything is written to", "RUN")],
    preset: Annotated[
        str, Option("the configuration: small, paper, tiny, ablations/..., or a .yaml file", "PRESET")
    ] = "small",
    set_: Annotated[
        tuple[str, ...], Option("changes to the configuration, such as training.steps=500", "KEY=VALUE")
    ] = (),
    max_minutes: Annotated[
        float | None, Option("stop after so long; all divides it among the stages", "M")
    ] = None,
    device: Device = "auto",
    dry_run: Annotated[bool, Option("show clips, steps, losses, sizes and memory, and stop")] = False,
) -> None:
    """Trains a model of your own, stage by stage.

    The same command again goes on where the last one stopped, and so does one that was interrupted. Losses
    stand in RUN/<stage>/log.jsonl and in tensorboard, pictures in RUN/<stage>/samples. RUN is a model for
    `pdfgc animate --model RUN`.

      pdfgc prepare clips/ -o shards
      pdfgc train all --data shards --run runs/mine --max-minutes 60

    Raises:
        InputError: an unknown configuration, data that does not fit, a missing earlier stage.
        KeyboardInterrupt: when it was asked to stop, after the checkpoint.
    """
    from pdfgc.training import run as runs

    if dry_run:
        say(runs.plan(stage, data=data, run=run, preset=preset, changes=set_))
        return
    outcomes = runs.train(
        stage, data=data, run=run, preset=preset, changes=set_, max_minutes=max_minutes, device=device
    )
    for outcome in outcomes:
        ending = {"finished": "finished", "time": "out of time", "stopped": "stopped"}[outcome.reason]
        say(f"{outcome.stage}: {ending} at step {outcome.step} after {outcome.minutes:.1f} minutes")
    if not outcomes:
        say(f"every stage of {run} is finished")
    if outcomes and outcomes[-1].reason == "stopped":
        raise KeyboardInterrupt


def _load(name: str, device: str = "auto", engine: Literal["torch", "onnx"] = "torch") -> Model | PaperModel:
    from pdfgc.model import load

    return load(name, device=device, engine=engine)


def _check_output(output: Path, suffixes: Sequence[str], inputs: Sequence[Path | str | None]) -> None:
    """Raises InputError for an output that could not be written or would overwrite an input."""
    if output.suffix.lower() not in suffixes:
        raise InputError(f"the output must be named {' or '.join(suffixes)}, but it is {output.name}")
    check_output(output)
    _check_not_input(output, inputs)


def _check_not_input(output: Path, inputs: Sequence[Path | str | None]) -> None:
    for path in inputs:
        if path is not None and output.exists() and Path(path).exists() and output.samefile(path):
            raise InputError(f"the output {output} is also an input; name another one")


VERBS: dict[str, Verb | Group] = {
    "animate": animate,
    "motion": motion,
    "export": export,
    "prepare": data_commands.prepare,
    "heads": talking_head_3d_commands.heads,
    "train": train,
    "evaluate": Group(
        "Measures how well drivers are followed, and what else moves",
        {
            "control": evaluation.control,
            "self": protocol_commands.self_driving,
            "cross": protocol_commands.cross,
            "cross-identity": protocol_commands.cross_identity,
            "ablation": protocol_commands.ablation,
            "cases": evaluation.cases,
            "videos": video_commands.videos,
        },
    ),
    "study": Group(
        "Blinded user studies: making one, and scoring what was collected",
        {"make": study_commands.make, "score": study_commands.score},
    ),
    "weights": Group(
        "Pretrained files of others: what is used, and getting it",
        {
            "list": weights.list_files,
            "fetch": weights.fetch_files,
            "import-official": weights.import_official,
            "export-official": weights.export_official,
            "verify": weights.verify,
        },
    ),
}


def main(words: list[str] | None = None) -> int:
    """Runs a command line (default: this process's) and returns its exit status.

    0 for done; 2 for input that cannot be used, with one sentence on standard error; 1 for a failing system
    (a full disk, a missing library), likewise; 130 after Ctrl-C. Whatever the end, no partial output stays.
    """
    signal.signal(signal.SIGTERM, _stop)
    try:
        call = parse(PROGRAM, DESCRIPTION, VERBS, sys.argv[1:] if words is None else words, version(PROGRAM))
        progress.set_quiet(call.quiet)
        logging.basicConfig(
            format=f"{PROGRAM}: %(message)s", level=logging.ERROR if call.quiet else logging.WARNING
        )
        keep_freed_memory()
        call.run()
        sys.stdout.flush()
    except InputError as error:
        complain(PROGRAM, str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        complain(PROGRAM, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (DifferenceError, NonFiniteError) as error:
        complain(PROGRAM, str(error))
        return 1
    except SafetensorError as error:
        # a failing disk, most likely: files from outside are checked where they are read, full disks in `files`
        complain(PROGRAM, f"a file could not be written or read: {error}")
        return 1
    except (OSError, ImportError) as error:
        if isinstance(error, ImportError) and not _MISSING_LIBRARY.search(str(error)):
            raise
        complain(PROGRAM, _explain(error))
        return 1
    return 0


def _explain(error: OSError | ImportError) -> str:
    if _MISSING_LIBRARY.search(str(error)):
        return f"{error}; on Debian and Ubuntu: apt install libgl1 libegl1 libgles2 libglib2.0-0"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Ends as after an error, so that partial outputs are removed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
