"""One of two processes that train together, for tests/training/test_distributed.py.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=N python process_of_two.py DATA RUN [poison=S] [KEY=VALUE ...]

Checks gathering and normalisation, then trains the comparing toy stage.
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


def check_normalisation() -> None:
    """Statistics, results and gradients are those of torch's layer on all rows; 2 and 3 rows of 2 channels."""
    rows = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(1))
    whole, inputs = nn.BatchNorm1d(2), rows.clone().requires_grad_()
    expected = whole(inputs)
    (expected * weight).sum().backward()
    with distributed.joined(torch.device("cpu")):
        net = nn.Sequential(nn.BatchNorm1d(2))
        distributed.share_normalisation([net], torch.device("cpu"))
        part = slice(0, 2) if distributed.rank() == 0 else slice(2, 5)
        own = rows[part].clone().requires_grad_()
        result = net(own)
        (result * weight[part]).sum().backward()
        assert torch.allclose(result, expected[part], atol=1e-5)
        assert own.grad is not None and inputs.grad is not None
        assert torch.allclose(own.grad, inputs.grad[part], atol=1e-5)
        for name, value in net[0].state_dict().items():
            assert torch.allclose(value, whole.state_dict()[name], atol=1e-6), name
        net.eval()
        whole.eval()
        assert torch.allclose(net(own), whole(inputs)[part], atol=1e-6)


def main() -> int:
    """Returns 3 when training diverged."""
    torch.set_num_threads(1)
    data, run, *options = sys.argv[1:]
    poisons = [option for option in options if option.startswith("poison=")]
    poison = int(poisons[0].partition("=")[2]) if poisons else None
    run_module._build = lambda name, setup: toy_stage.ComparingStage(setup.clips, poison)
    changes = [option for option in options if option not in poisons]
    check_gathering()
    check_normalisation()
    try:
        run_module.train("stage1", data=data, run=run, preset="tiny", changes=changes, device="cpu")
    except NonFiniteError as error:
        sys.stderr.write(str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
