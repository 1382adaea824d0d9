"""A few digits and a narrow ResNet trained on them for a moment: enough for every method to have something to explain.

Images of 33 pixels give feature maps of 9, 5, 3 and 2 cells a side, so interpolation never has a round factor.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import numpy as np
import pytest
import torch

from sembench.backbones.backbone import Backbone, built, freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.data.dataset import Dataset, Split, make_dataset
from sembench.data.sets.digits import digits
from sembench.seeding import generator, isolated
from sembench.training.classifier import Training, train_backbone
from sembench.training.stages import Session

TRAIN_PER_CLASS = 12
TEST_PER_CLASS = 2
SIDE = 33
RECIPE = Training(epochs=4, learning_rate=0.05, momentum=0.9, weight_decay=0, batch_size=24)


def first_of_each_class(split: Split, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images of every class, classes taking turns, so that batches are mixed."""
    columns = [(split.labels == label).nonzero()[:count, 0] for label in range(split.n_classes)]
    picks = torch.stack(columns, 1).flatten()
    return split.pixels[picks], split.labels[picks]


@pytest.fixture(scope="session")
def data() -> Dataset:
    whole = digits(image_size=SIDE)
    return make_dataset(
        "a few digits",
        whole.classes,
        train=first_of_each_class(whole.train, TRAIN_PER_CLASS),
        test=first_of_each_class(whole.test, TEST_PER_CLASS),
        image_size=SIDE,
        licence=whole.licence,
        source=whole.source,
    )


@pytest.fixture(scope="session")
def train(data: Dataset) -> Split:
    return data.train


@pytest.fixture(scope="session")
def images(data: Dataset) -> torch.Tensor:
    """Twenty normalised test images, two of each class."""
    return data.test.batch(torch.arange(len(data.test))).images


@pytest.fixture(scope="session")
def backbone(train: Split) -> Backbone:
    with isolated(0):
        network = built(partial(resnet10_narrow, train.n_classes))
    train_backbone(network, train, RECIPE, Session(seed=0))
    return freeze(network)


@pytest.fixture(scope="session")
def embeddings(backbone: Backbone, train: Split) -> torch.Tensor:
    """Embeddings of all training images."""
    with torch.no_grad():
        return torch.cat([backbone.embed(batch.images) for batch in train.batches(64)])


@pytest.fixture
def source() -> torch.Generator:
    """The generator that a fit draws from."""
    return generator(7, "fit")


@pytest.fixture
def global_streams_untouched() -> Callable[[], AbstractContextManager[None]]:
    """A context that fails if anything inside draws from torch's, NumPy's or Python's global stream."""

    @contextmanager
    def watch() -> Iterator[None]:
        before = torch.get_rng_state(), np.random.get_state(), random.getstate()
        yield
        assert torch.equal(torch.get_rng_state(), before[0])
        after = np.random.get_state()
        assert after[0] == before[1][0]
        assert np.array_equal(after[1], before[1][1])
        assert after[2:] == before[1][2:]
        assert random.getstate() == before[2]

    return watch
