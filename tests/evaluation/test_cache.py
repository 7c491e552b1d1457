import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pdfgc.errors import InputError
from pdfgc.evaluation.digests import (
    MEASURING,
    PACKAGE,
    file_digest,
    measuring_digest,
    rendering_digest,
    rendering_sources,
    source_files,
    sources_digest,
)
from pdfgc.evaluation.store import ArrayStore


def test_what_was_stored_comes_back(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path / "cache")
    made = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"yaw": np.array([1.0, np.nan]), "found": np.array([1, 0], np.uint8)}

    for _ in range(2):
        arrays = store.get(make, clip="a", seconds=1.5)
        np.testing.assert_array_equal(arrays["yaw"], [1, np.nan])
        assert arrays["found"].dtype == np.uint8
    assert len(made) == 1
    assert [path.name for path in store.folder.iterdir()] == [
        f"{store.key(clip='a', seconds=1.5)}.safetensors"
    ]


def test_another_setting_is_another_key(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    assert store.key(a=1, b="x") == store.key(b="x", a=1) != store.key(a=2, b="x")


def test_the_code_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArrayStore(tmp_path)
    before = store.key(a=1)
    assert len(measuring_digest()) == len(rendering_digest()) == 64
    monkeypatch.setattr("pdfgc.evaluation.store.measuring_digest", lambda: "changed")
    assert store.key(a=1) != before


def test_drivers_are_named_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    named = ArrayStore(tmp_path).digests({"pose": str(tmp_path / "a.mp4"), "eyes": "idle"})
    assert named == {"pose": file_digest(tmp_path / "a.mp4"), "eyes": "idle"}


def test_digests_follow_content_not_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")
    before = file_digest(tmp_path)
    (tmp_path / "b").write_bytes(b"two")
    assert file_digest(tmp_path) != before
    with pytest.raises(InputError, match="cannot read"):
        file_digest(tmp_path / "none")


def test_sources_of_sub_folders_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set((PACKAGE / "networks" / "paper").glob("*.py")) < rendering_sources()
    monkeypatch.setattr("pdfgc.evaluation.digests.PACKAGE", tmp_path)
    (tmp_path / "networks" / "deep").mkdir(parents=True)
    (tmp_path / "networks" / "deep" / "a.py").write_text("one")
    before = sources_digest(source_files("networks"))
    (tmp_path / "networks" / "deep" / "a.py").write_text("two")
    assert sources_digest(source_files("networks")) != before
    with pytest.raises(InputError, match="expected sources at"):
        source_files("networks/renamed.py")


def test_everything_that_judges_load_from_networks_and_priors_is_measuring_code() -> None:
    """A fresh interpreter imports the judges and their lazily imported parts; what came along must be listed."""
    code = (
        "import sys; import pdfgc.evaluation.judges, pdfgc.evaluation.sync_small, pdfgc.priors.emoca\n"
        "import pdfgc.priors.identity, pdfgc.priors.perceptual\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith(('pdfgc.networks', 'pdfgc.priors'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = {Path(name) for name in done.stdout.split() if Path(name).name != "__init__.py"}
    listed = source_files(*MEASURING)
    assert {path.name for path in loaded} >= {"speech.py", "emoca.py", "appearance.py", "face_crop.py"}
    assert {path.relative_to(PACKAGE) for path in loaded - listed} == set()
