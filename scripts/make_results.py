"""Measures a model on development clips by every protocol, and writes docs/results.md.

    python scripts/make_results.py --clips FOLDER [--demo FOLDER] [--model small] [--seconds 3] [--only self,control]

FOLDER holds the clips that benchmarks/development_clips.txt names; --demo is the authors' demo inputs
(github.com/Dorniwang/PD-FGC-inference). Reports with pictures and curves stay in --report; what is measured already is
not measured again, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pdfgc import progress
from pdfgc.evaluation import commands, protocol_commands
from pdfgc.evaluation.control_report import UNITS, case_rows, control_markdown
from pdfgc.evaluation.published import NOTE, TABLES_OF
from pdfgc.evaluation.tables import clip_rows, markdown, number, published_rows, summary_rows
from pdfgc.evaluation.video_protocols import PROTOCOLS
from pdfgc.files import atomic_path

log = logging.getLogger(__name__)

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

DEMO_SECONDS = 15.0
"""Seconds of the authors' demo case, as in the model card; --seconds does not shorten it below that."""

USUAL_SECONDS = 3.0
"""Longest stretch of each clip; the Makefile's default too."""

VERBS: dict[str, Callable[..., None]] = {
    "self": protocol_commands.self_driving,
    "ablation": protocol_commands.ablation,
    "cross": protocol_commands.cross,
    "cross-identity": protocol_commands.cross_identity,
}

PROTOCOLS_RUN = (*VERBS, "control", "cases")
"""Names that --only knows; `cases` is the authors' demo."""

