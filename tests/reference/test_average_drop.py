"""Average drop and increase, section 4.1 of Grad-CAM++, one image and one pixel at a time.

Their variant on similarities, of [K]'s public code, one image, one prototype and one pixel at a time.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sembench.errors import NotOffered
from sembench.evaluation.maps import Maps
from sembench.evaluation.perturbation import mask
from sembench.evaluation.similarities import Similarities
from sembench.metrics.average_drop import (
    AVERAGE_DROP,
    AVERAGE_INCREASE,
    average_drop,
    average_increase,
    similarity_drop,
    similarity_increase,
)
from tiny_world import TinyModel, make_evaluation, read_meters

COVERS = ("average_drop", "average_increase")

EXAMPLES = settings(max_examples=50, derandomize=True, deadline=None, database=None)
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6)


def naive_drop(y, o):
    return 0.0 if y == 0 else max(0.0, y - o) / y


def naive_mask(image, relevance, black):
    largest = max(abs(float(value)) for row in relevance for value in row)
    seen = image.copy()
    for channel, row, column in np.ndindex(image.shape):
        weight = abs(relevance[row, column]) / largest if largest > 0 else 0.0
        seen[channel, row, column] = black[channel] + weight * (image[channel, row, column] - black[channel])
    return seen


@EXAMPLES
@given(PAIRS)
def test_scores_agree_with_one_image_at_a_time(pairs):
    clean, masked = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    np.testing.assert_allclose(average_drop(clean, masked), [naive_drop(y, o) for y, o in pairs], rtol=1e-12)
    assert average_increase(clean, masked).tolist() == [float(o > y) for y, o in pairs]


@EXAMPLES
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_masks_agree_with_one_pixel_at_a_time(seed, channels, height, width, empty):
    source = np.random.default_rng(seed)
    images, black = source.normal(size=(2, channels, height, width)), source.normal(size=channels)
    maps = source.normal(size=(2, height, width)) * (1 - empty)
    got = mask(torch.from_numpy(images), torch.from_numpy(maps), torch.from_numpy(black)[None, :, None, None])
    expected = [naive_mask(image, relevance, black) for image, relevance in zip(images, maps, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_meters_agree_with_one_image_at_a_time(script):
    clean, masked, other = [0.9, 0.5, 0.0, 0.4], [0.3, 0.7, 0.2, 0.4], [0.1, 0.1, 0.0, 0.8]
    known = script.scripted_evaluation(
        variants=False, class_maps=Maps(torch.ones(4, 1, 1), ""),
        masked_probabilities=tuple(map(torch.tensor, (clean, masked, other))),
    )  # fmt: skip
    drop, increase = (metric.meter(known).scores() for metric in (AVERAGE_DROP, AVERAGE_INCREASE))
    np.testing.assert_allclose(drop.values, list(map(naive_drop, clean, masked)), rtol=1e-6)
    np.testing.assert_allclose(drop.chance, list(map(naive_drop, clean, other)), rtol=1e-6)
    assert increase.values.tolist() == [0, 1, 1, 0]
    assert increase.chance.tolist() == [0, 0, 0, 1]


def naive_similarity_drop(s, o):
    if s == o:
        return 0.0
    if s >= 0 > o:
        return 1.0
    if s >= 0:
        return max(0.0, s - o) / s if s > o else 0.0
    return 1 - s / o if o < s else 0.0  # s = -d: how much of the new distance is new


@EXAMPLES
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=6))
def test_drops_of_similarities_agree_with_one_pair_at_a_time(pairs):
    clean, noised = (torch.tensor(column, dtype=torch.float64) for column in zip(*pairs, strict=True))
    expected = [naive_similarity_drop(s, o) for s, o in pairs]
    np.testing.assert_allclose(similarity_drop(clean, noised), expected, rtol=1e-9, atol=1e-12)
    assert similarity_increase(clean, noised).tolist() == [float(o > s) for s, o in pairs]


class Spread(TinyModel):
    """Its prototype maps weigh pixels by their brightness times a pattern of the prototype's own, with ties."""

    def attribute_prototypes(self, images, prototypes):
        side = images.shape[-1]
        pattern = (torch.arange(side * side).view(1, side, side) * (prototypes[:, None, None] + 2)) % 7 - 3
        return images.sum(1).round() * pattern


