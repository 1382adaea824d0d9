"""LRP-KL, Eqs. 2-3 of [K], pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pixel_world import SIDE, ByHand, make_evaluation
from sembench.evaluation.maps import Maps
from sembench.metrics.lrp_kl import LRP_KL, relevance_kl
from sembench.seeding import uniform_per_image
from sembench.types import Batch
from sembench_baselines.controls import Headless
from sembench_baselines.kmex import RULES, KMEx

COVERS = ("lrp_kl",)

EXAMPLES = settings(max_examples=50, derandomize=True, deadline=None, database=None)


def naive_distribution(relevance, normalise):
    pixels = [float(value) for row in relevance for value in row]
    if normalise == "softmax":
        mass = [math.exp(value - max(pixels)) for value in pixels]
    elif normalise == "positive":
        mass = [max(value, 0.0) + 1e-12 for value in pixels]
    else:
        mass = [abs(value) + 1e-12 for value in pixels]
    return [value / math.fsum(mass) for value in mass]


def naive_kl(relevance, reference, normalise="abs", reverse=False):
    p, q = naive_distribution(relevance, normalise), naive_distribution(reference, normalise)
    if reverse:
        p, q = q, p
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@st.composite
def pairs_of_maps(draw):
    """Signed maps of one to four images, single pixels, constant and all-zero maps among them."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))
    values = draw(st.sampled_from([st.integers(-8, 8).map(lambda k: k / 4), st.just(0.0), st.just(-1.5)]))
    finer = st.floats(-5, 5, allow_subnormal=False)
    return draw(npst.arrays(np.float64, shape, elements=values)), draw(npst.arrays(np.float64, shape, elements=finer))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("normalise", ["abs", "positive", "softmax"])
@EXAMPLES
@given(maps=pairs_of_maps())
def test_kl_agrees_with_the_sum_over_pixels(normalise, reverse, maps):
    expected = [naive_kl(r, b, normalise, reverse) for r, b in zip(*maps, strict=True)]
    got = relevance_kl(*map(torch.from_numpy, maps), normalise=normalise, reverse=reverse)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10)


def test_the_meter_agrees_with_the_sum_over_pixels_chance_and_variants_too(script):
    source = torch.Generator().manual_seed(0)
    relevance, reference = (torch.randn(5, 3, 4, generator=source, dtype=torch.float64) for _ in range(2))
    other = torch.tensor([2, 0, 1, 4, 3])
    sample = Batch(torch.zeros(5, 3, 3, 4), torch.zeros(5, dtype=torch.int64), torch.arange(5))
    headless, *ruled = (torch.randn(5, 3, 4, generator=source, dtype=torch.float64) for _ in range(5))
    by_rule = dict(zip(("neon", "contrast", "gxi", "prp"), ruled, strict=True))
    known = script.scripted_evaluation(
        class_maps=Maps(relevance, "a stand-in"),
        reference_relevance=reference,
        headless_maps=headless,
        maps_by=lambda self, rule: by_rule[rule],
        other_images=other,
        sample=sample,
    )
    scores = LRP_KL.meter(known).scores()

    def each(maps, **options):
        return [naive_kl(r, b, **options) for r, b in zip(maps.tolist(), reference.tolist(), strict=True)]

    np.testing.assert_allclose(scores.values, each(relevance), rtol=1e-9)
    np.testing.assert_allclose(scores.chance, each(relevance[other]), rtol=1e-9)
    np.testing.assert_allclose(scores.variants["reverse"], each(relevance, reverse=True), rtol=1e-9)
    np.testing.assert_allclose(scores.variants["positive"], each(relevance, normalise="positive"), rtol=1e-9)
    np.testing.assert_allclose(scores.variants["softmax"], each(relevance, normalise="softmax"), rtol=1e-9)
    np.testing.assert_allclose(scores.levels["headless"], each(headless), rtol=1e-9)
    for rule, maps in by_rule.items():
        np.testing.assert_allclose(scores.variants[f"rule={rule}"], each(maps), rtol=1e-9)
    assert scores.note == "a stand-in"
    noise = uniform_per_image(0, "scripted", "random map", indices=torch.arange(5), shape=(3, 4))
    np.testing.assert_allclose(scores.details["random map"], each(noise), rtol=1e-9)


def square(pixels):
    return np.reshape(pixels, (SIDE, SIDE))


@pytest.mark.parametrize("primary", RULES)
def test_the_score_of_kmex_is_that_of_maps_made_pixel_by_pixel(primary):
    """[K] 4.3.2: maps "for the prediction probabilities produced by the SEM and the black-box baseline"."""
    evaluation = make_evaluation(KMEx(rule=primary))
    seen = [ByHand(evaluation, image) for image in evaluation.sample.images]
    reference = [square(image.black_box_map()) for image in seen]
    by_rule = {rule: [square(image.class_map(rule)) for image in seen] for rule in RULES}
    scores = LRP_KL.meter(evaluation).scores()

    def each(maps, **options):
        return [naive_kl(r, b, **options) for r, b in zip(maps, reference, strict=True)]

    own = by_rule[primary]
    expected = {
        "reverse": each(own, reverse=True),
        "positive": each(own, normalise="positive"),
        "softmax": each(own, normalise="softmax"),
        **{f"rule={rule}": each(maps) for rule, maps in by_rule.items()},
    }
    assert scores.variants.keys() == expected.keys()
    for name, found in {"values": scores.values, **scores.variants}.items():
        np.testing.assert_allclose(found, expected.get(name, each(own)), rtol=2e-3, atol=1e-5, err_msg=name)
    others = [own[place] for place in evaluation.other_images.tolist()]
    np.testing.assert_allclose(scores.chance, each(others), rtol=2e-3, atol=1e-5)
    without = each([square(image.headless_map()) for image in seen])
    np.testing.assert_allclose(scores.levels["headless"], without, rtol=2e-3, atol=1e-5)


def test_the_score_of_the_control_headless_is_the_level_of_that_name():
    scores = LRP_KL.meter(make_evaluation(Headless())).scores()
    np.testing.assert_allclose(scores.values, scores.levels["headless"], rtol=1e-4, atol=1e-7)
    assert set(scores.variants) == {"reverse", "positive", "softmax"}
    kmex = LRP_KL.meter(make_evaluation()).scores()
    assert torch.equal(kmex.levels["headless"], scores.levels["headless"])
    assert not np.allclose(kmex.values, kmex.levels["headless"], rtol=0.05)
