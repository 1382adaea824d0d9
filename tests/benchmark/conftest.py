"""Training sets that a network of one convolution learns in a blink."""

from pathlib import Path

import pytest
import torch
from torch import nn

import own_networks
from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.data.normalisation import Normalisation
from sembench.seeding import generator, isolated

CLASSES = 3
SIDE = 8


def coloured(count: int) -> Split:
    """Noisy images whose brightest colour channel is their class."""
    labels = torch.arange(count) % CLASSES
    pixels = 0.3 * torch.rand(count, 3, SIDE, SIDE, generator=generator(0, "pixels"))
    pixels[torch.arange(count), labels] += 0.5
    return Split(pixels, labels, SIDE, Normalisation((0.3,) * 3, (0.25,) * 3), CLASSES)


@pytest.fixture
def toy() -> Split:
    """Thirty images that a linear model can tell apart."""
    return coloured(30)


def fresh(name: str = "weights") -> Backbone:
    """A small network with batch norm, always with the same initial weights."""
    with isolated(len(name)):
        block = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
        return Backbone([block], nn.Linear(6, CLASSES))


@pytest.fixture
def make():
    """Makes the untrained network anew."""
    return fresh


@pytest.fixture(scope="session")
def own():
    """The module `own_networks`: networks as users bring them."""
    return own_networks


@pytest.fixture(scope="session")
def own_file():
    """Where these networks stand."""
    return Path(own_networks.__file__)
