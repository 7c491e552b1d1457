"""What `import pdfgc` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pdfgc

HEAVY = {"numpy", "torch", "cv2", "av", "mediapipe"}


def loaded_by(statement: str) -> set[str]:
    """Which heavy modules a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


def test_names_are_there_when_asked_for() -> None:
    from pdfgc.avatar import Avatar
    from pdfgc.motion import MotionTrack

    assert pdfgc.Avatar is Avatar
    assert pdfgc.MotionTrack is MotionTrack
    assert set(pdfgc.__all__) <= set(dir(pdfgc))
    assert pdfgc.__version__
    with pytest.raises(AttributeError, match="no attribute 'avatars'"):
        _ = pdfgc.avatars


def test_every_public_name_resolves() -> None:
    assert all(getattr(pdfgc, name) is not None for name in pdfgc.__all__)


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_by("import pdfgc") == set()


def test_a_track_needs_no_torch() -> None:
    assert loaded_by("import pdfgc; pdfgc.MotionTrack; pdfgc.Avatar") == {"numpy"}
