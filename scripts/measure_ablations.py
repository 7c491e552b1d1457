"""What the two decorrelations of stage 3 are worth: the paper's Table 4, on the meshes of preset `small`.

    python scripts/measure_ablations.py --data SHARDS --stages RUN -o OUT [--steps 700] [--set key=value ...]

RUN has the stages before stage 3; OUT/<ablation> gets a copy of them, and a stage 3 of its own whose phase `codes`
alone is trained: no pictures are painted, since the painter would be the same. Then held-out people drive themselves
from the first frame of a clip, with the expression of that frame (the paper's ablation protocol), and the rebuilt mesh
is compared with the tracked one. OUT/ablations.md is the table, OUT/ablations.json has every person's numbers. What is
trained already is kept; the same command again goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pdfgc.config import load_config
from pdfgc.data.clips import Clip, ClipSet
from pdfgc.data.speech_features import SpeechFeatures
from pdfgc.errors import InputError
from pdfgc.evaluation.correlation import correlation
from pdfgc.evaluation.evidence import REFERENCE_SIDE
from pdfgc.evaluation.metrics.lmd import landmark_distance
from pdfgc.evaluation.published import TABLE_4
from pdfgc.evaluation.tables import markdown
from pdfgc.face.crop import HEAD_SIDE
from pdfgc.face.geometry import POSE_SCALE, apply_pose, fit_pose, remove_pose
from pdfgc.face.mesh import FACE_HEIGHT, landmarks_68
from pdfgc.files import atomic_path
from pdfgc.model import Model
from pdfgc.networks.codec import face_codes
from pdfgc.progress import track
from pdfgc.training.code_moments import lip_gaps
from pdfgc.training.results import read_result
from pdfgc.training.run import load_clips, train

log = logging.getLogger(__name__)

ABLATIONS = ("no_decorrelation", "in_window_only", "lip_decorrelation_only", "all")
"""In the order of the paper's rows."""

EARLIER = ("stage1", "stage2-lips", "stage2-eyes", "stage2-pose")

CODES_ALONE = (
    *(
        f"weights.{loss}=0"
        for loss in ("l1", "perceptual", "flow", "motion", "adversarial", "feature_matching", "judge")
    ),
    "stages.stage3.training.precision=float32",
    "stages.stage3.training.validate_every=0",
    "stages.stage3.training.sample_every=0",
)

CLIPS, FRAMES = 2, 200
"""At most so many clips of a person, and first frames of each."""

MOVES = 0.05
"""Centimetres of standard deviation below which a mouth's opening has no correlation worth the name."""

_PAD = 0.5  # seconds of silence around the sound

Measures = dict[str, float]
"""Of one clip, or the mean over clips or people; see `measure_clip`."""


def train_ablation(
    name: str, data: Path, stages: Path, run: Path, steps: int, changes: Sequence[str]
) -> None:
    """Trains the phase `codes` of one ablation in `run`, unless it has its steps already.

    Raises:
        InputError: when an earlier stage is missing in `stages`, or as `train`.
    """
    weights = run / "stage3" / "weights.safetensors"
    if weights.is_file() and trained_steps(run) >= steps:
        return
    run.mkdir(parents=True, exist_ok=True)
    for folder in (*EARLIER, "cache"):
        if not (run / folder).exists() and (folder != "cache" or (stages / folder).is_dir()):
            _copy(stages / folder, run / folder)
    number = f"stages.stage3.training.steps={steps}"
    train(
        "stage3",
        data=data,
        run=run,
        preset=f"ablations/{name}",
        changes=[*CODES_ALONE, number, *changes],
        device="cpu",
    )


def trained_steps(run: Path) -> int:
    """Steps that a run's stage 3 has done."""
    return int(read_result(run / "stage3" / "weights.safetensors").about["stages"]["stage3"]["step"])


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise InputError(f"expected the earlier stages of a run, but there is no {source}")
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)  # of a copy that was stopped
    shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("checkpoints", "tensorboard", "samples"))
    temporary.rename(target)


