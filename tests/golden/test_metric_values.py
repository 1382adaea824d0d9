"""Frozen values of every metric on fixed arithmetic inputs: a number may move only together with its version.

After a version was raised, or for a new metric, ``PYTHONPATH=tests/support python tests/golden/test_metric_values.py``
writes the files; it refuses values that moved under an old version.
"""

import json

import numpy as np
import pytest
import torch

import scripted as script
from sembench.evaluation.maps import Maps
from sembench.evaluation.perturbation import relevance_order_curve
from sembench.evaluation.similarities import Similarities
from sembench.metrics.diversity import diversity
from sembench.plugins.registry import METRICS
from sembench.similarity import similarity
from sembench.testing import tally
from sembench.types import Batch
from units import GOLDEN, golden, own

NAMES = own(METRICS)


def numbers(*shape, salt=0):
    """Multiples of 2/101 in [-1, 1], in a fixed order without a pattern; no random generator is involved."""
    count = int(np.prod(shape))
    return ((torch.arange(count, dtype=torch.int64) * 37 + 11 * salt) ** 2 % 101).double().view(shape) * 2 / 101 - 1


def integers(count, below, salt=0):
    """Integers in [0, below), likewise."""
    return (torch.arange(count) * 37 + 11 * salt) ** 2 % 101 % below


LABELS, CLASSES = integers(14, 3), torch.tensor([0, 1, 2, 2, 1, 0, 0])


def curves():
    """In relevance order and at random, of the most probable and of other classes; in two more relevance orders.

    25 pixels in 8 steps: a half.
    """
    images, noise = numbers(3, 2, 5, 5), numbers(3, 2, 5, 5, salt=2)
    weights = numbers(50, 4, salt=3)

    def predict(batch):
        return (batch.flatten(1) @ weights).softmax(1)

    def curve(salt, targets):
        return relevance_order_curve(predict, images, numbers(3, 5, 5, salt=salt), noise, steps=8, targets=targets)

    others = integers(3, 4, salt=6)
    probable, decided = (tuple(curve(salt, targets) for salt in (4, 5)) for targets in (None, others))
    return probable, decided, curve(7, others), curve(8, others)


def evaluation(seed):
    """One evaluation of which everything is given that a metric may ask for; five attributes, the last one all have."""
    probable, decided, averaged, by_class = curves()
    return script.scripted_evaluation(
        script.Scripted(CLASSES, numbers(7, 5), similarities=4 * numbers(7, 7)),
        seed=seed,
        attributes=torch.cat([numbers(14, 4, salt=6) > 0.2, torch.ones(14, 1, dtype=torch.bool)], 1),
        reference_correct=integers(14, 2, salt=3).double(),
        class_maps=Maps(numbers(3, 5, 4), ""),
        prototype_maps=Maps(numbers(3, 5, 5, salt=4), "stands in"),
        headless_maps=numbers(3, 5, 4, salt=2),
        maps_by=lambda self, rule: numbers(3, 5, 4, salt=3 + self.model.rules.index(rule)),
        noised_similarities=Similarities(numbers(7), numbers(7, salt=1), torch.tensor([0, 0, 1, 1, 1, 2, 2])),
        reference_relevance=numbers(3, 5, 4, salt=1),
        other_images=torch.tensor([1, 2, 0]),
        sample=Batch(torch.zeros(3, 3, 5, 4), torch.zeros(3, dtype=torch.int64), torch.arange(3)),
        relevance_order_curves=decided,
        most_probable_curves=probable,
        all_prototypes_curve=averaged,
        class_map_curve=by_class,
        masked_probabilities=tuple(numbers(6, salt=salt).abs() for salt in (7, 8, 9)),
    )


def read(metric, seed):
    """All series of a metric, by name."""
    meter = metric.meter(evaluation(seed))
    for split in sorted(meter.observes):
        script.show(
            meter, split, LABELS, predictions=integers(14, 3, salt=1), similarities=numbers(14, 7),
            embeddings=numbers(14, 5, salt=1),
        )  # fmt: skip
    scores = meter.scores()
    series = {"values": scores.values}
    if scores.chance is not None:
        series["chance"] = torch.as_tensor(scores.chance, dtype=torch.float64).reshape(-1)
    series |= {f"level {key}": values for key, values in scores.levels.items()}
    series |= {f"variant {key}": values for key, values in scores.variants.items()}
    return series | {f"detail {key}": values for key, values in scores.details.items()}


