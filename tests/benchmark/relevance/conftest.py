"""Small frozen ResNets with realistic batch-norm statistics, and images without sharp noise."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from sembench.backbones.backbone import Backbone, freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.seeding import generator, isolated

SIDE = 33
CLASSES = 5


def smooth_images(count: int, name: str) -> torch.Tensor:
    noise = torch.randn(count, 3, SIDE + 2, SIDE + 2, generator=generator(0, name))
    return F.avg_pool2d(noise, 3, 1) * 3


def settled(backbone: Backbone) -> Backbone:
    """Frozen, with the statistics of real activations and logits as large as a trained network's."""
    images = smooth_images(16, "images for the running statistics")
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average over all passes, instead of a decaying one
    backbone.train()
    with torch.no_grad():
        for _ in range(3):
            backbone(images)
        freeze(backbone)
        backbone.classifier.weight.mul_(3 / backbone(images).std())
    return backbone


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    return smooth_images(3, "images to explain")


@pytest.fixture(scope="session")
def basic() -> Backbone:
    with isolated(0):
        return settled(resnet10_narrow(CLASSES))


@pytest.fixture(scope="session")
def bottleneck() -> Backbone:
    """One block a stage of ResNet50, as wide as published.

    Much narrower networks lose a thousandth even without biases: a cell that is active by its bias alone has no
    positive contribution to pass relevance to.
    """
    with isolated(0):
        network = ResNet(Bottleneck, [1, 1, 1, 1])
        stem = (network.conv1, network.bn1, network.relu, network.maxpool)
        blocks = [nn.Sequential(*stem, *network.layer1), network.layer2, network.layer3, network.layer4]
        return settled(Backbone(blocks, nn.Linear(network.inplanes, CLASSES)))


@pytest.fixture(params=["basic", "bottleneck"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    """A ResNet of each kind of block."""
    return request.getfixturevalue(request.param)
