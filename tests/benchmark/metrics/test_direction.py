"""A better and a worse model for every metric: a direction that is declared the wrong way round turns red."""

import pytest
import torch

from sembench.evaluation.perturbation import area_under_curve, relevance_order_curve
from sembench.metrics.accuracy import accuracy
from sembench.metrics.alignment import alignment
from sembench.metrics.attributes import captured, correlation_error
from sembench.metrics.average_drop import average_drop, average_increase
from sembench.metrics.diversity import diversity
from sembench.metrics.ghosting import ghosting
from sembench.metrics.lrp_kl import relevance_kl
from sembench.metrics.quantus_maps import complexity, effective_complexity, sparseness
from sembench.plugins.registry import METRICS
from units import own

NAMES = own(METRICS)

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
RIGHT, WRONG = LABELS.clone(), torch.tensor([0, 1, 0, 1, 2, 0])


def gap(predictions):
    """In points, against a black box that is right half of the time."""
    return 100 * (accuracy(predictions, LABELS) - torch.tensor([1.0, 0, 1, 0, 1, 0]))


def used(rows):
    """Points of one class that prefer the given prototypes, out of four."""
    similarities = torch.nn.functional.one_hot(torch.tensor(rows), 4).double()
    return ghosting(similarities, torch.zeros(len(rows), dtype=torch.int64), torch.zeros(4, dtype=torch.int64))


def area(relevance):
    """Of a decision that rests on the last of nine pixels alone."""
    images, noise = torch.ones(1, 1, 3, 3), torch.zeros(1, 1, 3, 3)

    def predict(batch):
        evidence = 0.5 + 0.4 * batch[:, 0, 2, 2]
        return torch.stack([evidence, 1 - evidence], 1)

    return area_under_curve(relevance_order_curve(predict, images, relevance, noise, steps=9))


def gain(relevance):
    shuffled = torch.tensor([[[5.0, 2, 7], [1, 9, 3], [8, 4, 6]]])
    return area(relevance) - area(shuffled)


def cosines(prototype):
    embeddings, labels = torch.tensor([[1.0, 0.2], [1.0, -0.2], [-0.3, 1.0]]), torch.tensor([0, 0, 1])
    return alignment(prototype[None], torch.tensor([0]), embeddings, labels)


DECISIVE_LAST = torch.arange(9.0).view(1, 3, 3)
DECISIVE_FIRST = DECISIVE_LAST.flip(1, 2)
BLACK_BOX = torch.tensor([[[4.0, -2.0], [1.0, 0.0]]])
# The first two attributes exclude each other, the third one is independent of them.
ATTRIBUTES = torch.tensor([[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]] * 2).bool()
TYPICAL, STRAY = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])

EVEN = torch.ones(1, 3, 3)
SURE, UNSURE = torch.tensor([0.9, 0.8]), torch.tensor([0.2, 0.3])
SPOT = torch.nn.functional.one_hot(torch.tensor([4]), 9).double().view(1, 3, 3)

BETTER_AND_WORSE = {
    "accuracy": (accuracy(RIGHT, LABELS), accuracy(WRONG, LABELS)),
    "accuracy_train": (accuracy(RIGHT, LABELS), accuracy(WRONG, LABELS)),
    "accuracy_gap": (gap(RIGHT), gap(WRONG)),
    "ghosting": (used([0, 1, 2, 3]), used([0, 1, 0, 1])),
    "lrp_kl": (relevance_kl(BLACK_BOX + 0.1, BLACK_BOX), relevance_kl(BLACK_BOX.flip(1, 2), BLACK_BOX)),
    "ro_auroc": (area(DECISIVE_LAST), area(DECISIVE_FIRST)),
    "ro_auroc_gain": (gain(DECISIVE_LAST), gain(DECISIVE_FIRST)),
    "diversity": (diversity(5 * torch.eye(4)), diversity(0.1 * torch.eye(4))),
    "alignment_class": (cosines(TYPICAL)[0], cosines(STRAY)[0]),
    "alignment_out": (cosines(TYPICAL)[1], cosines(STRAY)[1]),
    "attributes_captured": (captured(ATTRIBUTES), captured(ATTRIBUTES[:1])),
    "attribute_correlation": (
        correlation_error(ATTRIBUTES[::2], ATTRIBUTES),
        correlation_error(ATTRIBUTES[[0, 3]], ATTRIBUTES),
    ),
    "average_drop": (average_drop(SURE, SURE), average_drop(SURE, UNSURE)),
    "average_increase": (average_increase(UNSURE, SURE), average_increase(SURE, UNSURE)),
    "sparseness": (sparseness(SPOT), sparseness(EVEN)),
    "complexity": (complexity(SPOT), complexity(EVEN)),
    "effective_complexity": (effective_complexity(SPOT), effective_complexity(EVEN)),
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
