"""One of two processes that train together, for tests/training/test_distributed.py.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=N python process_of_two.py DATA RUN [poison=S] [KEY=VALUE ...]

Checks the gathering of rows, then trains the comparing toy stage.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

import toy_stage
from pdfgc.errors import NonFiniteError
from pdfgc.training import distributed
from pdfgc.training import run as run_module


def check_gathering() -> None:
    """Rows of both processes, of unlike number; gradients go home; a parameter used in one process only."""
    with distributed.joined(torch.device("cpu")):
        rank = distributed.rank()
        rows = torch.full((1 + 2 * rank, 2), float(rank), requires_grad=True)
        gathered = distributed.gather_rows(rows)
        assert gathered.tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]
        (gathered * torch.tensor([[1.0], [2.0], [3.0], [4.0]])).sum().backward()
        assert rows.grad is not None
        # each process computed the loss, so a row's gradient is twice its own
        assert rows.grad.tolist() == ([[2.0, 2.0]] if rank == 0 else [[4.0, 4.0], [6.0, 6.0], [8.0, 8.0]])
        mine, none = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
        if rank == 1:
            mine.grad = torch.tensor([2.0, 4.0])
        distributed.average_gradients([mine, none])
        assert mine.grad is not None and mine.grad.tolist() == [1.0, 2.0] and none.grad is None
        assert distributed.any_process([rank == 1, False]) == [True, False]
        norm = nn.BatchNorm1d(1)
        assert norm.running_mean is not None
        norm.running_mean.fill_(2.0 * rank)
        distributed.average_normalisation([norm])
        assert norm.running_mean.item() == 1.0


def main() -> int:
    """Returns 3 when training diverged."""
    torch.set_num_threads(1)
    data, run, *options = sys.argv[1:]
    poisons = [option for option in options if option.startswith("poison=")]
    poison = int(poisons[0].partition("=")[2]) if poisons else None
    run_module._build = lambda name, setup: toy_stage.ComparingStage(setup.clips, poison)
    changes = [option for option in options if option not in poisons]
    check_gathering()
    try:
        run_module.train("stage1", data=data, run=run, preset="tiny", changes=changes, device="cpu")
    except NonFiniteError as error:
        sys.stderr.write(str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
