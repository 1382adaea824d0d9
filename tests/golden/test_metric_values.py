"""Frozen values of every metric on fixed arithmetic inputs: a number may move only together with its version.

Raised a version on purpose? Then write the new values with ``python tests/golden/test_metric_values.py``; it refuses to
write values that moved under an old version.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import scripted as script
from sembench.evaluation.perturbation import relevance_order_curve
from sembench.metrics.diversity import diversity
from sembench.plugins.registry import METRICS
from sembench.similarity import similarity
from sembench.types import Batch

GOLDEN = Path(__file__).with_name("metrics.json")
NAMES = [name for name in METRICS.names() if METRICS.origin(name).startswith("sembench.")]


def numbers(*shape, salt=0):
    """Multiples of 2/101 in [-1, 1], in a fixed order without a pattern; no random generator is involved."""
    count = int(np.prod(shape))
    return ((torch.arange(count, dtype=torch.int64) * 37 + 11 * salt) ** 2 % 101).double().view(shape) * 2 / 101 - 1


def integers(count, below, salt=0):
    """Integers in [0, below), likewise."""
    return (torch.arange(count) * 37 + 11 * salt) ** 2 % 101 % below


LABELS, CLASSES = integers(14, 3), torch.tensor([0, 1, 2, 2, 1, 0, 0])


def accuracy_of(metric, split="test"):
    known = script.scripted_evaluation(reference_correct=integers(14, 2, salt=3).double())
    return script.show(metric.meter(known), split, LABELS, predictions=integers(14, 3, salt=1))


def ghosting_of(metric):
    meter = metric.meter(script.scripted_evaluation(script.Scripted(CLASSES)))
    return script.show(meter, "train", LABELS, similarities=numbers(14, 7))


def kl_of(metric):
    sample = Batch(torch.zeros(3, 3, 5, 4), torch.zeros(3, dtype=torch.int64), torch.arange(3))
    known = script.scripted_evaluation(
        relevance=numbers(3, 5, 4), reference_relevance=numbers(3, 5, 4, salt=1),
        other_images=torch.tensor([1, 2, 0]), sample=sample,
    )  # fmt: skip
    return metric.meter(known).scores()


def robustness_of(metric):
    """25 pixels in 8 steps: the fractions do not divide, and one of them is a half."""
    images, noise = numbers(3, 2, 5, 5), numbers(3, 2, 5, 5, salt=2)
    weights = numbers(50, 4, salt=3)

    def predict(batch):
        return (batch.flatten(1) @ weights).softmax(1)

    orders = numbers(3, 5, 5, salt=4), numbers(3, 5, 5, salt=5)
    curves, decided = (
        tuple(relevance_order_curve(predict, images, order, noise, steps=8, targets=targets) for order in orders)
        for targets in (None, integers(3, 4, salt=6))
    )
    return metric.meter(script.scripted_evaluation(relevance_order_curves=curves, decided_curves=decided)).scores()


def diversity_of(metric):
    model = script.Scripted(CLASSES, similarities=4 * numbers(7, 7))
    return metric.meter(script.scripted_evaluation(model)).scores()


def alignment_of(metric):
    meter = metric.meter(script.scripted_evaluation(script.Scripted(CLASSES, numbers(7, 5))))
    return script.show(meter, "train", LABELS, embeddings=numbers(14, 5, salt=1))


def attributes_of(metric):
    """Five attributes of 14 images; the last one all of them have."""
    attributes = torch.cat([numbers(14, 4, salt=6) > 0.2, torch.ones(14, 1, dtype=torch.bool)], 1)
    meter = metric.meter(script.scripted_evaluation(script.Scripted(CLASSES), attributes=attributes))
    return script.show(meter, "train", LABELS, similarities=numbers(14, 7))


def map_of(metric):
    """The chance level is drawn, and left out."""
    sample = Batch(torch.zeros(3, 3, 5, 4), torch.zeros(3, dtype=torch.int64), torch.arange(3))
    known = script.scripted_evaluation(relevance=numbers(3, 5, 4), sample=sample)
    return dataclasses.replace(metric.meter(known).scores(), chance=None)


def masked_of(metric):
    clean, masked, other = (numbers(6, salt=salt).abs() for salt in (7, 8, 9))
    return metric.meter(script.scripted_evaluation(masked_probabilities=(clean, masked, other))).scores()


CASES = {
    "accuracy": accuracy_of,
    "accuracy_train": lambda metric: accuracy_of(metric, "train"),
    "accuracy_gap": accuracy_of,
    "ghosting": ghosting_of,
    "lrp_kl": kl_of,
    "ro_auroc": robustness_of,
    "ro_auroc_gain": robustness_of,
    "diversity": diversity_of,
    "alignment_class": alignment_of,
    "alignment_out": alignment_of,
    "attributes_captured": attributes_of,
    "attribute_correlation": attributes_of,
    "average_drop": masked_of,
    "average_increase": masked_of,
    "sparseness": map_of,
    "complexity": map_of,
    "effective_complexity": map_of,
}

DRAWN = {"detail random map", "attribute_correlation chance"}
"""Series, of all metrics or of one, that come from a random generator and are not frozen."""


def measured(name):
    """Version and all series of a metric on its case."""
    metric = METRICS.get(name)
    scores = CASES[name](metric)
    series = {"values": scores.values}
    if scores.chance is not None:
        series["chance"] = torch.as_tensor(scores.chance, dtype=torch.float64).reshape(-1)
    series |= {f"variant {key}": values for key, values in scores.variants.items()}
    series |= {f"detail {key}": values for key, values in scores.details.items()}
    return {
        "version": metric.version,
        "series": {key: v.tolist() for key, v in series.items() if not DRAWN & {key, f"{name} {key}"}},
    }


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
    """What to store in place of ``old``. Raises where values moved and the version did not; a variant may be new."""
    for name in old.keys() & new.keys():
        known = {"series": {key: new[name]["series"].get(key) for key in old[name]["series"]}}
        if old[name]["version"] == new[name]["version"] and moved(old[name], known):
            raise SystemExit(f"{name}: {moved(old[name], known)} moved. Raise the metric's version first.")
    return new


def stored():
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}


@pytest.mark.parametrize("name", NAMES)
def test_values_moved_only_if_the_version_did(name):
    assert name in CASES, f"{name} has no golden case; write one, then run this file"
    assert name in stored(), f"{name} has no golden values; run this file"
    old, new = stored()[name], measured(name)
    assert old["version"] == new["version"], f"the version of {name} changed; run this file to renew its values"
    assert not moved(old, new), f"{name}: {moved(old, new)} changed under version {old['version']}; raise the version"


def test_there_are_golden_values_of_registered_metrics_only():
    assert set(stored()) == set(CASES) == set(NAMES)


def test_every_declared_variant_is_frozen_unless_it_is_drawn():
    for name in NAMES:
        declared = {f"variant {variant}" for variant in METRICS.get(name).variants}
        assert declared - DRAWN <= set(stored()[name]["series"])


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
    values = renewed(stored(), {name: measured(name) for name in CASES})
    GOLDEN.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