class Distances(Spread):
    """Negative similarities."""


class Positive(Spread):
    """The same order, but similarities above 0."""

    def forward(self, images):
        found = super().forward(images)
        return replace(found, similarities=found.similarities.exp())


def naive_variant(evaluation):
    """Drop and increase of every image, averaged over the prototypes of its true class."""
    model, sample, noise = evaluation.model, evaluation.sample, evaluation.reference.noise
    drops, increases = [], []
    for image, label, white in zip(sample.images, sample.labels.tolist(), noise, strict=True):
        own = [j for j, c in enumerate(model.prototypes.classes.tolist()) if c == label]
        pairs = []
        for j in own:
            relevance = model.attribute_prototypes(image[None], torch.tensor([j]))[0]
            order = sorted(np.ndindex(*relevance.shape), key=lambda at: (abs(float(relevance[at])), at))
            seen = image.clone()
            for row, column in order[: len(order) // 2]:
                seen[:, row, column] = white[:, row, column]
            with torch.no_grad():
                pairs.append(tuple(float(model(x[None]).similarities[0, j]) for x in (image, seen)))
        drops.append(np.mean([naive_similarity_drop(s, o) for s, o in pairs]))
        increases.append(np.mean([o > s for s, o in pairs]))
    return drops, increases


@pytest.mark.parametrize("kind", [Distances, Positive])
def test_the_variant_agrees_with_one_image_one_prototype_and_one_pixel_at_a_time(kind):
    evaluation = make_evaluation(kind, variants=True)
    found = read_meters(evaluation, [AVERAGE_DROP, AVERAGE_INCREASE])
    drops, increases = naive_variant(make_evaluation(kind, variants=True))
    series = [found[name].variants["similarity, half noise"] for name in ("average_drop", "average_increase")]
    np.testing.assert_allclose(series[0], drops, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(series[1], increases)
    assert 0 < float(series[0].max()) <= 1


def test_the_variant_costs_a_map_and_a_pass_a_prototype_and_a_pass_an_image_in_batches():
    evaluation = make_evaluation(Distances, variants=True, explained_images=9, batch_size=6)
    asked = []
    evaluation.model.attribute_prototypes = lambda images, prototypes: (asked.append(len(images)), images.sum(1))[1]
    with evaluation.counter:
        evaluation.noised_similarities  # noqa: B018 - computed here
    assert asked == [6, 6, 6]  # nine images, two prototypes of each class
    assert (evaluation.counter.passes, evaluation.counter.images) == (3 + 2, 18 + 9)


def test_a_model_without_prototype_maps_has_no_variant():
    class OnlyClassMap(TinyModel):
        def attribute_prototypes(self, images, prototypes):
            raise NotOffered("it has no relevance of prototypes")

    found = read_meters(make_evaluation(OnlyClassMap, variants=True), [AVERAGE_DROP, AVERAGE_INCREASE])
    assert all(scores.variants == {} for scores in found.values())


def test_prototypes_of_an_image_count_alike(script):
    """Image 0 has two prototypes, image 1 one: drops of 1/2 and 0, and of 3/4."""
    known = script.scripted_evaluation(
        class_maps=Maps(torch.ones(2, 1, 1), ""), masked_probabilities=(torch.ones(2), torch.ones(2), None),
        noised_similarities=Similarities(*map(torch.tensor, ([-1.0, 3, 4], [-2.0, 4, 1], [0, 0, 1]))),
    )  # fmt: skip
    drop, increase = (metric.meter(known).scores().variants for metric in (AVERAGE_DROP, AVERAGE_INCREASE))
    assert drop["similarity, half noise"].tolist() == [0.25, 0.75]
    assert increase["similarity, half noise"].tolist() == [0.5, 0]
