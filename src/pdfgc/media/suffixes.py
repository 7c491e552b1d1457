"""How files of moving pictures are named (lower case, with dot)."""

from __future__ import annotations

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"})
