"""Relevance of single prototypes: on a network whose channels see different halves, maps must not overlap."""

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.errors import NotOffered
from sembench.figures.overlay import difference
from sembench.plugins.registry import EXPLAINERS
from sembench.types import Prototypes
from sembench_baselines.cnn import CNN
from sembench_baselines.conversion import Embedding, KMExOf
from sembench_baselines.kmex import KMEx, KMExModel
from sembench_baselines.kmex_patches import KMExPatches, KMExPatchesModel

SIDE = 8


@pytest.fixture(scope="module")
def halves():
    """A network with two channels: one sees the left half of the image, the other the right half."""
    first, second = nn.Conv2d(3, 1, 1, bias=False), nn.Conv2d(1, 2, SIDE, bias=False)
    first.weight.data.fill_(1.0)
    second.weight.data.zero_()
    second.weight.data[0, 0, :, : SIDE // 2] = 1.0
    second.weight.data[1, 0, :, SIDE // 2 :] = 1.0
    classifier = nn.Linear(2, 2, bias=False)
    classifier.weight.data = torch.eye(2)
    return freeze(Backbone([nn.Sequential(first, nn.ReLU(), second, nn.ReLU())], classifier))


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) + 0.5


@pytest.fixture(scope="module")
def prototypes(halves, image):
    """Two prototypes of different classes: each agrees with the image in one channel and is far off in the other."""
    z = halves.embed(image)[0]
    return Prototypes(torch.stack([z + torch.tensor([0.0, 90.0]), z + torch.tensor([90.0, 0.0])]), torch.arange(2))


def models(halves, prototypes):
    kmex = KMExModel(halves, prototypes, KMEx())
    converted = KMExOf("kmex", KMEx(), KMEx()).restore(halves, kmex.state_dict() | {
        "base.vectors": prototypes.vectors, "base.classes": prototypes.classes,
    })  # fmt: skip
    assert isinstance(converted.backbone, Embedding)
    return {
        "kmex": kmex,
        "kmex-patches": KMExPatchesModel(halves, prototypes, KMExPatches()),
        "kmex(kmex)": converted,
        "cnn": CNN().fit(halves, None, generator=None),
    }


@pytest.mark.parametrize("name", ["kmex", "kmex-patches", "kmex(kmex)", "cnn"])
def test_maps_of_two_prototypes_of_different_classes_lie_on_different_halves(name, halves, image, prototypes):
    model = models(halves, prototypes)[name]
    left, right = (model.attribute_prototypes(image, torch.tensor([j]))[0] for j in range(2))
    assert left[:, : SIDE // 2].abs().sum() > 0.99 * left.abs().sum() > 0
    assert right[:, SIDE // 2 :].abs().sum() > 0.99 * right.abs().sum() > 0
    assert difference(left.numpy(), right.numpy()) > 0.99


def test_a_prototypes_relevance_sums_to_one_at_the_embedding(backbone, train, images, source):
    model = KMEx(prototypes_per_class=2).fit(backbone, train, generator=source)
    relevance = model.prototype_relevance(backbone.embed(images), torch.arange(len(images)))
    assert relevance.sum(1).tolist() == pytest.approx([1.0] * len(images), abs=1e-4)


def test_on_a_trained_network_maps_of_different_classes_differ(backbone, train, images, source):
    model = KMEx(prototypes_per_class=1).fit(backbone, train, generator=source)
    first = model.attribute_prototypes(images, torch.zeros(len(images), dtype=torch.int64))
    second = model.attribute_prototypes(images, torch.ones(len(images), dtype=torch.int64))
    assert min(difference(a.numpy(), b.numpy()) for a, b in zip(first, second, strict=True)) > 0.01


def test_the_cells_that_vote_for_a_prototype_are_its_relevance(backbone, train, images, source):
    model = EXPLAINERS.get("b4")().fit(backbone, train, generator=source).eval()
    winners = model.explanation_map(images)
    relevance = model.attribute_prototypes(images, winners[:, 0, 0])
    assert (relevance[:, 0, 0] == 1).all()
    absent = torch.tensor([next(j for j in range(50) if j not in row.flatten().tolist()) for row in winners])
    assert (model.attribute_prototypes(images, absent) == 0).all()


def test_what_a_method_does_not_offer_it_says(backbone, train, source):
    model = KMEx().fit(backbone, train, generator=source)
    with pytest.raises(NotOffered, match="KMExModel does not offer decoded images of prototypes"):
        model.decode(model.prototypes.vectors)
    with pytest.raises(NotOffered, match="does not take its prototypes from training images"):
        model.prototype_origins()
    blind = EXPLAINERS.get("blackbox")().fit(backbone, train, generator=source)
    with pytest.raises(NotOffered, match="BlackBoxModel does not offer the relevance of single prototypes"):
        blind.attribute_prototypes(torch.zeros(1, 3, 33, 33), torch.zeros(1, dtype=torch.int64))
