"""Attributes of prototypes ([K] Fig. 5b, c), by loops over images, prototypes and attributes."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sembench.metrics.attributes import (
    ATTRIBUTE_CORRELATION,
    ATTRIBUTES_CAPTURED,
    captured,
    captured_by_chance,
    correlation,
    correlation_error,
)

COVERS = ("attributes_captured", "attribute_correlation")

EXAMPLES = settings(max_examples=80, derandomize=True, deadline=None, database=None)


def naive_correlation(rows):
    """Pearson's correlation of each two columns; 0 where one of them is constant."""
    count = len(rows[0])
    matrix = [[0.0] * count for _ in range(count)]
    for a in range(count):
        for b in range(count):
            x, y = [float(row[a]) for row in rows], [float(row[b]) for row in rows]
            mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
            covariance = sum((u - mean_x) * (v - mean_y) for u, v in zip(x, y, strict=True))
            spread = sum((u - mean_x) ** 2 for u in x) * sum((v - mean_y) ** 2 for v in y)
            if len(set(x)) > 1 and len(set(y)) > 1:
                matrix[a][b] = covariance / math.sqrt(spread)
    return matrix


def naive_error(shown, rows):
    one, two = naive_correlation(shown), naive_correlation(rows)
    return [sum(abs(u - v) for u, v in zip(a, b, strict=True)) / len(a) for a, b in zip(one, two, strict=True)]


def naive_nearest(similarities, labels, classes, scope):
    """For each prototype the first image that is most similar to it, among all or those of its class."""
    found = []
    for j, own in enumerate(classes):
        pool = [i for i, label in enumerate(labels) if scope == "all" or own in (label, -1)]
        best = None
        for i in pool:
            if best is None or similarities[i][j] > similarities[best][j]:
                best = i
        found.append(best)
    return found


def naive_shown(nearest, attributes):
    return [[False] * len(attributes[0]) if i is None else list(attributes[i]) for i in nearest]


def booleans(rows, columns):
    return npst.arrays(np.bool_, (rows, columns))


@EXAMPLES
@given(attributes=st.tuples(st.integers(1, 9), st.integers(1, 4)).flatmap(lambda shape: booleans(*shape)))
def test_correlations_agree_with_loops(attributes):
    found = correlation(torch.from_numpy(attributes))
    np.testing.assert_allclose(found, naive_correlation(attributes.tolist()), atol=1e-12)


@EXAMPLES
@given(pair=st.integers(1, 4).flatmap(lambda a: st.tuples(booleans(3, a), booleans(7, a))))
def test_the_correlation_error_agrees_with_loops(pair):
    found = correlation_error(*map(torch.from_numpy, pair))
    np.testing.assert_allclose(found, naive_error(*(part.tolist() for part in pair)), atol=1e-12)


@EXAMPLES
@given(attributes=booleans(6, 3), count=st.integers(1, 6))
def test_the_chance_to_capture_agrees_with_a_count_of_all_choices(attributes, count):
    choices = list(combinations(range(6), count))
    expected = np.mean([attributes[list(choice)].any(0) for choice in choices], axis=0)
    np.testing.assert_allclose(captured_by_chance(torch.from_numpy(attributes), count), expected, atol=1e-12)


@st.composite
def cases(draw):
    """Few distinct similarities, so that ties are common; classes without images, and shared prototypes."""
    classes = draw(st.lists(st.sampled_from([-1, 0, 1, 2]), min_size=1, max_size=5))
    labels = draw(st.lists(st.integers(0, 1), min_size=1, max_size=9))
    quarters = st.integers(-4, 4).map(lambda k: k / 4)
    similarities = draw(npst.arrays(np.float64, (len(labels), len(classes)), elements=quarters))
    return similarities, labels, classes, draw(booleans(len(labels), 3))


@pytest.mark.parametrize("scope", ["all", "own"])
@EXAMPLES
@given(case=cases())
def test_the_meters_agree_with_loops_over_images(script, scope, case):
    similarities, labels, classes, attributes = case
    shown = naive_shown(naive_nearest(similarities, labels, classes, scope), attributes.tolist())
    expected = {
        ATTRIBUTES_CAPTURED: [float(any(column)) for column in zip(*shown, strict=True)],
        ATTRIBUTE_CORRELATION: naive_error(shown, attributes.tolist()),
    }
    for metric, values in expected.items():
        model = script.Scripted(classes)
        evaluation = script.scripted_evaluation(model, attributes=torch.from_numpy(attributes))
        scores = script.show(metric.meter(evaluation), "train", labels, similarities=torch.from_numpy(similarities))
        found = scores.values if scope == "all" else scores.variants["scope=own"]
        np.testing.assert_allclose(found, values, atol=1e-12)


def test_captured_is_any_of_the_prototypes():
    shown = torch.tensor([[True, False, False], [True, True, False]])
    assert captured(shown).tolist() == [1, 1, 0]
