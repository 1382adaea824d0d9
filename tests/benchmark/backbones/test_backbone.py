"""A backbone: blocks, average pool, linear layer, and the different ways to ask it."""

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.seeding import generator, isolated


@pytest.fixture(scope="module")
def backbone():
    with isolated(0):
        return freeze(resnet10_narrow(7))


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 33, 40, generator=generator(0, "images"))


def test_feature_maps_come_shallow_to_deep_one_a_block(backbone, images):
    maps = backbone.feature_maps(images)
    assert [tuple(m.shape) for m in maps] == [(3, 32, 9, 10), (3, 64, 5, 5), (3, 128, 3, 3), (3, 256, 2, 2)]
    value = images
    for block, activation in zip(backbone.blocks, maps, strict=True):
        value = block(value)
        assert torch.equal(value, activation)


def test_features_are_the_last_feature_map(backbone, images):
    assert torch.equal(backbone.features(images), backbone.feature_maps(images)[-1])


def test_the_embedding_is_the_mean_over_cells(backbone, images):
    embeddings = backbone.embed(images)
    assert embeddings.shape == (3, backbone.dimension)
    torch.testing.assert_close(embeddings, backbone.features(images).mean((2, 3)))
    assert torch.equal(embeddings, backbone.average(backbone.features(images)))


def test_logits_are_the_classifier_s_answer_to_the_embedding(backbone, images):
    logits = backbone(images)
    assert logits.shape == (3, backbone.n_classes)
    assert torch.equal(logits, backbone.classifier(backbone.embed(images)))
    by_hand = backbone.embed(images) @ backbone.classifier.weight.T + backbone.classifier.bias
    torch.testing.assert_close(logits, by_hand)


def test_it_knows_its_numbers_of_classes_and_channels_and_its_device(backbone):
    assert (backbone.n_classes, backbone.dimension) == (7, 256)
    assert backbone.device == torch.device("cpu")


def test_freezing_takes_gradients_and_training_mode_away_and_changes_no_weight():
    with isolated(0):
        network = resnet10_narrow(3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert network.training
    assert freeze(network) is network
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_frozen_backbone_does_not_change_by_being_used(backbone, images):
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    first = backbone(images)
    assert not first.requires_grad
    assert torch.equal(backbone(images), first)
    after = backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_image_has_the_same_logits_alone_and_in_a_batch(backbone, images):
    together = backbone(images)
    for index in range(len(images)):
        torch.testing.assert_close(backbone(images[index : index + 1])[0], together[index], rtol=1e-4, atol=1e-5)


def test_any_network_of_this_form_can_be_a_backbone():
    network = freeze(Backbone([nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)], nn.Linear(5, 2)))
    images = torch.zeros(2, 3, 9, 9)
    assert [tuple(m.shape) for m in network.feature_maps(images)] == [(2, 4, 7, 7), (2, 5, 5, 5)]
    assert network(images).shape == (2, 2)
