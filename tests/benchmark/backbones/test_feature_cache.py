"""Feature maps that a frozen network recalls: the same bits, the same counts, and never those of another network."""

import copy
import pickle

import pytest
import torch
from torch import nn

from sembench.backbones.backbone import Backbone, every_pass_made, freeze
from sembench.backbones.feature_cache import FeatureCache
from sembench.cost import PassCounter
from sembench.seeding import generator, isolated


class Counted(nn.Conv2d):
    """A convolution that counts its calls."""

    calls = 0

    def forward(self, images):
        self.calls += 1
        return super().forward(images)


@pytest.fixture
def network():
    with isolated(0):
        blocks = [nn.Sequential(Counted(3, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU())]
        backbone = freeze(Backbone(blocks, nn.Linear(6, 2)))
    backbone.feature_cache = FeatureCache(1_000_000)
    return backbone


@pytest.fixture
def images():
    return torch.randn(5, 3, 8, 8, generator=generator(0, "images"))


def calls(network):
    return network.blocks[0][0].calls


@torch.no_grad()
def test_what_is_recalled_equals_what_was_computed_to_the_last_bit(network, images):
    maps, embedding, logits = network.feature_maps(images), network.embed(images), network(images)
    assert calls(network) == 1
    network.feature_cache = None
    for found, expected in zip(maps, network.feature_maps(images), strict=True):
        assert torch.equal(found, expected)
        assert found.stride() == expected.stride()
    assert torch.equal(embedding, network.embed(images))
    assert torch.equal(logits, network(images))


@torch.no_grad()
def test_passes_and_their_time_count_as_if_they_had_been_made(network, images):
    with PassCounter(network) as first:
        network(images)
    with PassCounter(network) as second:
        network.feature_maps(images)
        network.features(images)
        with second.paused():
            network(images)
    assert (first.passes, first.images, first.recalled_seconds) == (1, 5, 0)
    assert (second.passes, second.images) == (2, 10)
    assert second.recalled_seconds > 0
    assert network.feature_cache.watchers == []


@torch.no_grad()
def test_a_caller_who_writes_into_the_maps_spoils_nothing(network, images):
    expected = [part.clone() for part in network.feature_maps(images)]
    for _ in range(2):
        for part in network.feature_maps(images):
            part.zero_()
    for found, before in zip(network.feature_maps(images), expected, strict=True):
        assert torch.equal(found, before)


@torch.no_grad()
@pytest.mark.parametrize(
    "other",
    [
        lambda x: x + 1e-6,
        lambda x: x[:4],
        lambda x: x.flip(0),
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3),
    ],
    ids=["other values", "fewer images", "another order", "another memory order", "another shape of memory"],
)
def test_other_images_are_computed(network, images, other):
    network(images)
    network(other(images))
    assert calls(network) == 2


def test_with_gradients_or_in_training_every_pass_is_made(network, images):
    network(images)
    network(images)
    with torch.no_grad():
        network.train()
        network(images)
        network(images)
    assert calls(network) == 4
    assert network.feature_cache.held == 0


@torch.no_grad()
def test_for_a_hook_every_pass_is_made(network, images):
    network(images)
    seen = []
    handle = network.blocks[1][0].register_forward_hook(lambda *found: seen.append(found))
    network(images)
    handle.remove()
    network(images)
    assert (calls(network), len(seen)) == (2, 1)


@torch.no_grad()
def test_where_time_is_measured_every_pass_is_made(network, images):
    network(images)
    with every_pass_made(network):
        network(images)
    network(images)
    assert calls(network) == 2
    network.feature_cache = None
    with every_pass_made(network):
        network(images)
    assert calls(network) == 3


@torch.no_grad()
def test_a_copy_with_other_weights_recalls_nothing(network, images):
    network(images)
    other = copy.deepcopy(network)
    assert other.feature_cache is None
    other.blocks[0][0].weight.mul_(2)
    assert not torch.equal(other(images), network(images))


def test_it_is_stored_empty():
    full = FeatureCache(1000)
    full.maps(torch.zeros(1, 3, 2, 2), lambda x: [x])
    again = pickle.loads(pickle.dumps(full))
    assert (full.held, again.held, again.limit) == (48, 0, 1000)


def test_it_holds_no_more_than_it_may_and_forgets_nothing_for_it():
    feature_cache, computed = FeatureCache(100), []

    def compute(images):
        computed.append(images.sum().item())
        return [images]

    for value in (1.0, 2.0, 3.0, 1.0, 2.0, 3.0):
        feature_cache.maps(torch.full((1, 3, 2, 2), value), compute)
    assert feature_cache.held == 96
    assert computed == [12, 24, 36, 36]
