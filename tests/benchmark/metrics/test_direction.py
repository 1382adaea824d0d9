"""A better and a worse model for every metric: a direction that is declared the wrong way round turns red.

Their scores stand in `better_and_worse`, a file for each module of metrics.
"""

import runpy
from pathlib import Path

import pytest

from sembench.plugins.registry import METRICS
from units import own

NAMES = own(METRICS)
FILES = sorted(Path(__file__).with_name("better_and_worse").glob("*.py"))
BETTER_AND_WORSE = {
    name: pair for file in FILES for name, pair in runpy.run_path(str(file))["BETTER_AND_WORSE"].items()
}
"""Scores of a model that any reader would call better, and of one that any reader would call worse."""


@pytest.mark.parametrize("name", NAMES)
def test_the_better_model_scores_better_in_the_declared_direction(name):
    assert name in BETTER_AND_WORSE, f"{name} has no better and worse model yet"
    better, worse = (float(scores.mean()) for scores in BETTER_AND_WORSE[name])
    if METRICS.get(name).direction == "higher":
        assert better > worse + 0.01
    else:
        assert better < worse - 0.01


@pytest.mark.parametrize("name", BETTER_AND_WORSE)
def test_both_models_score_within_the_declared_range(name):
    metric = METRICS.get(name)
    for scores in BETTER_AND_WORSE[name]:
        assert metric.lower is None or float(scores.min()) >= metric.lower
        assert metric.upper is None or float(scores.max()) <= metric.upper


@pytest.mark.parametrize(
    ("name", "best"),
    [
        ("accuracy", 1),
        ("ghosting", 0),
        ("lrp_kl", 0),
        ("ro_auroc", 1),
        ("diversity", 0),
        ("accuracy_gap", 100),
        ("attributes_captured", 1),
        ("attribute_correlation", 0),
    ],
)
def test_the_best_value_is_the_end_of_the_range_that_the_direction_points_to(name, best):
    metric = METRICS.get(name)
    assert best == (metric.upper if metric.direction == "higher" else metric.lower)
