import pytest
import torch

from sembench.errors import NotOffered
from sembench.figures.neighbours import neighbours
from sembench.metrics.ghosting import ghosting
from sembench.types import as_points


def test_nearest_training_images_are_those_of_the_class_with_the_brightest_quarter(subject):
    found = neighbours(subject(), 2)
    # class 0 are images 0, 2, 3, 4; quarter 0 is brightest in 0, then 2; quarter 2 in 3, then 0 (all others equal).
    assert found.images.tolist() == [[0, 2], [1, 5], [3, 0], [1, 5]]
    assert found.grid is None
    assert (found.cells == -1).all()


def test_a_prototype_explains_the_images_of_its_class_that_it_is_most_like(subject):
    found = neighbours(subject(), 1)
    assert found.explains.tolist() == [3, 2, 1, 0]
    assert found.ghosted.tolist() == [False, False, False, True]


@pytest.mark.parametrize("kind", ["image", "cell"])
def test_ghosts_are_those_that_the_metric_counts(subject, models, kind):
    own = subject(models[kind])
    train = own.dataset.train
    explanation = own.explain(train.batch(torch.arange(len(train))))
    similarities, labels = explanation.similarities, train.labels
    if kind == "cell":
        similarities, labels = as_points(explanation.similarity_maps), labels.repeat_interleave(4)
    expected = ghosting(similarities, labels, own.model.prototypes.classes)
    assert neighbours(own, 1).ghosted.double().tolist() == expected.tolist()


def test_the_most_similar_cell_is_named(subject, models):
    found = neighbours(subject(models["cell"]), 1)
    assert found.grid == (2, 2)
    assert found.images[0].tolist() == [0]  # the first of the brightest images of class 0
    assert found.cells[0, 0].tolist() == [0, 0]
    assert found.explains.tolist() == [16, 8]  # each cell of a class counts for its only prototype


def test_with_fewer_images_than_asked_the_rest_is_minus_one(subject):
    assert neighbours(subject(), 5).images[1].tolist() == [1, 5, -1, -1, -1]


def test_without_similarities_the_reason_is_told(third_party):
    with pytest.raises(NotOffered, match="third party: it does not offer similarities to prototypes"):
        neighbours(third_party, 1)
