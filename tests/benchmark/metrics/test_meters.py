"""What every meter of the registry keeps, whatever it measures."""

import random

import numpy as np
import pytest
import torch

from sembench.metrics.metric import Scores
from sembench.plugins.registry import METRICS
from units import own

NAMES = own(METRICS)
KINDS = ["TinyModel", "TinyCellModel"]


@pytest.fixture(scope="module")
def scored(world):
    """Scores of all metrics with all variants, by kind of model and batch size; computed once each."""
    found = {}

    def look_up(kind, batch_size=5):
        if (kind, batch_size) not in found:
            evaluation = world.make_evaluation(getattr(world, kind), batch_size=batch_size, variants=True)
            found[kind, batch_size] = world.read_meters(evaluation, [METRICS.get(name) for name in NAMES])
        return found[kind, batch_size]

    return look_up


def series(scores: Scores):
    """All numbers of a score, by name."""
    chance = [] if scores.chance is None else [("chance", torch.as_tensor(scores.chance))]
    more = [item for part in (scores.levels, scores.variants, scores.details) for item in part.items()]
    return dict([("values", scores.values), *chance, *more])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_finite_score_per_declared_unit(scored, kind, name):
    counts = {"test image": 17, "training image": 24, "explained image": 9, "prototype": 6, "attribute": 5}
    count = counts[METRICS.get(name).per]
    scores = scored(kind)[name]
    for values in (scores.values, *scores.levels.values(), *scores.variants.values()):
        assert values.shape == (count,)
        assert bool(torch.isfinite(values).all())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_scores_and_chance_lie_in_the_declared_range(scored, kind, name):
    metric, scores = METRICS.get(name), scored(kind)[name]
    chance = [] if scores.chance is None else [torch.as_tensor(scores.chance)]
    for values in (scores.values, *chance, *scores.levels.values(), *scores.variants.values()):
        assert metric.lower is None or float(values.min()) >= metric.lower
        assert metric.upper is None or float(values.max()) <= metric.upper


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_chance_level_is_one_number_or_one_per_unit_and_named_where_there_is_one(scored, kind, name):
    metric, chance = METRICS.get(name), scored(kind)[name].chance
    assert (chance is None) == metric.chance_is.startswith("none")
    if isinstance(chance, torch.Tensor):
        assert chance.shape == scored(kind)[name].values.shape


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_variants_are_computed_on_request(scored, name):
    assert set(scored("TinyModel")[name].variants) == set(METRICS.get(name).variants)


@pytest.mark.parametrize("name", NAMES)
def test_no_variant_is_computed_without_a_request_and_the_primary_does_not_change(world, scored, name):
    scores = world.read_meters(world.make_evaluation(variants=False), [METRICS.get(name)])[name]
    assert scores.variants == {}
    torch.testing.assert_close(scores.values, scored("TinyModel")[name].values)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 100])
def test_the_batch_size_changes_no_number_beyond_rounding(scored, kind, batch_size, name):
    first, second = (series(scored(kind, size)[name]) for size in (5, batch_size))
    assert first.keys() == second.keys()
    for key, values in first.items():
        torch.testing.assert_close(
            values, second[key], rtol=1e-4, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_second_reading_gives_the_same_numbers_to_the_last_bit(world, scored, name):
    again = series(world.read_meters(world.make_evaluation(variants=True), [METRICS.get(name)])[name])
    assert all(torch.equal(values, again[key]) for key, values in series(scored("TinyModel")[name]).items())


def fingerprint(evaluation):
    """Everything that a metric must leave as it was."""
    data, modules = evaluation.dataset, list(evaluation.model.modules())
    tensors = [data.train.pixels, data.train.labels, data.test.pixels, data.test.labels]
    tensors += [evaluation.sample.images, evaluation.sample.labels, evaluation.sample.indices]
    return {
        "weights": {name: tensor.clone() for name, tensor in evaluation.model.state_dict().items()},
        "data": dict(enumerate(tensor.clone() for tensor in tensors)),
        "modes": [module.training for module in modules],
        "layers": [type(module) for module in modules],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in modules],
        "gradients": [(weight.requires_grad, weight.grad is None) for weight in evaluation.model.parameters()],
        "torch": {"stream": torch.get_rng_state()},
        "numpy": repr(np.random.get_state(legacy=False)),
        "python": random.getstate(),
        "recording": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_metric_leaves_model_data_and_global_generators_as_they_were(world, kind, name):
    evaluation = world.make_evaluation(getattr(world, kind), variants=True)
    before = fingerprint(evaluation)
    world.read_meters(evaluation, [METRICS.get(name)])
    after = fingerprint(evaluation)
    for what, old in before.items():
        if isinstance(old, dict):
            assert all(torch.equal(tensor, after[what][key]) for key, tensor in old.items()), f"{what} changed"
        else:
            assert old == after[what], f"{what} changed"


@pytest.mark.parametrize("name", NAMES)
def test_a_meter_changes_neither_the_batch_nor_the_explanation_that_it_observes(world, name):
    evaluation = world.make_evaluation(world.TinyCellModel, variants=True)
    meter = METRICS.get(name).meter(evaluation)
    for split_name in sorted(meter.observes):
        batch = getattr(evaluation.dataset, split_name).batch(torch.arange(5))
        explanation = evaluation.explain(batch)
        tensors = [t for t in (*vars(batch).values(), *vars(explanation).values()) if t is not None]
        copies = [tensor.clone() for tensor in tensors]
        meter.observe(split_name, batch, explanation)
        assert all(torch.equal(*pair) for pair in zip(tensors, copies, strict=True))
