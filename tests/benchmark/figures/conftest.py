"""A world whose figures are known beforehand: images of one bright quarter each, a model that sees the quarters."""

import random
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.data.dataset import make_dataset
from sembench.explainers.explainer import SelfExplainableModel
from sembench.figures.subject import Subject
from sembench.types import Capability, Explanation, Prototypes

SIDE = 8
QUARTERS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def image(quarter, brightness=1.0):
    """Grey everywhere, one quarter of another brightness."""
    pixels = torch.full((1, SIDE, SIDE), 0.25)
    row, column = QUARTERS[quarter]
    half = SIDE // 2
    pixels[:, row * half : (row + 1) * half, column * half : (column + 1) * half] = brightness
    return pixels


def split(entries):
    return torch.stack([image(q, b) for q, b in entries]), torch.tensor([q % 2 for q, _ in entries])


# Classes: 0 for the left quarters (0, 2), 1 for the right ones (1, 3).
TRAIN = [(0, 1.0), (1, 1.0), (0, 0.9), (2, 1.0), (0, 0.8), (1, 0.7)]
TEST = [(0, 1.0), (1, 0.9), (2, 0.8), (3, 1.0)]


class Blocks(nn.Module):
    """The brightness of each quarter, as four channels of one cell, or as one channel of four cells."""

    def forward(self, images):
        return nn.functional.avg_pool2d(images[:, :1], SIDE // 2).flatten(1)[:, :, None, None]


class QuartersModel(SelfExplainableModel):
    """Prototype ``j`` is quarter ``j`` alone; an image is as similar to it as that quarter is bright."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    @property
    def prototypes(self):
        return Prototypes(torch.eye(4), torch.tensor([0, 1, 0, 1]))

    def forward(self, images):
        z = self.backbone.embed(images)
        scores = torch.stack([z[:, [0, 2]].amax(1), z[:, [1, 3]].amax(1)], 1)
        return Explanation(scores, z, embeddings=z)

    def class_probabilities(self, explanation):
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self):
        return torch.eye(4, dtype=torch.float64)

    def attribute(self, images, targets=None):
        return self.attribute_prototypes(images, self(images).similarities.argmax(1))

    def attribute_prototypes(self, images, prototypes):
        relevance = torch.zeros(len(images), SIDE, SIDE)
        half = SIDE // 2
        for place, prototype in enumerate(prototypes.tolist()):
            row, column = QUARTERS[prototype]
            relevance[place, row * half : (row + 1) * half, column * half : (column + 1) * half] = 1
        return relevance


class CellsModel(QuartersModel):
    """The same, but every cell is compared with two prototypes, bright and dark."""

    points = "cell"

    @property
    def prototypes(self):
        return Prototypes(torch.tensor([[3.0], [-1.0]]), torch.tensor([0, 1]))

    def forward(self, images):
        cells = self.backbone.embed(images).view(-1, 1, 2, 2)
        maps = -(cells - self.prototypes.vectors[None, :, :, None]).abs()
        return Explanation(maps.flatten(2).mean(2), maps.flatten(2).mean(2), maps, cells)

    def attribute_prototypes(self, images, prototypes):
        votes = self(images).similarity_maps.argmax(1) == prototypes[:, None, None]
        return nn.functional.interpolate(votes[:, None].float(), size=(SIDE, SIDE))[:, 0]


class ShiftedModel(QuartersModel):
    """The same on an embedding of its own."""

    def forward(self, images):
        found = super().forward(images)
        return Explanation(found.class_scores, found.similarities, embeddings=found.embeddings.flip(1) + 1)


class AttributionsOnly(QuartersModel):
    """What a third party may write: class scores and relevance, and nothing else."""

    @property
    def prototypes(self):
        return Prototypes(torch.empty(0, 4), torch.empty(0, dtype=torch.int64))

    def forward(self, images):
        found = super().forward(images)
        return Explanation(found.class_scores, found.similarities[:, :0])

    def attribute(self, images, targets=None):
        return images.sum(1)

    attribute_prototypes = SelfExplainableModel.attribute_prototypes


@pytest.fixture(scope="session")
def dataset():
    return make_dataset(
        "quarters", ("left", "right"), train=split(TRAIN), test=split(TEST), image_size=SIDE, licence="CC0", source="us"
    )


@pytest.fixture(scope="session")
def network():
    torch_layer = nn.Linear(4, 2, bias=False)
    torch_layer.weight.data = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    return freeze(Backbone([Blocks()], torch_layer))


@pytest.fixture(scope="session")
def subject(dataset, network):
    """Makes a subject of a model's class."""

    def make(model=QuartersModel, name="quarters", supports=frozenset(Capability), lacks=None):
        return Subject(name, model(network).eval(), network, dataset, supports, lacks or {})

    return make


@pytest.fixture(scope="session")
def third_party(subject):
    supports = frozenset({Capability.PROBABILITIES, Capability.ATTRIBUTION})
    return subject(AttributionsOnly, "third party", supports)


@pytest.fixture(scope="session")
def models():
    return {"image": QuartersModel, "cell": CellsModel, "shifted": ShiftedModel, "attributions": AttributionsOnly}


@pytest.fixture
def global_streams():
    """A context that fails if anything inside draws from a global random stream."""

    @contextmanager
    def watch():
        before = torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate()
        yield
        assert torch.equal(torch.get_rng_state(), before[0])
        assert repr(np.random.get_state(legacy=False)) == repr(before[1])
        assert random.getstate() == before[2]

    return watch
