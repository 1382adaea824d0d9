"""Training sets that a network of one convolution learns in a blink, and a checkpoint that outlives a training."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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


class Memory:
    """A checkpoint in memory that goes through JSON and copies, as a file would."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.facts: str | None = None
        self.saves = 0

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        if self.facts is None:
            return None
        return {name: value.clone() for name, value in self.tensors.items()}, json.loads(self.facts)

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
        self.facts = json.dumps(facts)
        self.saves += 1


@pytest.fixture
def checkpoint() -> Memory:
    return Memory()


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
