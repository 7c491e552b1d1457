from pathlib import Path

import numpy as np
import pytest

from evaluation.fakes import FakeIdentity, FakeTracker, performance
from pdfgc.errors import InputError
from pdfgc.evaluation.cache import MeasurementCache, code_digest, file_digest
from pdfgc.evaluation.measurement import Meter


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