def measured(name):
    """Version of a metric, and all its series that do not change with the seed: those that do are drawn."""
    metric = METRICS.get(name)
    first, second = read(metric, 0), read(metric, 1)
    fixed = {key: values.tolist() for key, values in first.items() if torch.equal(values, second[key])}
    return {"version": metric.version, "series": fixed}


def moved(old, new):
    """The series that are not what they were, to more digits than machines differ by."""
    names = old["series"].keys() | new["series"].keys()
    return sorted(
        name
        for name in names
        if np.shape(old["series"].get(name)) != np.shape(new["series"].get(name))
        or not np.allclose(old["series"][name], new["series"][name], rtol=1e-12, atol=1e-14)
    )


def renewed(old, new):
    """What to store in place of ``old``. Raises where values moved and the version did not; a variant may be new.

    Under one version stored values stay as they are: their last digits differ between processors.
    """
    new = {name: {**facts, "series": dict(facts["series"])} for name, facts in new.items()}
    for name in old.keys() & new.keys():
        known = {"series": {key: new[name]["series"].get(key) for key in old[name]["series"]}}
        if old[name]["version"] == new[name]["version"] and moved(old[name], known):
            raise SystemExit(f"{name}: {moved(old[name], known)} moved. Raise the metric's version first.")
        if old[name]["version"] == new[name]["version"]:
            new[name]["series"] |= old[name]["series"]
    return new


@pytest.mark.parametrize("name", NAMES)
def test_values_moved_only_if_the_version_did(name):
    assert name in golden("metrics"), f"{name} has no golden values; run this file"
    old, new = golden("metrics")[name], measured(name)
    assert old["version"] == new["version"], f"the version of {name} changed; run this file to renew its values"
    assert not moved(old, new), f"{name}: {moved(old, new)} changed under version {old['version']}; raise the version"
    drawn = read(METRICS.get(name), 0).keys() - new["series"].keys()
    assert {f"variant {variant}" for variant in METRICS.get(name).variants} - drawn <= old["series"].keys()


def test_there_are_golden_values_of_registered_metrics_only():
    assert set(golden("metrics")) == set(NAMES)


def test_renewing_refuses_values_that_moved_under_an_old_version():
    old = {"ghosting": {"version": 1, "series": {"values": [0.0, 1.0]}}}
    other = {"version": 1, "series": {"values": [0.0, 0.5]}}
    with pytest.raises(SystemExit, match=r"ghosting: \['values'\] moved"):
        renewed(old, {"ghosting": other})
    assert renewed(old, {"ghosting": other | {"version": 2}})["ghosting"]["version"] == 2
    with pytest.raises(SystemExit, match=r"ghosting: \['values'\] moved"):
        renewed(old, {"ghosting": {"version": 1, "series": {}}})
    richer = {"version": 1, "series": {"values": [0.0, 1.0], "variant new": [0.5, 0.5]}}
    assert renewed(old, {"ghosting": richer}) == {"ghosting": richer}


@pytest.mark.parametrize(
    ("distance", "expected", "tolerance"), [(0.1, 0.102, 5e-4), (1, 0.0236, 5e-5), (10, 0.0139, 5e-5)]
)
def test_diversity_of_fifty_equidistant_prototypes_under_log_is_as_known(distance, expected, tolerance):
    prototypes = torch.eye(50, dtype=torch.float64) * distance / 2**0.5
    scores = diversity(similarity("log")(prototypes, prototypes))
    assert scores.tolist() == pytest.approx([expected] * 50, abs=tolerance)


if __name__ == "__main__":
    from stage import Stage
    from workloads import workloads

    new = renewed(golden("metrics"), {name: measured(name) for name in NAMES})
    for name, facts in new.items():
        known = golden("metrics").get(name, {})
        passes = known.get("passes")
        if known.get("version") != facts["version"]:  # look whether it needs them all
            work = workloads()[f"metric {name}"](Stage())
            counts = tally(work.run, work.network)
            passes = [counts.passes, counts.images]
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(values)}" for key, values in facts["series"].items())
        text = f' "version": {facts["version"]},\n "passes": {passes},\n "series": {{\n{lines}\n }}'
        (GOLDEN / "metrics" / f"{name}.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
