"""Rendered talking heads whose every factor is known exactly: for tests, for measuring, and to train with.

head = Head.random(numpy.random.default_rng(0))
picture = head.render(Act(pose=(0, 0.3, 0), lips={"jawOpen": 0.5}))
make_clips("heads", clips=10)
"""

from pdfgc.data.talking_head_3d.clip import Truth, make_clip, make_clips
from pdfgc.data.talking_head_3d.head import Act, Head

__all__ = ["Act", "Head", "Truth", "make_clip", "make_clips"]
