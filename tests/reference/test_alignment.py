"""Alignment, first table of [C], cosine by cosine."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sembench.metrics.alignment import ALIGNMENT_CLASS, ALIGNMENT_OUT, alignment

COVERS = ("alignment_class", "alignment_out")

EXAMPLES = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def naive_cosine(a, b):
    norms = math.sqrt(math.fsum(x * x for x in a)) * math.sqrt(math.fsum(x * x for x in b))
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / norms if norms else 0.0


def naive_alignment(prototypes, classes, embeddings, labels):
    inside, outside = [], []
    for prototype, own in zip(prototypes, classes, strict=True):
        same = [naive_cosine(prototype, z) for z, label in zip(embeddings, labels, strict=True) if label == own]
        other = [naive_cosine(prototype, z) for z, label in zip(embeddings, labels, strict=True) if label != own]
        inside.append(sum(same) / len(same))
        outside.append(sum(other) / len(other))
    return inside, outside


@st.composite
def cases(draw):
    """Every class has an embedding; zero vectors among prototypes and embeddings."""
    dimension = draw(st.integers(1, 4))
    labels = [0, 1, 2, *draw(st.lists(st.integers(0, 2), max_size=6))]
    classes = draw(st.lists(st.integers(0, 2), min_size=1, max_size=5))
    quarters = st.integers(-6, 6).map(lambda k: k / 4)
    prototypes, embeddings = (
        draw(npst.arrays(np.float64, (count, dimension), elements=quarters)) for count in (len(classes), len(labels))
    )
    return prototypes, classes, embeddings, labels


@EXAMPLES
@given(cases())
def test_alignment_agrees_with_the_mean_of_single_cosines(case):
    prototypes, classes, embeddings, labels = case
    got = alignment(
        torch.from_numpy(prototypes), torch.tensor(classes), torch.from_numpy(embeddings), torch.tensor(labels)
    )
    np.testing.assert_allclose(got, naive_alignment(*case), rtol=1e-12, atol=1e-13)


def read(script, points, prototypes, classes, labels, metric):
    meter = metric.meter(script.scripted_evaluation(script.Scripted(classes, prototypes)))
    return script.show(meter, "train", labels, embeddings=points)


def test_meters_agree_with_the_mean_of_single_cosines_of_images(script):
    source = torch.Generator().manual_seed(0)
    points = torch.randn(10, 4, generator=source, dtype=torch.float64)
    prototypes = torch.randn(5, 4, generator=source, dtype=torch.float64)
    labels, classes = [0, 1, 2, 2, 2, 1, 0, 0, 0, 0], [0, 1, 2, 2, 0]
    inside, outside = naive_alignment(prototypes.tolist(), classes, points.tolist(), labels)
    own = read(script, points, prototypes, classes, labels, ALIGNMENT_CLASS)
    other = read(script, points, prototypes, classes, labels, ALIGNMENT_OUT)
    np.testing.assert_allclose(own.values, inside, rtol=1e-12)
    np.testing.assert_allclose(own.chance, outside, rtol=1e-12)
    np.testing.assert_allclose(other.values, outside, rtol=1e-12)


def test_meters_agree_with_the_mean_of_single_cosines_of_cells(script):
    source = torch.Generator().manual_seed(1)
    points = torch.randn(10, 4, 2, 3, generator=source, dtype=torch.float64)
    prototypes = torch.randn(5, 4, generator=source, dtype=torch.float64)
    labels, classes = [0, 1, 2, 2, 2, 1, 0, 0, 0, 0], [0, 1, 2, 2, 0]
    cells, cell_labels = [], []
    for image, label in zip(points, labels, strict=True):
        for y in range(2):
            for x in range(3):
                cells.append(image[:, y, x].tolist())
                cell_labels.append(label)
    inside, outside = naive_alignment(prototypes.tolist(), classes, cells, cell_labels)
    np.testing.assert_allclose(
        read(script, points, prototypes, classes, labels, ALIGNMENT_CLASS).values, inside, rtol=1e-12
    )
    np.testing.assert_allclose(
        read(script, points, prototypes, classes, labels, ALIGNMENT_OUT).values, outside, rtol=1e-12
    )
