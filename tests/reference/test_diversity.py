"""Diversity, Eq. 4 of [K], prototype by prototype."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sembench.metrics.diversity import DIVERSITY, diversity

COVERS = ("diversity",)

EXAMPLES = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def xlogy(x, y):
    return 0.0 if x == 0 else x * math.log(y)


def naive_entropy(similarities):
    """Of the softmax of a list, divided by the logarithm of its length."""
    odds = [math.exp(value - max(similarities)) for value in similarities]
    shares = [value / math.fsum(odds) for value in odds]
    return -math.fsum(xlogy(share, share) for share in shares) / math.log(len(similarities))


def naive_diversity(similarities, classes=None):
    scores = []
    for i, row in enumerate(similarities):
        compared = [s for j, s in enumerate(row) if classes is None or classes[j] == classes[i]]
        scores.append(naive_entropy(compared))
    return scores


@st.composite
def square_matrices(draw):
    """Similarities that need not be symmetric; some so far apart that a share underflows to zero."""
    size = draw(st.integers(1, 4)) * 2
    scale = draw(st.sampled_from([1.0, 30.0, 2000.0]))
    return scale * draw(npst.arrays(np.float64, (size, size), elements=st.floats(-1, 1, allow_subnormal=False)))


@EXAMPLES
@given(square_matrices())
def test_diversity_agrees_with_the_entropy_of_each_row(similarities):
    got = diversity(torch.from_numpy(similarities))
    np.testing.assert_allclose(got, naive_diversity(similarities), rtol=1e-9, atol=1e-12)


@EXAMPLES
@given(square_matrices())
def test_diversity_per_class_agrees_with_the_entropy_within_the_class(similarities):
    classes = [i % (len(similarities) // 2) for i in range(len(similarities))]
    got = diversity(torch.from_numpy(similarities), prototype_classes=torch.tensor(classes))
    np.testing.assert_allclose(got, naive_diversity(similarities, classes), rtol=1e-9, atol=1e-12)


def test_classes_of_different_sizes_are_each_normalised_by_their_own_size():
    similarities = np.random.default_rng(0).normal(size=(9, 9))
    classes = [0, 1, 1, 0, 1, 2, 2, 1, 0]
    got = diversity(torch.from_numpy(similarities), prototype_classes=torch.tensor(classes))
    np.testing.assert_allclose(got, naive_diversity(similarities, classes), rtol=1e-12)


def test_the_meter_agrees_with_the_entropy_of_each_row_and_within_the_class(script):
    similarities, classes = np.random.default_rng(1).normal(size=(6, 6)), [0, 0, 1, 1, 1, 0]
    model = script.Scripted(classes, similarities=torch.from_numpy(similarities))
    scores = DIVERSITY.meter(script.scripted_evaluation(model)).scores()
    np.testing.assert_allclose(scores.values, naive_diversity(similarities), rtol=1e-12)
    np.testing.assert_allclose(scores.variants["within class"], naive_diversity(similarities, classes), rtol=1e-12)
