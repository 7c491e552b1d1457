"""The verbs `pdfgc study make` and `pdfgc study score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pdfgc.arguments import Option
from pdfgc.errors import InputError
from pdfgc.files import write_text
from pdfgc.progress import say
from pdfgc.wording import counted


def make(
    *,
    videos: Annotated[
        tuple[str, ...], Option("each method's folder of videos, matched by name", "METHOD=DIR")
    ],
    output: Annotated[Path, Option("the study's folder; it must be new", "STUDY", "-o")],
    seed: Annotated[
        int | None, Option("draws the clips' names; the same seed, the same study (default: a new one)", "N")
    ] = None,
    limit: Annotated[int | None, Option("at most N clips of each method, drawn at random", "N")] = None,
    dry_run: Annotated[bool, Option("list the clips, and stop")] = False,
) -> None:
    """Makes a blinded user study: a page that collects scores from 1 to 5.

    Every method must have videos of the same names. STUDY/page is for the participants: open its index.html,
    or put the folder on any web server; it sends nothing anywhere, and saves the scores to a file. STUDY/key.json
    tells which clip is whose: keep it to yourself.

      pdfgc study make --videos ours=out/ theirs=baseline/ real=clips/ -o study

    Raises:
        InputError: methods with different names, videos that browsers do not play, a folder in use.
    """
    import secrets

    from pdfgc.evaluation.study import collect, make_study

    if limit is not None and limit < 1:
        raise InputError(f"expected --limit above 0, got {limit}")
    drawn = secrets.randbits(32) if seed is None else seed
    sources = collect(_folders(videos), limit, drawn)
    if dry_run:
        say("\n".join(f"{source.method}: {source.path}" for source in sources))
        return
    study = make_study(sources, output, drawn)
    page = output / "page" / "index.html"
    say(f"{output}: study {study}, {counted(len(sources), 'clip')}; participants open {page}")


def score(
    study: Annotated[Path, Option("the folder that `pdfgc study make` wrote")],
    answers: Annotated[tuple[Path, ...], Option("the files that participants saved")],
    /,
    *,
    output: Annotated[
        Path | None, Option("the results as JSON (default: scores.json in STUDY)", "OUT", "-o")
    ] = None,
) -> None:
    """Turns the collected answers of a user study into means with 95 % confidence intervals.

    Every participant counts the same; the interval is Student's t over participants.

      pdfgc study score study answers/*.json

    Raises:
        InputError: answers to another study, damaged ones, or one participant's twice.
    """
    from pdfgc.evaluation.study import read_key
    from pdfgc.evaluation.study_scores import score_study, score_table

    scores = score_study(study, answers)
    tree = {
        "study": read_key(study)[0],
        "answers": [path.name for path in answers],
        "methods": {m: {q: r.to_json() for q, r in results.items()} for m, results in scores.items()},
    }
    target = output or study / "scores.json"
    write_text(target, json.dumps(tree, indent=1) + "\n")
    say(f"{score_table(scores)}written to {target}")


def _folders(pairs: tuple[str, ...]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for pair in pairs:
        method, equals, folder = pair.partition("=")
        if not (method and equals and folder):
            raise InputError(f"expected METHOD=DIR after --videos, got {pair!r}")
        if method in folders:
            raise InputError(f"the method {method} is given twice")
        folders[method] = Path(folder)
    return folders
