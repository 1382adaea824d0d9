"""ProtoVAE's encoder with a linear classifier: the architecture, its relevance, and what does not apply to it."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sembench.backbones.backbone import built, freeze
from sembench.backbones.protovae_cnn import conv_level, protovae_cnn
from sembench.errors import SuiteInvalid
from sembench.plugins.registry import BACKBONES, EXPLAINERS
from sembench.relevance.conservation import conserved_share
from sembench.relevance.propagation import black_box_relevance
from sembench.seeding import generator, isolated
from sembench.types import Trait

CLASSES = 6
SIDE = 32


@pytest.fixture(scope="module")
def images():
    return torch.randn(4, 3, SIDE, SIDE, generator=generator(0, "images"))


@pytest.fixture(scope="module")
def backbone(images):
    """The network with statistics of these images in its batch norm, frozen."""
    with isolated(0):
        network = built(lambda: protovae_cnn(CLASSES, image_size=SIDE)).train()
    with torch.no_grad():
        for _ in range(20):
            network(images)
    return freeze(network)


def normalised(maps, norm):
    """Batch norm in evaluation mode, written out."""
    mean, variance, weight, bias = (
        value[:, None, None] for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (maps - mean) / (variance + norm.eps).sqrt() * weight + bias


def test_it_is_two_levels_and_two_linear_layers_as_published(backbone, images):
    maps = images
    for block, channels in zip(backbone.blocks, (32, 64), strict=True):
        convolution, _, norm, _ = block
        assert convolution.weight.shape[0] == channels
        maps = normalised(F.conv2d(maps, convolution.weight, convolution.bias, padding=1).relu(), norm)
        maps = maps.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean((3, 5))
    _, first, _, second = backbone.pool
    hidden = (maps.flatten(1) @ first.weight.T + first.bias).relu()
    embeddings = hidden @ second.weight.T + second.bias
    torch.testing.assert_close(backbone.feature_maps(images)[-1], maps, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(backbone.embed(images), embeddings, rtol=1e-4, atol=1e-5)
    logits = embeddings @ backbone.classifier.weight.T + backbone.classifier.bias
    torch.testing.assert_close(backbone(images), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("side", "cells"), [(32, (16, 8)), (33, (16, 8)), (4, (2, 1))])
def test_each_block_halves_the_resolution(side, cells):
    network = protovae_cnn(CLASSES, image_size=side).eval()
    maps = network.feature_maps(torch.zeros(2, 3, side, side))
    assert [tuple(m.shape[1:]) for m in maps] == [(32, cells[0], cells[0]), (64, cells[1], cells[1])]
    assert (network.channels, network.dimension, network.n_classes) == (64, 512, CLASSES)
    assert network(torch.zeros(2, 3, side, side)).shape == (2, CLASSES)


@pytest.mark.parametrize("side", [32, 33])
def test_a_strided_level_gives_maps_of_the_same_size_as_a_pooled_one(side):
    image = torch.zeros(1, 3, side, side)
    pooled, strided = (conv_level(3, 8, halving).eval()(image) for halving in ("pool", "stride"))
    assert pooled.shape == strided.shape == (1, 8, 16, 16)


def test_a_strided_level_is_a_4x4_convolution_with_relu_and_batch_norm():
    kinds = [type(layer) for layer in conv_level(3, 8, "stride")]
    assert kinds == 2 * [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
    strided = conv_level(3, 8, "stride")[3]
    assert (strided.in_channels, strided.kernel_size, strided.stride, strided.padding) == (8, (4, 4), (2, 2), (1, 1))


def test_relevance_is_conserved_down_to_the_pixels(backbone, images):
    shares = conserved_share(backbone, images)
    torch.testing.assert_close(shares, torch.ones(len(images)), rtol=0.02, atol=0)
    assert black_box_relevance(backbone, images).shape == (len(images), SIDE, SIDE)


def test_it_lacks_a_linear_head_and_nothing_else(backbone):
    assert backbone.traits == frozenset(Trait) - {Trait.LINEAR_HEAD}
    assert "two linear layers" in EXPLAINERS.get("cnn")().obstacle(backbone)
    for name in ("kmex", "protopnet", "flint", "protovae"):
        assert EXPLAINERS.get(name)().obstacle(backbone) is None


def test_it_is_registered_and_can_be_made_again_with_initial_weights(backbone):
    assert BACKBONES.get("protovae-cnn") is protovae_cnn
    with isolated(0):
        again = backbone.renewed()
    before = copy.deepcopy(backbone.classifier.weight)
    assert again.classifier.weight.shape == before.shape
    assert again(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, CLASSES)
    assert torch.equal(backbone.classifier.weight, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 32, "weights": "imagenet"}, "protovae-cnn has no published weights; got 'imagenet'"),
        ({"image_size": 3}, "got 3 pixels, at least 4 are needed"),
    ],
)
def test_what_it_cannot_be_is_refused(options, message):
    with pytest.raises(SuiteInvalid, match=message):
        protovae_cnn(CLASSES, **options)