@torch.inference_mode()
def measure_clip(model: Model, clip: Clip, speech: SpeechFeatures) -> Measures:
    """What a clip says about a model.

    The first frame is the portrait; pose and eyes are always the clip's own. Lips are `heard` (driven by the sound) or
    `seen` (by the picture), the expression is the first frame's; with `_free` it is each frame's own.

    Returns:
        `lmd_m_<lips>`: `metrics.lmd` in pixels of a 256 px head crop, of the tracked and the rebuilt mesh;
        `r_<lips>`: correlation of the mouth's opening with the clip's; `lmd_m_still`: of the portrait's own mouth;
        with sound also `driver`, `leak` and `follow`: variance of the clip's opening in cm², that of the opening when
        the expression alone is driven by the clip and all else held, and their covariance. What a clip does not
        allow is left out.
    """
    frames = slice(min(len(clip), FRAMES))
    mesh = torch.from_numpy(clip.mesh(frames))
    scores = torch.from_numpy(clip.blendshapes(frames))
    pose = fit_pose(mesh)
    canonical = remove_pose(mesh, pose)
    # the decoder knows poses as the tracker gives them
    codes = face_codes(model.motion, model.heads, mesh, scores) | {"pose": pose}
    own = {name: code[:1].expand_as(code) for name, code in codes.items()}
    portrait = canonical[:1].expand_as(canonical)
    lips = {"seen": codes["lips"]}
    if clip in speech:
        lips["heard"] = _heard(model, clip, clip.times(frames), speech)
    found: Measures = {"lmd_m_still": _mouth_distance(portrait, canonical, pose)}
    for kind, code in lips.items():
        for ending, expression in (("", own["expression"]), ("_free", codes["expression"])):
            driving = {"lips": code, "expression": expression, "eyes": codes["eyes"], "pose": pose}
            rebuilt = model.decoder(portrait, own, driving)
            found[f"lmd_m_{kind}{ending}"] = _mouth_distance(rebuilt, canonical, pose)
            r = correlation(_opening(canonical)[1:], _opening(rebuilt)[1:], MOVES).value
            if r is not None:
                found[f"r_{kind}{ending}"] = r
    if clip in speech:
        felt = model.decoder(portrait, own, own | {"expression": codes["expression"]})
        (driver, both), (_, leak) = np.cov(_opening(canonical)[1:], _opening(felt)[1:])
        found |= {"driver": float(driver), "leak": float(leak), "follow": float(both)}
    return found


def _heard(model: Model, clip: Clip, times: np.ndarray, speech: SpeechFeatures) -> Tensor:
    """Lip codes of the sound at the seconds `times [T]`: `[T, 500]`."""
    features, first = speech.window(clip, -_PAD, float(times[-1]) + 2 * _PAD)
    since = torch.from_numpy(times - first).float()
    return model.speech(features[None], since[None])[0]


def _mouth_distance(rebuilt: Tensor, canonical: Tensor, pose: Tensor) -> float:
    """LMD_m of two canonical meshes `[T, 478, 3]` in the same poses; the first frame, the portrait, is left out."""
    size = float(torch.exp(pose[:, 5]).median()) * POSE_SCALE * FACE_HEIGHT
    scale = REFERENCE_SIDE / HEAD_SIDE / size
    ours, theirs = (landmarks_68(apply_pose(m, pose).numpy())[1:, :, :2] for m in (rebuilt, canonical))
    distance = landmark_distance(ours, theirs, scale, scale, mouth=True).value
    assert distance is not None  # prepared clips have a face in every frame
    return distance


def _opening(canonical: Tensor) -> np.ndarray:
    opening: np.ndarray = lip_gaps(canonical).mean(1).numpy()
    return opening


def measure_people(run: Path, clips: ClipSet) -> dict[str, Measures]:
    """Each held-out person's mean over clips: `{identity: measures}`."""
    model = Model(read_result(run / "model.safetensors"))
    chosen = [clip for group in clips.by_identity.values() for clip in _chosen(group)]
    speech = SpeechFeatures(tuple(chosen), model.hearing, run / "cache")
    people: dict[str, list[Measures]] = {}
    for clip in track(chosen, len(chosen), f"measure {run.name}"):
        people.setdefault(clip.identity, []).append(measure_clip(model, clip, speech))
    return {person: mean(measures) for person, measures in people.items()}


def _chosen(clips: Sequence[Clip]) -> list[Clip]:
    """A person's clips that are measured: those with sound first."""
    long_enough = [clip for clip in clips if len(clip) > 12]  # `correlation` wants 10 frames after the first
    return sorted(long_enough, key=lambda clip: clip.info.samples == 0)[:CLIPS]


def mean(measures: Sequence[Measures]) -> Measures:
    """Of every measure over those that have it."""
    names = {name for one in measures for name in one}
    return {name: float(np.mean([one[name] for one in measures if name in one])) for name in sorted(names)}


