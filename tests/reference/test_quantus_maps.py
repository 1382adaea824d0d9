"""The measures of Quantus against a second implementation, pixel by pixel."""

import math

import pytest
import torch

from sembench.metrics.quantus_maps import complexity, effective_complexity, sparseness

COVERS = ["sparseness", "complexity", "effective_complexity"]

SHAPES = [(1, 3), (4, 4), (7, 5)]


def maps(shape, count=6):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def scaled(relevance):
    pixels = [abs(value) for row in relevance.tolist() for value in row]
    return [value / max(pixels) for value in pixels]


def gini(relevance):
    pixels = [value + 1e-7 for value in scaled(relevance)]
    differences = sum(abs(a - b) for a in pixels for b in pixels)
    return differences / (2 * len(pixels) ** 2 * (sum(pixels) / len(pixels)))


def entropy(relevance):
    pixels = scaled(relevance)
    shares = [value / sum(pixels) for value in pixels]
    return -sum(share * math.log(share) for share in shares if share)


def share_that_matters(relevance):
    pixels = scaled(relevance)
    return sum(value > 0.01 for value in pixels) / len(pixels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("measure", "naive"), [(sparseness, gini), (complexity, entropy), (effective_complexity, share_that_matters)]
)
def test_measures_agree_with_their_formulas(measure, naive, shape):
    relevance = maps(shape)
    relevance[0, 0, 0] = 0.001
    assert measure(relevance).tolist() == pytest.approx([naive(one) for one in relevance], rel=1e-6)
