"""A real face for the tests: the astronaut of the demo (public domain), and what the tracker sees in it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdfgc.face.tracker import Face, FaceTracker


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so would all that tests start and interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """`[512, 512, 3]` uint8; one face of about 120 pixels, slightly turned."""
    return np.asarray(Image.open(Path(__file__).parents[1] / "demo" / "astronaut.jpg"))


@pytest.fixture(scope="session")
def tracker() -> Iterator[FaceTracker]:
    with FaceTracker() as tracker:
        yield tracker


@pytest.fixture(scope="session")
def astronaut_face(tracker: FaceTracker, astronaut: np.ndarray) -> Face:
    return tracker.detect(astronaut)[0]
