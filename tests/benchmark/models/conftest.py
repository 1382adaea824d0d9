"""Training sets that a network of one convolution learns in a blink."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from benchmark.data.dataset import Normalisation, Split
from benchmark.models.backbone import Backbone
from benchmark.seeding import generator, isolated

CLASSES = 3
SIDE = 8


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are faster on one thread, and much faster where other processes are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
