"""The errors that users are meant to read."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one clear sentence that says what was expected and what came. The command line prints it
    without a traceback and exits with status 2; from Python it is an ordinary `ValueError`.
    """


class NoSoundError(InputError):
    """A file or video that is to be heard has no sound."""


class NotMediaError(InputError):
    """A file holds neither video nor sound that FFmpeg knows."""


class NonFiniteError(RuntimeError):
    """A loss or a gradient became infinite or not a number; the message says where the batch was saved.

    The command line prints it without a traceback and exits with status 1.
    """


class DifferenceError(RuntimeError):
    """Numbers that were to be the same are not; the message says which.

    The command line prints it without a traceback and exits with status 1.
    """
