from pathlib import Path

import pytest
import torch

from pdfgc.errors import InputError
from pdfgc.evaluation.inception import FIDInception, is_published, load_inception


@pytest.fixture(scope="module")
def network() -> FIDInception:
    torch.manual_seed(0)
    return FIDInception()


def test_the_state_dict_is_that_of_the_usual_weights(network: FIDInception) -> None:
    """Names and shapes as in pytorch-fid and torch-fidelity, whose outputs on random weights it equalled."""
    state = network.state_dict()
    assert len(state) == 566
    assert sum(p.numel() for p in network.parameters()) == 23_850_960
    assert state["Mixed_6c.branch7x7dbl_4.conv.weight"].shape == (160, 160, 7, 1)
    assert state["Mixed_7c.branch_pool.conv.weight"].shape == (192, 2048, 1, 1)
    assert state["fc.weight"].shape == (1008, 2048)


def test_pictures_of_any_size_become_features(network: FIDInception) -> None:
    with torch.inference_mode():
        assert network(255 * torch.rand(2, 3, 64, 80)).shape == (2, 2048)


def test_weights_are_read_and_other_files_refused(network: FIDInception, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    assert torch.equal(load_inception(tmp_path / "inception.pth").fc.bias, network.fc.bias)
    assert not is_published(tmp_path / "inception.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match="FID's Inception"):
        load_inception(tmp_path / "text.pth")
    with pytest.raises(InputError, match="cannot read"):
        load_inception(tmp_path / "absent.pth")
