"""The nine similarities, vector by vector."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sembench.similarity import SIMILARITIES, similarity

EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None, database=None)


def distance(z, p):
    return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(z, p, strict=True)))


def norm(z):
    return math.sqrt(math.fsum(a * a for a in z))


def variance(z):
    mean = math.fsum(z) / len(z)
    return math.fsum((a - mean) ** 2 for a in z) / len(z)


def dot(z, p):
    return math.fsum(a * b for a, b in zip(z, p, strict=True))


def cosine(z, p):
    return dot(z, p) / (norm(z) * norm(p)) if norm(z) * norm(p) else 0.0


def ned(z, p):
    spread = variance(z) + variance(p)
    return -variance([a - b for a, b in zip(z, p, strict=True)]) / (2 * spread) if spread else 0.0


NAIVE = {
    "distance": lambda z, p: -distance(z, p),
    "squared": lambda z, p: -(distance(z, p) ** 2),
    "l1": lambda z, p: -math.fsum(abs(a - b) for a, b in zip(z, p, strict=True)),
    "exp": lambda z, p: math.exp(-distance(z, p)),
    "log": lambda z, p: math.log((distance(z, p) + 1) / (distance(z, p) + 1e-4)),
    "log2": lambda z, p: math.log((distance(z, p) ** 2 + 1) / (distance(z, p) ** 2 + 1e-4)),
    "dot": dot,
    "cosine": cosine,
    "ned": ned,
}


@st.composite
def points_and_prototypes(draw):
    """On a grid of quarters: equal vectors, zero vectors and constant vectors turn up often."""
    rows, columns, dimension = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5)))
    quarters = st.integers(-6, 6).map(lambda k: k / 4)
    return tuple(draw(npst.arrays(np.float64, (count, dimension), elements=quarters)) for count in (rows, columns))


def test_every_similarity_has_a_second_implementation():
    assert set(NAIVE) == set(SIMILARITIES)


@pytest.mark.parametrize("name", NAIVE)
@EXAMPLES
@given(vectors=points_and_prototypes())
def test_similarity_agrees_with_its_formula_pair_by_pair(name, vectors):
    expected = [[NAIVE[name](z, p) for p in vectors[1].tolist()] for z in vectors[0].tolist()]
    got = similarity(name)(*map(torch.from_numpy, vectors))
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAIVE)
def test_similarity_agrees_with_its_formula_in_float32_and_many_dimensions(name):
    source = torch.Generator().manual_seed(0)
    points, prototypes = torch.randn(30, 64, generator=source), torch.randn(40, 64, generator=source)
    expected = [[NAIVE[name](z, p) for p in prototypes.tolist()] for z in points.tolist()]
    got = similarity(name)(points, prototypes)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)
