"""The shared loop: exact resume, phases, averages, the guard against NaN, the time budget."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pdfgc.config import Config, load_config
from pdfgc.data.clips import ClipSet
from pdfgc.errors import InputError, NonFiniteError
from pdfgc.training.batches import make_parts
from pdfgc.training.checkpoint import list_checkpoints, read_checkpoint
from pdfgc.training.logs import read_log
from pdfgc.training.loop import Loop, learning_rate
from pdfgc.training.stage import Batch
from synthetic import write_clip_set
from toy_stage import Bank, ComparingStage, ToyStage

CPU = torch.device("cpu")
WEIGHTS = {"mesh": 1.0, "critic": 0.5}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    torch.set_num_threads(1)
    return write_clip_set(tmp_path_factory.mktemp("clips"))


def make_config(*changes: str) -> Config:
    return load_config(
        "tiny", ["training.steps=6", "training.checkpoint_steps=0", "training.batch=4", *changes]
    )


def make_loop(
    clips: ClipSet,
    folder: Path,
    *changes: str,
    poison: int | None = None,
    used: dict[str, str] | None = None,
    weights: dict[str, float] | None = None,
) -> Loop:
    torch.manual_seed(0)
    stage = ToyStage(clips, weights or WEIGHTS, poison)
    return Loop(stage, make_config(*changes), folder, used or {}, CPU)


def losses_of(folder: Path) -> list[dict[str, float]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in read_log(folder)]


@pytest.mark.parametrize(
    "options",
    [[], ["training.accumulation=2"], ["training.precision=bfloat16"], ["training.precision=float16"]],
)
def test_three_steps_and_three_more_are_six_bit_for_bit(
    clips: ClipSet, tmp_path: Path, options: list[str]
) -> None:
    make_loop(clips, tmp_path / "whole", *options).run()
    # A run of six steps killed after three: a checkpoint there, and log lines of steps beyond it.
    killed = make_loop(clips, tmp_path / "parts", "training.checkpoint_steps=3", *options, poison=4)
    with pytest.raises(NonFiniteError):
        killed.run()
    assert [line["step"] for line in read_log(tmp_path / "parts")] == [1, 2, 3, 4]
    torch.manual_seed(1)
    again = make_loop(clips, tmp_path / "parts", *options)
    assert again.step == 3
    torch.manual_seed(2)
    outcome = again.run()

    assert (outcome.step, outcome.reason, outcome.worked) == (6, "finished", True)
    assert losses_of(tmp_path / "parts") == losses_of(tmp_path / "whole")
    whole = read_checkpoint(list_checkpoints(tmp_path / "whole" / "checkpoints")[-1]).tensors
    parts = read_checkpoint(list_checkpoints(tmp_path / "parts" / "checkpoints")[-1]).tensors
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize(("precision", "last"), [("float32", False), ("float16", True)])
def test_weights_lie_channels_last_where_steps_are_in_16_bits(
    clips: ClipSet, tmp_path: Path, precision: str, last: bool
) -> None:
    stage = ToyStage(clips, WEIGHTS)
    stage.modules["frozen"] = torch.nn.Conv2d(4, 5, 3)
    Loop(stage, make_config(f"training.precision={precision}"), tmp_path, {}, CPU)
    weight = stage.modules["frozen"].get_parameter("weight")
    assert weight.is_contiguous(memory_format=torch.channels_last) == last


def test_workers_make_the_same_batches(clips: ClipSet, tmp_path: Path) -> None:
    make_loop(clips, tmp_path / "alone").run()
    make_loop(clips, tmp_path / "helped", "training.workers=2").run()
    assert losses_of(tmp_path / "helped") == losses_of(tmp_path / "alone")


def test_accumulated_gradients_are_those_of_the_whole_batch(clips: ClipSet, tmp_path: Path) -> None:
    def gradient(*changes: str) -> torch.Tensor:
        loop = make_loop(clips, tmp_path, "training.clip=0", *changes)
        loop.stage.modules["motion"].eval()  # without dropout; the noise of the targets has a tiny effect
        loop._do_step(make_parts(loop.stage, loop.training, 0), 0)
        return next(loop.stage.modules["motion"].parameters()).grad  # type: ignore[return-value]

    assert torch.allclose(gradient(), gradient("training.accumulation=4"), atol=5e-3)


def test_a_log_line_holds_every_named_loss(clips: ClipSet, tmp_path: Path) -> None:
    make_loop(clips, tmp_path, "training.validate_every=3").run()
    lines = read_log(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {"mesh", "critic", "bank_mean", "net_total", "critic_total", "learning_rate"} <= lines[0].keys()
    assert "critic" not in lines[1]  # its interval is 2
    assert lines[0]["critic_total"] == pytest.approx(0.5 * lines[0]["critic"])
    assert [line["step"] for line in lines if "validation" in line] == [3, 6]
    assert (tmp_path / "samples" / "00000006.jpg").is_file()
    assert any((tmp_path / "tensorboard").iterdir())


def test_a_phase_may_begin_later_and_a_run_resumed_before_it_goes_on_to_it(
    clips: ClipSet, tmp_path: Path
) -> None:
    def loop(steps: int) -> Loop:
        made = make_loop(clips, tmp_path, f"training.steps={steps}")
        net, critic = made.stage.phases
        made.stage.phases = (net, dataclasses.replace(critic, interval=1, first=4))
        return made

    loop(3).run()
    loop(6).run()
    assert [line["step"] for line in read_log(tmp_path) if "critic" in line] == [5, 6]


def test_only_the_phase_s_modules_are_trained(clips: ClipSet, tmp_path: Path) -> None:
    loop = make_loop(clips, tmp_path)
    before = {name: module.state_dict() for name, module in loop.stage.modules.items()}
    before = {name: {k: v.clone() for k, v in state.items()} for name, state in before.items()}
    loop.run()
    frozen, bank = loop.stage.modules["frozen"], loop.stage.modules["bank"]
    assert isinstance(bank, Bank)
    assert torch.equal(frozen.weight, before["frozen"]["weight"])  # type: ignore[arg-type]
    assert not frozen.training and not any(p.requires_grad for p in frozen.parameters())
    assert bank.rows.count_nonzero() == 8
    for name in ("motion", "critic"):
        state = loop.stage.modules[name].state_dict()
        assert any(not torch.equal(state[key], before[name][key]) for key in state)


def test_exports_are_the_averages_and_leave_the_weights_alone(clips: ClipSet, tmp_path: Path) -> None:
    loop = make_loop(clips, tmp_path, "training.learning_rate=0.1")
    loop.run()
    live = loop.stage.modules["motion"].state_dict()["0.weight"].clone()
    exported = loop.exports()
    assert set(exported) == {f"motion.{key}" for key in loop.stage.modules["motion"].state_dict()}
    assert torch.equal(exported["motion.0.weight"], loop.averages.tensors["motion.0.weight"])
    assert not torch.equal(exported["motion.0.weight"], live)
    assert torch.equal(loop.stage.modules["motion"].state_dict()["0.weight"], live)
    assert not any(name.startswith("critic") for name in loop.averages.tensors)


def test_a_not_finite_loss_stops_and_saves_the_batch(clips: ClipSet, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    loop = make_loop(clips, tmp_path, poison=1)
    with pytest.raises(NonFiniteError, match="step 2 in the phase net: not finite: mesh"):
        loop.run()
    (saved,) = tmp_path.glob("not-finite-*.safetensors")
    assert load_file(saved)["input"].isnan().any()
    assert not list_checkpoints(tmp_path / "checkpoints")


class SteepStage(ComparingStage):
    """A finite loss with a gradient that is not: the root at 0."""

    def losses(self, phase: str, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        return {"mesh": (0 * self.net(batch["input"])).sqrt().mean()}


@pytest.mark.parametrize(("precision", "step"), [("float32", 1), ("float16", 18)])
def test_a_not_finite_gradient_stops(clips: ClipSet, tmp_path: Path, precision: str, step: int) -> None:
    config = make_config(f"training.precision={precision}", "training.steps=30")
    loop = Loop(SteepStage(clips), config, tmp_path, {}, CPU)
    # float16 first tries a smaller scale, from 2^16 down to below 1
    with pytest.raises(NonFiniteError, match=f"step {step} in the phase motion: not finite: gradient;"):
        loop.run()
    assert not list_checkpoints(tmp_path / "checkpoints")
    assert len(read_log(tmp_path)) == step - 1


def test_the_last_checkpoints_are_kept(clips: ClipSet, tmp_path: Path) -> None:
    make_loop(clips, tmp_path, "training.checkpoint_steps=1", "training.keep=2").run()
    names = [path.name for path in list_checkpoints(tmp_path / "checkpoints")]
    assert names == ["step-00000005.safetensors", "step-00000006.safetensors"]


def test_the_time_budget_stops_with_a_checkpoint(clips: ClipSet, tmp_path: Path) -> None:
    outcome = make_loop(clips, tmp_path).run(max_minutes=0)
    assert (outcome.step, outcome.reason) == (1, "time")
    assert make_loop(clips, tmp_path).step == 1


def test_a_signal_stops_after_the_step(clips: ClipSet, tmp_path: Path) -> None:
    loop = make_loop(clips, tmp_path)
    whole_step = loop._do_step

    def interrupted(parts: list[Batch], step: int) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(parts, step)

    loop._do_step = interrupted  # type: ignore[method-assign]
    outcome = loop.run()
    assert (outcome.step, outcome.reason) == (1, "stopped")
    assert len(list_checkpoints(tmp_path / "checkpoints")) == 1


def test_a_finished_stage_does_nothing(clips: ClipSet, tmp_path: Path) -> None:
    make_loop(clips, tmp_path).run()
    assert not make_loop(clips, tmp_path).run().worked


def test_other_networks_or_earlier_stages_are_refused(clips: ClipSet, tmp_path: Path) -> None:
    make_loop(clips, tmp_path, used={"stage0": "a"}).run()
    with pytest.raises(InputError, match="was begun with networks"):
        make_loop(clips, tmp_path, "networks.motion=65", used={"stage0": "a"})
    with pytest.raises(InputError, match="stage0 has been trained further"):
        make_loop(clips, tmp_path, used={"stage0": "b"})


def test_the_paper_s_networks_may_not_change_and_its_other_settings_not_unsaid(
    clips: ClipSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_loop(clips, tmp_path).run()
    make_loop(clips, tmp_path)
    assert "changed" not in caplog.text
    _make_older(tmp_path / "checkpoints")
    make_loop(clips, tmp_path)
    assert "changed" not in caplog.text, "settings that the checkpoint is too old to know"
    with pytest.raises(
        InputError, match=r"begun with other paper\.networks \(landmarks\); use another --run"
    ):
        make_loop(clips, tmp_path, "paper.networks.landmarks=70")
    make_loop(clips, tmp_path, "paper.teachers.face=emoca", "paper.seen_lips=0.3")
    assert "stage1 goes on with a changed paper.seen_lips, paper.teachers" in caplog.text


def _make_older(folder: Path) -> None:
    """Takes a setting that came later out of the newest checkpoint."""
    path = list_checkpoints(folder)[-1]
    with safe_open(path, "pt") as file:
        about, tensors = json.loads(file.metadata()["pdfgc_checkpoint"]), load_file(path)
    del about["config"]["paper"]["generator_from"]
    save_file(tensors, path, metadata={"pdfgc_checkpoint": json.dumps(about)})


def test_losses_without_weight_are_refused(clips: ClipSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'mesh' of stage1 has no weight"):
        make_loop(clips, tmp_path, weights={"critic": 1.0}).run()
    with pytest.raises(InputError, match="every loss of the phase net"):
        make_loop(clips, tmp_path, weights={"mesh": 0.0, "critic": 1.0}).run()


def test_a_batch_must_divide(clips: ClipSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="accumulation divides"):
        make_loop(clips, tmp_path, "training.accumulation=3")


def test_learning_rate_by_hand() -> None:
    training = dataclasses.replace(
        make_config().stage("stage1").training, learning_rate=1.0, warmup=4, steps=12, schedule="cosine"
    )
    assert [learning_rate(training, step) for step in (0, 3, 4, 8, 12)] == pytest.approx([0.25, 1, 1, 0.5, 0])
