"""Clips packed for a rented GPU and unpacked again."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from pdfgc.data.clips import ClipSet, write_clip
from pdfgc.errors import InputError
from synthetic import write_clip_set


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "pack_shards.py"
    spec = importlib.util.spec_from_file_location("pack_shards", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _smooth_pictures(clips: ClipSet) -> None:
    """Slowly changing colours in place of the noise that no video codec keeps."""
    for clip in clips:
        with clip._open() as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        jpegs = []
        for number in range(len(clip)):
            ramp = np.linspace(40, 200, 64)[None, :, None] + np.array([0, 10, 20]) + number
            picture = np.repeat(ramp, 64, 0).astype(np.uint8)
            jpegs.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
        tensors["pictures"] = np.frombuffer(b"".join(jpegs), np.uint8)
        tensors["picture_offsets"] = np.cumsum([0, *map(len, jpegs)])
        write_clip(clip.path, clip.info, tensors)


def test_what_comes_back_is_nearly_what_went_in(script: ModuleType, tmp_path: Path) -> None:
    clips = write_clip_set(tmp_path / "shards", identities=2, clips=2, frames=12, size=64)
    _smooth_pictures(clips)
    parts = script.pack(tmp_path / "shards", tmp_path / "pack", part_mib=0.05, crf=18)
    assert len(parts) > 1 and all(path.is_file() for path in parts)
    assert script.unpack(tmp_path / "pack", tmp_path / "back") == 4
    back = {clip.info.source: clip for clip in ClipSet.open(tmp_path / "back")}
    for clip in clips:
        twin = back[clip.info.source]
        assert twin.info == clip.info
        assert np.abs(twin.mesh() - clip.mesh()).max() <= 0.5 / 1024 + 1e-6
        assert np.abs(twin.blendshapes() - clip.blendshapes()).max() <= 0.5 / 255 + 1e-6
        assert np.array_equal(twin.times(), clip.times())
        assert np.corrcoef(twin.audio(), clip.audio())[0, 1] > 0.95
        apart = np.abs(twin.pictures(range(12)).astype(int) - clip.pictures(range(12)).astype(int))
        assert apart.mean() < 4


def test_nothing_to_pack_or_unpack_is_said(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected part"):
        script.unpack(tmp_path, tmp_path / "out")
    (tmp_path / "index.json").write_text('{"clips": []}')
    with pytest.raises(InputError, match="expected clips with pictures"):
        script.pack(tmp_path, tmp_path / "pack", part_mib=1, crf=20)
