"""Ghosting, Eq. 1 of [K], by loops over points and prototypes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sembench.metrics.ghosting import GHOSTING, ghosting

COVERS = ("ghosting",)

EXAMPLES = settings(max_examples=80, derandomize=True, deadline=None, database=None)
SHARED = -1


def naive_ghosting(similarities, labels, classes, scope):
    """A prototype is ghosted if it is never the most similar one of any point of its class; -1 is of every class."""
    ghosted = [1.0] * len(classes)
    for row, label in zip(similarities, labels, strict=True):
        own = [j for j, c in enumerate(classes) if c in (label, SHARED)]
        pool = own if scope == "own" else list(range(len(classes)))
        if not pool:
            continue
        winner = pool[0]
        for j in pool:
            if row[j] > row[winner]:  # strictly: the first one wins a tie
                winner = j
        if winner in own:
            ghosted[winner] = 0.0
    return ghosted


@st.composite
def cases(draw):
    """Few distinct similarities, so that ties are common; classes without prototypes and without points too."""
    classes = draw(st.lists(st.sampled_from([SHARED, 0, 1, 2]), min_size=1, max_size=6))
    labels = draw(st.lists(st.integers(0, 3), max_size=8))
    quarters = st.integers(-4, 4).map(lambda k: k / 4)
    similarities = draw(npst.arrays(np.float64, (len(labels), len(classes)), elements=quarters))
    return similarities, labels, classes


def as_tensors(similarities, labels, classes):
    return torch.from_numpy(similarities), torch.tensor(labels, dtype=torch.int64), torch.tensor(classes)


@pytest.mark.parametrize("scope", ["own", "all"])
@EXAMPLES
@given(case=cases())
def test_ghosting_agrees_with_loops(scope, case):
    assert ghosting(*as_tensors(*case), scope=scope).tolist() == naive_ghosting(*case, scope)


@pytest.mark.parametrize("scope", ["own", "all"])
@EXAMPLES
@given(case=cases(), cut=st.integers(0, 8))
def test_chunks_of_points_combine_by_their_minimum(scope, case, cut):
    similarities, labels, classes = as_tensors(*case)
    parts = [
        ghosting(similarities[rows], labels[rows], classes, scope=scope) for rows in (slice(cut), slice(cut, None))
    ]
    assert torch.equal(torch.minimum(*parts), ghosting(similarities, labels, classes, scope=scope))


@EXAMPLES
@given(case=cases())
def test_the_meter_agrees_with_loops_over_images(script, case):
    similarities, labels, classes = as_tensors(*case)
    meter = GHOSTING.meter(script.scripted_evaluation(script.Scripted(classes)))
    scores = script.show(meter, "train", labels, similarities=similarities)
    assert scores.values.tolist() == naive_ghosting(*case, "own")
    assert scores.variants["scope=all"].tolist() == naive_ghosting(*case, "all")


def test_the_meter_agrees_with_loops_over_cells_where_cells_are_compared(script):
    maps = torch.randint(0, 5, (7, 4, 3, 2), generator=torch.Generator().manual_seed(0)) / 4
    labels, classes = [0, 1, 2, 0, 1, 2, 0], [0, 0, 1, SHARED]
    meter = GHOSTING.meter(script.scripted_evaluation(script.Scripted(classes, points="cell")))
    scores = script.show(meter, "train", labels, similarity_maps=maps)
    cells, cell_labels = [], []
    for image, label in zip(maps.tolist(), labels, strict=True):
        for y in range(3):
            for x in range(2):
                cells.append([image[j][y][x] for j in range(4)])
                cell_labels.append(label)
    assert scores.values.tolist() == naive_ghosting(cells, cell_labels, classes, "own")
    assert scores.variants["scope=all"].tolist() == naive_ghosting(cells, cell_labels, classes, "all")
