import json
from pathlib import Path

import numpy as np
import pytest
import torch

import train_sync_judge as script
from pdfgc.data.clips import ClipSet
from pdfgc.evaluation.metrics.sync_small import SHIFT
from pdfgc.evaluation.sync_judge import SyncJudge, load_judge
from synthetic import write_talking_clip

PEOPLE = {"learn_0": "learning", "learn_1": "learning", "mead_02": "choosing", "held_0": "held out"}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One talking clip of each of `PEOPLE`."""
    folder = tmp_path_factory.mktemp("shards")
    entries = []
    for seed, identity in enumerate(PEOPLE):
        file = f"clips/{identity}.safetensors"
        info = write_talking_clip(folder / file, identity=identity, seed=seed, frames=56)
        entries.append({"file": file, "info": info.to_json()})
    (folder / "index.json").write_text(json.dumps({"clips": entries, "rejected": []}))
    (folder / "config.yaml").write_text("data:\n  held_out: [held_0]\n")
    return folder


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "CLIPS", 2)


def test_a_run_leaves_weights_and_a_report_of_the_people_held_out(shards: Path, tmp_path: Path) -> None:
    script.train(shards, tmp_path, shards / "config.yaml", torch.device("cpu"), 60, steps=2)
    load_judge(tmp_path / "sync_small.safetensors")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["steps"] == 2
    assert list(report["held_out"]["in_sync_nearer_by_person"]["0.2 s"]) == ["held_0"]
    assert list(report["development"]["in_sync_nearer_by_person"]["0.2 s"]) == ["mead_02"]
    assert report["held_out"]["frames"] == 56 - 2 * SHIFT  # those with 0.6 s of sound to both sides


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(shards: Path, tmp_path: Path) -> None:
    examples = script.read_examples(ClipSet.open(shards))
    windows = script.Windows(examples, torch.device("cpu"))
    torch.manual_seed(0)
    whole = script.Run(tmp_path / "whole", torch.device("cpu"), steps=4)
    whole.save()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "checkpoint.pt").write_bytes((tmp_path / "whole" / "checkpoint.pt").read_bytes())
    for _ in range(4):
        whole.advance(windows)
    for _ in range(2):
        part = script.Run(tmp_path / "parts", torch.device("cpu"), steps=4)
        part.advance(windows)
        part.advance(windows)
        part.save()
    assert part.step == whole.step == 4
    for name, value in whole.judge.state_dict().items():
        assert torch.allclose(part.judge.state_dict()[name], value, atol=1e-6), name
    for name, value in whole.averages.tensors.items():
        assert torch.allclose(part.averages.tensors[name], value, atol=1e-6), name


@pytest.mark.parametrize(("own", "share", "offset"), [(0.0, 1.0, 0), (2.0, 0.0, 15)])
def test_shares_and_offsets_of_known_distances(
    own: float, share: float, offset: int, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = np.ones((50, 2 * SHIFT + 1))
    apart[:, SHIFT] = own
    monkeypatch.setattr(script, "judge_mouths", lambda *_: apart)
    examples = script.read_examples(ClipSet.open(shards).where())[:2]
    found = script.measure(SyncJudge().eval(), examples)
    assert found["in_sync_nearer"] == dict.fromkeys(("0.2 s", "1 s", "2 s"), share)
    assert list(found["offsets"].values()) == [offset, offset]
    assert found["offset_within_1_frame"] == (1.0 if offset == 0 else 0.0)


def test_people_set_aside_for_choosing_are_not_those_held_out() -> None:
    import yaml

    config = Path(script.__file__).parent / "default_model.yaml"
    assert not set(script.DEVELOPMENT) & set(yaml.safe_load(config.read_text())["data"]["held_out"])