def summarise(people: Mapping[str, Measures]) -> Measures:
    """Over people; `leak` becomes the movement relative to the driver's (as in the control matrix), `follow` the
    slope of the opening on the driver's."""
    total = mean(list(people.values()))
    if total.get("driver"):
        total["follow"] /= total["driver"]
        total["leak"] = float(np.sqrt(total["leak"] / total["driver"]))
    return total


COLUMNS = {
    "lmd_m_heard": "LMD_m, by sound ↓",
    "lmd_m_seen": "LMD_m, by video ↓",
    "r_heard": "mouth r, by sound ↑",
    "r_seen": "mouth r, by video ↑",
    "leak": "leak ↓",
    "follow": "follow →0",
}


def table(results: Mapping[str, Mapping[str, Measures]], steps: int) -> str:
    """The results `{ablation: {person: measures}}` as Markdown, beside the paper's LMD_m."""
    totals = {name: summarise(people) for name, people in results.items()}
    lines = [
        ["", *COLUMNS.values(), "each frame's expression: LMD_m by sound, by video", "paper: NLSE-C, LMD_m"]
    ]
    for (name, total), (_, published) in zip(totals.items(), TABLE_4.rows, strict=True):
        cells = [_cell(total.get(measure)) for measure in COLUMNS]
        free = ", ".join(_cell(total.get(f"lmd_m_{lips}_free")) for lips in ("heard", "seen"))
        lines.append([name, *cells, free, f"{published[1]}, {published[2]}"])
    first = next(iter(results.values()))
    still = _cell(next(iter(totals.values())).get("lmd_m_still"))
    heard = sum("lmd_m_heard" in measures for measures in first.values())
    return (
        markdown(lines)
        + f"\n{steps} steps; {len(first)} held-out people, {heard} of them with sound; a mouth that never moves has "
        f"an LMD_m of {still}.\n\n" + markdown(_better(results))
    )


def _better(results: Mapping[str, Mapping[str, Measures]]) -> list[list[str]]:
    """For how many people `all` does better than the others."""
    signs = {"lmd_m_heard": -1, "lmd_m_seen": -1, "r_heard": 1, "r_seen": 1, "leak": -1}
    lines = [["`all` is better than", *(COLUMNS[name] for name in signs)]]
    for name, people in results.items():
        if name == "all":
            continue
        cells = []
        for measure, sign in signs.items():
            pairs = [
                (results["all"][person][measure], measures[measure])
                for person, measures in people.items()
                if measure in measures and measure in results["all"][person]
            ]
            cells.append(f"{sum(sign * (a - b) > 0 for a, b in pairs)} of {len(pairs)}")
        lines.append([name, *cells])
    return lines


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def run_all(
    data: Path, stages: Path, out: Path, steps: int, held_out: Sequence[str], changes: Sequence[str]
) -> str:
    """Trains what is missing, measures, writes and returns the table.

    Raises:
        InputError: as `train_ablation`; when nobody is held out, or the runs in `out` have different steps.
    """
    changes = [f"data.held_out=[{', '.join(held_out)}]", *changes]
    _, clips = load_clips(data, load_config("small", changes))
    if not len(clips):
        raise InputError(
            f"expected clips of the held-out people {', '.join(held_out)} in {data}, but got none"
        )
    for name in ABLATIONS:
        train_ablation(name, data, stages, out / name, steps, changes)
    done = {name: trained_steps(out / name) for name in ABLATIONS}
    if len(set(done.values())) > 1:
        raise InputError(f"expected ablations trained for the same number of steps, but got {done}")
    results = {name: measure_people(out / name, clips) for name in ABLATIONS}
    text = table(results, done["all"])
    for path, content in (
        (out / "ablations.json", json.dumps({"steps": done, "people": results}, indent=1) + "\n"),
        (out / "ablations.md", text),
    ):
        with atomic_path(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return text


def main() -> int:
    """Reads the arguments; 2 for wrong input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="what `pdfgc prepare` made")
    parser.add_argument("--stages", type=Path, required=True, help="a run with the stages before stage 3")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the ablations' runs and the table")
    parser.add_argument("--steps", type=int, default=700)
    default = Path(__file__).parent / "default_model.yaml"
    parser.add_argument("--config", default=str(default), help="a preset that names who is held out")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="as `pdfgc train`")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        held_out = load_config(options.config).data.held_out
        text = run_all(options.data, options.stages, options.out, options.steps, held_out, options.set)
    except InputError as error:
        log.error("%s", error)
        return 2
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
