import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.fakes import FakeIdentity, FakeTracker, performance
from pdfgc.errors import InputError
from pdfgc.evaluation.cache import (
    PACKAGE,
    MeasurementCache,
    code_digest,
    file_digest,
    rendering_sources,
    source_files,
    sources_digest,
)
from pdfgc.evaluation.measurement import Meter
from pdfgc.evaluation.store import MEASURING


def test_what_was_stored_comes_back(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path / "cache")
    meter = Meter(FakeTracker(), FakeIdentity())
    measurement = meter.measure((i / 25, p) for i, p in enumerate(performance(12, yaw=5.0)))
    key = cache.key(clip="a", seconds=1.5)
    assert cache.load(key) is None
    cache.store(key, measurement)
    known = cache.load(key)
    assert known is not None
    np.testing.assert_array_equal(known.signals.times, measurement.signals.times)
    np.testing.assert_array_equal(known.signals.found, measurement.signals.found)
    assert known.signals.values.keys() == measurement.signals.values.keys()
    np.testing.assert_array_equal(known.signals.values["yaw"], measurement.signals.values["yaw"])
    np.testing.assert_array_equal(known.embeddings, measurement.embeddings)
    assert known.seconds == measurement.seconds
    assert [p.suffix for p in cache.folder.iterdir()] == [".safetensors"]


def test_another_setting_is_another_key(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path)
    assert cache.key(a=1, b="x") == cache.key(b="x", a=1) != cache.key(a=2, b="x")


def test_the_code_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = MeasurementCache(tmp_path)
    before = cache.key(a=1)
    assert len(code_digest()) == 64
    monkeypatch.setattr("pdfgc.evaluation.cache.code_digest", lambda: "changed")
    assert cache.key(a=1) != before


def test_a_damaged_measurement_is_made_again(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path)
    key = cache.key(a=1)
    (tmp_path / f"{key}.safetensors").write_bytes(b"half a file")
    assert cache.load(key) is None


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
    monkeypatch.setattr("pdfgc.evaluation.cache.PACKAGE", tmp_path)
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
