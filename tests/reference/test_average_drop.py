"""Average drop and increase, section 4.1 of Grad-CAM++, one image and one pixel at a time."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sembench.evaluation.perturbation import mask
from sembench.metrics.average_drop import AVERAGE_DROP, AVERAGE_INCREASE, average_drop, average_increase

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
    known = script.scripted_evaluation(masked_probabilities=tuple(map(torch.tensor, (clean, masked, other))))
    drop, increase = (metric.meter(known).scores() for metric in (AVERAGE_DROP, AVERAGE_INCREASE))
    np.testing.assert_allclose(drop.values, list(map(naive_drop, clean, masked)), rtol=1e-6)
    np.testing.assert_allclose(drop.chance, list(map(naive_drop, clean, other)), rtol=1e-6)
    assert increase.values.tolist() == [0, 1, 1, 0]
    assert increase.chance.tolist() == [0, 0, 0, 1]
