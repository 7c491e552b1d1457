import numpy as np

from pdfgc.data.talking_head_3d.performance import EXPRESSIONS, Performance
from pdfgc.data.talking_head_3d.speech import LIP_ACTIONS

TIMES = np.arange(100) / 25


def drawn(seed: int) -> Performance:
    lips = np.random.default_rng(seed + 1000).random((100, len(LIP_ACTIONS)))
    return Performance.random(TIMES, lips, np.random.default_rng(seed))


def test_factors_do_not_tell_of_each_other() -> None:
    tracks = [
        np.concatenate([p.pose, p.gaze, p.blink[:, :1], p.expression], 1) for p in map(drawn, range(400))
    ]
    pooled = [track - track.mean(0) for track in tracks]
    correlation = np.corrcoef(np.concatenate(pooled).T)
    assert np.abs(correlation - np.eye(len(correlation))).max() < 0.1


def test_every_factor_moves_within_its_range() -> None:
    performances = [drawn(seed) for seed in range(20)]
    gaze = np.concatenate([p.gaze for p in performances])
    blink = np.concatenate([p.blink for p in performances])
    expression = np.concatenate([p.expression for p in performances])
    pose = np.degrees(np.concatenate([p.pose for p in performances]))
    assert np.degrees(gaze.std(0)).min() > 3
    assert np.abs(np.degrees(gaze)).max(0).tolist() <= [20.001, 11.001]
    assert blink.min() == 0
    assert blink.max() == 1
    assert 0.02 < (blink > 0.5).mean() < 0.3
    assert expression.min() >= 0
    assert expression.max() <= 1
    assert (expression.std(0) > 0.2).all()
    assert np.abs(pose).max() < 60


def test_an_act_is_one_frame() -> None:
    performance = drawn(3)
    act = performance.act(40)
    np.testing.assert_allclose(act.pose, performance.pose[40])
    np.testing.assert_allclose(list(act.lips.values()), performance.lips[40])
    share = performance.expression[40, list(EXPRESSIONS).index("sneer")]
    assert act.expression["noseSneer"] == EXPRESSIONS["sneer"]["noseSneer"] * share
