"""Completeness over the registry: a metric that declares too little, or that nothing holds, is red."""

import ast
from pathlib import Path
from typing import get_args

import pytest

from places import TESTS
from sembench.metrics.metric import Metric
from sembench.plugins.registry import METRICS
from sembench.results.score import Unit
from sembench.types import Capability, Trait
from units import own

NAMES = own(METRICS)


def covered():
    """Metric names by the reference test that claims them in its constant ``COVERS``."""
    claims = {}
    for file in sorted((TESTS / "reference").glob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["COVERS"]:
                claims |= dict.fromkeys(ast.literal_eval(node.value), file)
    return claims


def test_the_registry_holds_the_metrics_of_the_definitions():
    expected = {"accuracy", "accuracy_train", "accuracy_gap", "ghosting", "lrp_kl", "ro_auroc", "ro_auroc_gain"}
    assert expected | {"diversity", "alignment_class", "alignment_out"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_stands_under_its_own_name(name):
    metric = METRICS.get(name)
    assert isinstance(metric, Metric)
    assert metric.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_declares_what_a_reader_has_to_know(name):
    metric = METRICS.get(name)
    for field in ("title", "reference", "chance_is", "cost"):
        text = getattr(metric, field)
        assert text, f"{name} declares no {field}"
        assert text == text.strip()
    assert metric.direction in ("higher", "lower")
    assert metric.per in get_args(Unit)
    assert isinstance(metric.version, int)
    assert metric.version >= 1
    assert metric.requires <= frozenset(Capability) | frozenset(Trait)
    assert len(set(metric.variants)) == len(metric.variants)


@pytest.mark.parametrize("name", NAMES)
def test_a_range_has_a_best_end(name):
    metric = METRICS.get(name)
    best = metric.upper if metric.direction == "higher" else metric.lower
    assert best is not None, f"{name} has no best value"
    if metric.lower is not None and metric.upper is not None:
        assert metric.lower < metric.upper


def test_titles_tell_metrics_apart():
    titles = [METRICS.get(name).title for name in NAMES]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_does_not_apply_where_something_required_is_missing(name):
    metric = METRICS.get(name)
    everything = frozenset(Capability) | frozenset(Trait)
    assert metric.missing(everything) == frozenset()
    assert metric.missing(frozenset()) == metric.requires
    for capability in metric.requires:
        assert metric.missing(everything - {capability}) == {capability}


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_held_by_a_reference_test(name):
    assert name in covered(), f"no file in tests/reference names {name} in COVERS"


def test_reference_tests_claim_registered_metrics_only():
    assert set(covered()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_has_a_test_file_of_its_modules_name(name):
    module = METRICS.source(name).stem
    assert (Path(__file__).parent / f"test_{module}.py").exists()
    assert (TESTS / "reference" / f"test_{module}.py").exists()
