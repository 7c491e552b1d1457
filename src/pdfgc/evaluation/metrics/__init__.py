"""One metric a file: pure functions of arrays that return a `MetricResult`. `scores.py` lists them by name."""