INSTRUMENTS = """\
Landmarks, pose, blendshapes, gaze and blinks are MediaPipe's, which is also the model's own front end and teacher:
its training rebuilds tracked lips, smiles and brows, and its painter learns by L1 and LPIPS. SFace (identity) is
independent of the model. `fid_vgg` is a Frechet distance of VGG16 features, no FID; on so few frames it runs high.
`sync_small` is this project's own small sync judge, no SyncNet. FID and LSE-C/LSE-D need weights that could not be
had where these numbers were made; with `--inception` and `--syncnet` the same commands give them. PSNR, SSIM and
LPIPS compare with the clip cropped as the result is framed. "In step" takes out a clip's own sound offset where that
is sure; the offset is found by this model's own mouth, so it flatters. Definitions and settings of every number stand
beside it in the reports' `results.json`.
"""


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Runs every protocol; their results by name."""
    folder: Path = options.report
    folder.mkdir(parents=True, exist_ok=True)
    common: dict[str, Any] = {"model": options.model, "seconds": options.seconds, "sound_offset": True}
    sources: dict[str, Any] = {"syncnet": options.syncnet, "inception": options.inception}
    results = {}
    for name, verb in VERBS.items():
        if name not in options.only:
            continue
        results[name] = _timed(
            name,
            verb,
            folder / name,
            data=options.clips,
            test_list=options.list,
            cache=folder / "cache",
            **common,
            **sources,
        )
    if "control" in options.only:
        results["control"] = _timed(
            "control",
            commands.control,
            folder / "control",
            data=options.clips,
            test_list=options.list,
            cache=folder / "cache",
            **common,
        )
    if options.demo is not None and "cases" in options.only:
        results["cases"] = _timed(
            "the authors' demo",
            commands.cases,
            folder / "demo",
            cases=BENCHMARKS / "official_demo.yaml",
            root=options.demo,
            model=options.model,
            cache=folder / "cache",
            seconds=min(DEMO_SECONDS, 5 * options.seconds),
        )
    return results


def _timed(what: str, verb: Callable[..., None], report: Path, **options: Any) -> dict[str, Any]:
    start = time.perf_counter()
    verb(report=report, **options)
    log.info("%s: %.0f s", what, time.perf_counter() - start)
    loaded: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    return loaded


def document(results: dict[str, dict[str, Any]], command: str) -> str:
    """docs/results.md."""
    first = next(iter(results.values()))
    parts = [
        "# Results of the default model\n\n",
        f"Made by `{command}`; do not edit by hand.\n\n",
        f"Weights {first['weights']}, measured on {first['date'][:10]} with pdfgc {first['pdfgc']} on clips of people "
        f"that were held out of training; at most {first['settings']['seconds']:g} s of each.\n\n{INSTRUMENTS}",
    ]
    if missing := [name for name in PROTOCOLS_RUN if name not in results]:
        parts.append(f"\nNot run this time: {', '.join(missing)}.\n")
    published_too = [name for name in TABLES_OF if name in results]
    if published_too:
        parts.append(f"\n## Beside the paper\n\n{NOTE}\n")
    for name in published_too:
        for published in TABLES_OF[name]:
            parts.append(f"\n{published.title}\n\n{markdown(published_rows(published, results[name]))}")
    for name in VERBS:
        if name in results:
            parts.append(_protocol(PROTOCOLS[name].title, PROTOCOLS[name].about, results[name]))
    if "control" in results:
        parts.append(_control(results["control"]))
    if "cases" in results:
        parts.append(_demo(results["cases"]))
    return "".join(parts)


def _protocol(title: str, about: str, results: dict[str, Any]) -> str:
    rows, missing = summary_rows(results)
    text = f"\n## {title}\n\n{about[0].upper()}{about[1:]}.\n\n{markdown(rows)}"
    if missing:
        text += "\nNot measured: " + "; ".join(f"{name} ({reason})" for name, reason in missing) + ".\n"
    text += f"\nClips, worst first:\n\n{markdown(clip_rows(results))}"
    for entry in results["skipped"]:
        text += f"\nLeft out: {entry['name']}: {entry['reason']}\n"
    return text


def _control(results: dict[str, Any]) -> str:
    text = (
        "\n## Control matrix\n\nEach row drives one factor (or all) by a clip while the rest is held. Bold: "
        "correlation with the driver and mean error, where movement is wanted; elsewhere movement relative to the "
        f"driver's own (goal: at most 0.35). {UNITS}\n\n{control_markdown(results)}"
    )
    spoken, in_step = results["mouth_against_speaker"].get("0"), results["mouth_in_step"]
    if spoken is not None:
        text += "\nMouth opening against the speaker of the sound: "
        text += f"r {number(spoken['value'])} with the sound as it comes"
        if in_step is not None:
            text += f", {number(in_step['value'])} with each clip's own offset taken out"
        shifted = [
            f"{n} {o['seconds']:+.2f} s" for n, o in results["sound_offsets"].items() if o.get("seconds")
        ]
        text += f" (found late: {', '.join(shifted)}).\n" if shifted else ".\n"
    return text


def _demo(results: dict[str, Any]) -> str:
    text = (
        "\n## The authors' demo case\n\nTheir portrait, sound, and pose, eye and expression drivers. The result they "
        "published on these: yaw, pitch and roll r 0.99 with errors of 0.6, 0.9 and 0.4 degrees, blink r 0.90, gaze "
        "r 0.88, SFace to the portrait 0.54.\n"
    )
    for case in results["cases"]:
        # speed has a benchmark of its own; here other work may have shared the machine
        shown = {name: result for name, result in case["overall"].items() if name != "frames_per_second"}
        overall = ", ".join(f"{name} {number(result['value'])}" for name, result in shown.items())
        text += f"\n{case['frames']} frames, {overall}.\n\n{markdown(case_rows(case))}"
    return text


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    progress.set_quiet(True)
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of the listed clips")
    parser.add_argument("--list", type=Path, default=BENCHMARKS / "development_clips.txt", help="which clips")
    parser.add_argument("--demo", type=Path, help="folder of the authors' demo inputs")
    parser.add_argument("--model", default="small")
    parser.add_argument("--seconds", type=float, default=USUAL_SECONDS, help="longest stretch of each clip")
    parser.add_argument("--syncnet", type=Path, help="syncnet_v2.model")
    parser.add_argument("--inception", type=Path, help="pt_inception-2015-12-05-6726825d.pth")
    parser.add_argument("--report", type=Path, default=Path("runs/results"), help="where the reports stay")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results.md"))
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=PROTOCOLS_RUN, help="parted by commas"
    )
    options = parser.parse_args()
    if unknown := set(options.only) - set(PROTOCOLS_RUN):
        parser.error(f"--only knows {', '.join(PROTOCOLS_RUN)}, not {unknown.pop()}")
    start = time.perf_counter()
    results = measure(options)
    command = "make results CLIPS=FOLDER" + ("" if options.demo is None else " DEMO=FOLDER")
    command += "" if options.seconds == USUAL_SECONDS else f" SECONDS_EACH={options.seconds:g}"
    with atomic_path(options.output) as temporary:
        temporary.write_text(document(results, command), encoding="utf-8")
    log.info(
        "%s: written after %.0f s; pages: %s/*/report.html",
        options.output,
        time.perf_counter() - start,
        options.report,
    )


if __name__ == "__main__":
    main()
