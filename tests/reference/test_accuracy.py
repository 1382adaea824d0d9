"""Accuracy, counted one image at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sembench.metrics.accuracy import ACCURACY, ACCURACY_GAP, ACCURACY_TRAIN, accuracy

COVERS = ("accuracy", "accuracy_train", "accuracy_gap")

EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None, database=None)

guesses = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=12)


def naive_accuracy(predictions, labels):
    return [1.0 if guess == truth else 0.0 for guess, truth in zip(predictions, labels, strict=True)]


def read(script, metric, split, rows):
    """What the metric's meter says of these (prediction, label, black box right)."""
    predictions, labels, right = zip(*rows, strict=True)
    known = script.scripted_evaluation(n_classes=4, reference_correct=torch.tensor(right, dtype=torch.float64))
    return script.show(metric.meter(known), split, labels, n_classes=4, predictions=predictions)


@EXAMPLES
@given(guesses)
def test_accuracy_agrees_with_counting(rows):
    predictions, labels, _ = zip(*rows, strict=True)
    assert accuracy(torch.tensor(predictions), torch.tensor(labels)).tolist() == naive_accuracy(predictions, labels)


@pytest.mark.parametrize(("metric", "split"), [(ACCURACY, "test"), (ACCURACY_TRAIN, "train")])
@EXAMPLES
@given(rows=guesses)
def test_meters_agree_with_counting(script, metric, split, rows):
    predictions, labels, _ = zip(*rows, strict=True)
    scores = read(script, metric, split, rows)
    assert scores.values.tolist() == naive_accuracy(predictions, labels)
    assert scores.chance == 1 / 4


@EXAMPLES
@given(rows=guesses)
def test_gap_agrees_with_counting_in_points_image_by_image(script, rows):
    scores = read(script, ACCURACY_GAP, "test", rows)
    for (guess, label, black_box), value, chance in zip(rows, scores.values, scores.chance, strict=True):
        assert value == 100 * ((guess == label) - black_box)
        assert chance == pytest.approx(100 * (1 / 4 - black_box), abs=1e-12)
