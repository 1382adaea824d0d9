"""RO-AUROC, section 4.3 of [K], one image and one pixel at a time."""

import itertools
import math

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sembench.evaluation.perturbation import area_under_curve, relevance_order_curve
from sembench.metrics.ro_auroc import RO_AUROC, RO_AUROC_GAIN

COVERS = ("ro_auroc", "ro_auroc_gain")

EXAMPLES = settings(max_examples=50, derandomize=True, deadline=None, database=None)
CLASSES = 3


def naive_probabilities(image):
    """A linear classifier with softmax, on one image."""
    pixels = image.reshape(-1)
    logits = [sum(math.sin(k * len(pixels) + i) * v for i, v in enumerate(pixels)) for k in range(CLASSES)]
    odds = [math.exp(logit - max(logits)) for logit in logits]
    return [value / sum(odds) for value in odds]


def predict(images):
    """The same classifier on a batch."""
    pixels = images.flatten(1)
    weights = torch.arange(CLASSES * pixels.shape[1], dtype=pixels.dtype).sin().view(CLASSES, -1)
    return (pixels @ weights.T).softmax(1)


def naive_curve(image, relevance, noise, steps, target=None):
    channels, height, width = image.shape
    pixels = [(y, x) for y in range(height) for x in range(width)]
    least_first = sorted(range(len(pixels)), key=lambda i: (abs(relevance[pixels[i]]), i))
    clean = naive_probabilities(image)
    target = clean.index(max(clean)) if target is None else target
    curve = []
    for step in range(steps + 1):
        changed = image.copy()
        for i in least_first[: round(step * height * width / steps)]:
            for channel in range(channels):
                changed[(channel, *pixels[i])] = noise[(channel, *pixels[i])]
        curve.append(naive_probabilities(changed)[target])
    return curve


def naive_area(curve):
    width = 1 / (len(curve) - 1)
    return sum(width * (left + right) / 2 for left, right in itertools.pairwise(curve))


def make_case(seed, count, channels, height, width, kind):
    source = np.random.default_rng(seed)
    images, noise = (source.normal(size=(count, channels, height, width)) for _ in range(2))
    relevance = {
        "distinct": lambda: source.normal(size=(count, height, width)),
        "ties": lambda: source.integers(-2, 3, size=(count, height, width)).astype(float),
        "constant": lambda: np.full((count, height, width), -1.5),
        "zero": lambda: np.zeros((count, height, width)),
    }[kind]()
    return images, relevance, noise


@EXAMPLES
@given(
    st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5),
    st.sampled_from(["distinct", "ties", "constant", "zero"]), st.integers(1, 12),
)  # fmt: skip
@example(0, 1, 1, 1, 1, "zero", 1)
@example(0, 2, 3, 5, 5, "ties", 8)
def test_curve_agrees_with_replacing_pixel_by_pixel(seed, count, channels, height, width, kind, steps):
    case = make_case(seed, count, channels, height, width, kind)
    expected = [naive_curve(*parts, steps) for parts in zip(*case, strict=True)]
    got = relevance_order_curve(predict, *map(torch.from_numpy, case), steps=steps)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    targets = [(seed + index) % CLASSES for index in range(count)]
    expected = [naive_curve(*parts, steps, target) for *parts, target in zip(*case, targets, strict=True)]
    got = relevance_order_curve(predict, *map(torch.from_numpy, case), steps=steps, targets=torch.tensor(targets))
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@EXAMPLES
@given(st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5), min_size=1, max_size=4))
def test_area_agrees_with_adding_up_trapezoids(curves):
    np.testing.assert_allclose(
        area_under_curve(torch.tensor(curves)),
        [naive_area(torch.tensor(curve).tolist()) for curve in curves],
        rtol=1e-12,
        atol=1e-15,
    )


def test_meters_agree_with_the_areas_of_the_naive_curves(script):
    images, relevance, noise = make_case(0, 4, 3, 3, 4, "distinct")
    order = np.random.default_rng(1).random((4, 3, 4))
    areas = [
        [naive_area(naive_curve(*parts, 6)) for parts in zip(images, ranking, noise, strict=True)]
        for ranking in (relevance, order)
    ]
    curves = tuple(
        relevance_order_curve(predict, *map(torch.from_numpy, (images, ranking, noise)), steps=6)
        for ranking in (relevance, order)
    )
    decided = tuple(
        relevance_order_curve(
            predict, *map(torch.from_numpy, (images, ranking, noise)), steps=6, targets=torch.tensor([0, 1, 2, 0])
        )
        for ranking in (relevance, order)
    )
    known = script.scripted_evaluation(relevance_order_curves=curves, decided_curves=decided)
    scores, gain = (metric.meter(known).scores() for metric in (RO_AUROC, RO_AUROC_GAIN))
    np.testing.assert_allclose(scores.values, areas[0], rtol=1e-10)
    np.testing.assert_allclose(scores.chance, areas[1], rtol=1e-10)
    np.testing.assert_allclose(gain.values, np.subtract(*areas), atol=1e-12)
    assert gain.chance == 0
    areas = [
        [
            naive_area(naive_curve(*parts, 6, target))
            for *parts, target in zip(images, ranking, noise, [0, 1, 2, 0], strict=True)
        ]
        for ranking in (relevance, order)
    ]
    np.testing.assert_allclose(scores.variants["decided class"], areas[0], rtol=1e-10)
    np.testing.assert_allclose(gain.variants["decided class"], np.subtract(*areas), atol=1e-12)
