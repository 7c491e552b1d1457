from pathlib import Path

import numpy as np
import pytest
import torch

from pdfgc.errors import InputError
from pdfgc.evaluation.syncnet import CHUNK, SyncNet, load_syncnet, sound_features


@pytest.fixture(scope="module")
def network() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet()


def test_the_state_dict_is_that_of_the_published_file(network: SyncNet) -> None:
    """Names and shapes as in the authors' SyncNetModel.py."""
    state = network.state_dict()
    assert state["netcnnaud.0.weight"].shape == (64, 1, 3, 3)
    assert state["netcnnaud.18.weight"].shape == (512, 256, 5, 4)
    assert state["netcnnlip.0.weight"].shape == (96, 3, 5, 7, 7)
    assert state["netcnnlip.18.weight"].shape == (512, 256, 1, 6, 6)
    assert state["netfclip.3.weight"].shape == state["netfcaud.3.weight"].shape == (1024, 512)
    learned = sum(p.numel() for p in network.parameters())
    assert learned == 13_631_616


def test_a_row_of_frames_gives_what_each_window_gives(network: SyncNet) -> None:
    faces = 255 * torch.rand(7, 3, 224, 224)
    with torch.inference_mode():
        together = network.lips(faces)
        alone = torch.cat([network.lips(faces[t : t + 5]) for t in range(3)])
    assert together.shape == (3, 1024)
    assert torch.allclose(together, alone, atol=1e-4)


def test_sound_is_heard_in_windows_of_five_frames(network: SyncNet) -> None:
    cepstra = np.random.default_rng(0).normal(size=(4 * (CHUNK + 2) + 20, 13))
    features = sound_features(network, cepstra, CHUNK + 2)
    assert features.shape == (CHUNK + 2, 1024)
    last = torch.from_numpy(cepstra[4 * (CHUNK + 1) :][:20].T.astype(np.float32))[None, None]
    with torch.inference_mode():
        assert np.allclose(features[-1], network.sound(last)[0].numpy(), atol=1e-4)


def test_weights_are_read_from_a_torch_file_and_nothing_else(network: SyncNet, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / "syncnet_v2.model", _use_new_zipfile_serialization=False)
    loaded = load_syncnet(tmp_path / "syncnet_v2.model")
    name = "netfclip.0.weight"
    assert torch.equal(loaded.state_dict()[name], network.state_dict()[name])
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.model")
    torch.save(Path("code"), tmp_path / "evil.model")
    (tmp_path / "text.model").write_text("no weights")
    for name in ("other", "evil", "text"):
        with pytest.raises(InputError, match="published state dict"):
            load_syncnet(tmp_path / f"{name}.model")
    with pytest.raises(InputError, match="cannot read"):
        load_syncnet(tmp_path / "absent.model")
