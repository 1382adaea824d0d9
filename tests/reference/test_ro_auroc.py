"""RO-AUROC, section 4.2.2 of [K], one image and one pixel at a time."""

import itertools
import math

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixel_world import SIDE, STEPS, ByHand, make_evaluation
from sembench.evaluation.maps import Maps
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
    source = np.random.default_rng(1)
    random, averaged, by_class = (source.random((4, 3, 4)) for _ in range(3))
    decided = [0, 1, 2, 0]

    def areas(ranking, targets):
        case = zip(images, ranking, noise, targets, strict=True)
        return [naive_area(naive_curve(*parts, 6, target)) for *parts, target in case]

    def curves(ranking, targets):
        case = map(torch.from_numpy, (images, ranking, noise))
        return relevance_order_curve(predict, *case, steps=6, targets=targets and torch.tensor(targets))

    known = script.scripted_evaluation(
        prototype_maps=Maps(torch.from_numpy(relevance), "a stand-in"),
        relevance_order_curves=(curves(relevance, decided), curves(random, decided)),
        most_probable_curves=(curves(relevance, None), curves(random, None)),
        all_prototypes_curve=curves(averaged, decided),
        class_map_curve=curves(by_class, decided),
    )
    expected = {
        "values": (areas(relevance, decided), areas(random, decided)),
        "most probable class": (areas(relevance, [None] * 4), areas(random, [None] * 4)),
        "all prototypes": (areas(averaged, decided), areas(random, decided)),
        "class map": (areas(by_class, decided), areas(random, decided)),
    }
    scores, gain = (metric.meter(known).scores() for metric in (RO_AUROC, RO_AUROC_GAIN))
    for name, (ordered, at_random) in expected.items():
        np.testing.assert_allclose(scores.variants.get(name, scores.values), ordered, rtol=1e-10)
        np.testing.assert_allclose(gain.variants.get(name, gain.values), np.subtract(ordered, at_random), atol=1e-12)
    assert scores.variants.keys() == gain.variants.keys() == expected.keys() - {"values"}
    np.testing.assert_allclose(scores.chance, expected["values"][1], rtol=1e-10)
    assert gain.chance == 0
    assert scores.note == gain.note == "a stand-in"


def naive_order(pixels):
    """Places of the pixels, least relevant first."""
    return sorted(range(len(pixels)), key=lambda place: (abs(pixels[place]), place))


class NaiveRobustness:
    """[K] 4.2.2 on one image of KMEx: the predicted class's probability while the least relevant pixels become noise.

    Relevance is "with respect to the most similar prototypes".
    """

    def __init__(self, evaluation, row):
        self.evaluation = evaluation
        self.image, self.noise = evaluation.sample.images[row], evaluation.reference.noise[row]
        self.clean = ByHand(evaluation, self.image)
        self.random = evaluation.reference.random_order[row].flatten().tolist()

    def area(self, pixels, label):
        order, curve = naive_order(pixels), []
        for step in range(STEPS + 1):
            changed = self.image.clone()
            for place in order[: round(step * len(order) / STEPS)]:
                changed[:, place // SIDE, place % SIDE] = self.noise[:, place // SIDE, place % SIDE]
            curve.append(ByHand(self.evaluation, changed).probabilities[label])
        return naive_area(curve)

    def primary(self):
        return self.area(self.clean.prototype_map(self.clean.nearest), self.clean.decided)

    def most_probable(self):
        odds = self.clean.probabilities
        return self.area(self.clean.prototype_map(self.clean.nearest), odds.index(max(odds)))

    def all_prototypes(self):
        """The mean over prototypes of the areas: that of the mean curve, since areas are sums."""
        each = [self.area(self.clean.prototype_map(j), self.clean.decided) for j in self.clean.own]
        return sum(each) / len(each)

    def class_map(self):
        return self.area(self.clean.class_map("neon"), self.clean.decided)

    def chance(self):
        return self.area(self.random, self.clean.decided)


def test_the_score_of_kmex_is_that_of_following_each_image_by_hand():
    evaluation = make_evaluation()
    rows = [NaiveRobustness(evaluation, row) for row in range(len(evaluation.sample))]
    decided = [row.clean.decided for row in rows]
    assert len(set(decided)) == 3
    probable = [row.clean.probabilities.index(max(row.clean.probabilities)) for row in rows]
    assert 0 < sum(a != b for a, b in zip(decided, probable, strict=True)) < len(rows)
    scores, gain = (metric.meter(evaluation).scores() for metric in (RO_AUROC, RO_AUROC_GAIN))
    random = [row.chance() for row in rows]
    expected = {
        "values": [row.primary() for row in rows],
        "most probable class": [row.most_probable() for row in rows],
        "all prototypes": [row.all_prototypes() for row in rows],
        "class map": [row.class_map() for row in rows],
    }
    assert scores.variants.keys() == expected.keys() - {"values"}
    for name, areas in expected.items():
        np.testing.assert_allclose(scores.variants.get(name, scores.values), areas, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(scores.chance, random, rtol=1e-4)
    np.testing.assert_allclose(gain.values, np.subtract(expected["values"], random), atol=1e-4)
    of_most_probable = [row.area(row.random, label) for row, label in zip(rows, probable, strict=True)]
    np.testing.assert_allclose(
        gain.variants["most probable class"],
        np.subtract(expected["most probable class"], of_most_probable),
        atol=1e-4,
    )
    different = [expected[name] for name in expected]
    assert all(not np.allclose(a, b, rtol=1e-3) for a, b in itertools.combinations(different, 2))
