"""Sparseness and complexity: hand-made maps, independence of the batch, no trace, and life without Quantus."""

import math
import random

import numpy as np
import pytest
import torch

from sembench.explainers.configuration import recipe
from sembench.metrics import quantus_maps
from sembench.metrics.applicability import offer
from sembench.metrics.quantus_maps import complexity, effective_complexity, sparseness
from sembench.plugins.registry import METRICS
from sembench.testing import digits_case

MEASURES = (sparseness, complexity, effective_complexity)


def spot(size=4):
    relevance = torch.zeros(1, size, size)
    relevance[0, 1, 2] = -3
    return relevance


@pytest.mark.parametrize(
    ("relevance", "expected"),
    [
        (spot(), (15 / 16, 0, 1 / 16)),
        (torch.full((1, 4, 4), -2.0), (0, math.log(16), 1)),
        (torch.zeros(1, 4, 4), (0, math.log(16), 1)),
        (torch.tensor([[[1.0, 1, 0, 0]]]), (0.5, math.log(2), 0.5)),
        (torch.tensor([[[1.0, 0.02, 0.005, 0]]]), (None, None, 0.5)),
    ],
)
def test_maps_with_a_known_answer(relevance, expected):
    for measure, value in zip(MEASURES, expected, strict=True):
        if value is not None:
            assert measure(relevance).item() == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_score_belongs_to_its_map(measure):
    relevance = torch.randn(5, 6, 6, generator=torch.Generator().manual_seed(0))
    relevance[2] = 0
    before = relevance.clone()
    together = measure(relevance)
    assert torch.equal(torch.cat([measure(one[None]) for one in relevance]), together)
    assert torch.equal(measure(relevance.flip(0)).flip(0), together)
    torch.testing.assert_close(measure(-7 * relevance), together)
    assert torch.equal(relevance, before)
    assert together.dtype == torch.float64


@pytest.mark.parametrize("measure", MEASURES)
def test_no_global_stream_moves(measure):
    before = torch.get_rng_state(), repr(np.random.get_state(legacy=False)), random.getstate()
    measure(spot())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (repr(np.random.get_state(legacy=False)), random.getstate()) == before[1:]


@pytest.mark.parametrize("measure", MEASURES)
def test_wrong_maps_are_refused(measure):
    with pytest.raises(ValueError, match=r"must be \(N, H, W\)"):
        measure(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="every value finite"):
        measure(torch.full((1, 2, 2), torch.nan))


def test_without_the_extra_the_metric_does_not_apply(monkeypatch):
    offered, metric = offer(recipe("kmex", {}, "*"), digits_case().backbone), METRICS.get("sparseness")
    assert offered.reason_against(metric, "kmex", "digits") is None
    monkeypatch.setattr(quantus_maps.importlib.util, "find_spec", lambda name: None)
    assert (
        offered.reason_against(metric, "kmex", "digits")
        == "the extra is not installed: pip install 'sembench[quantus]'"
    )
