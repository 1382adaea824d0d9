"""What the validator knows of metrics and explainers is what they declare themselves."""

import os
from importlib.resources import files
from pathlib import Path

from sembench.metrics.metric import Metric
from sembench.metrics.scoring import measure_of
from sembench.plugins.registry import EXPLAINERS, METRICS
from sembench_leaderboard.submission.declared import Declared, declared, to_json


def own(registry):
    """Names of this distribution; tests and installed plugins may bring others."""
    return [name for name in registry.names() if "*" not in name and "(sembench)" in registry.origin(name)]


def test_the_file_is_what_the_registries_declare():
    kinds = {name: EXPLAINERS.get(name)().kind for name in own(EXPLAINERS)}
    made = Declared(
        measures={name: measure_of(METRICS.get(name)) for name in own(METRICS)},
        requires={
            name: tuple(sorted(need.value for need in metric.requires))
            for name, metric in {name: METRICS.get(name) for name in own(METRICS)}.items()
            if metric.absent is Metric.absent  # a metric of an optional package may not apply for want of it
        },
        kinds={name: kind for name, kind in kinds.items() if kind != "explainer"},
    )
    if os.environ.get("SEMBENCH_WRITE_DECLARED"):
        Path(str(files("sembench_leaderboard.submission") / "declared.json")).write_text(to_json(made))
    assert declared() == made, "set SEMBENCH_WRITE_DECLARED=1 and run this test to write declared.json anew"
