"""A black box on a data set, as every entry that is paired with it sees it."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Dataset, Split
from sembench.relevance.propagation import Bias, black_box_relevance, headless_relevance
from sembench.seeding import generator, uniform_per_image
from sembench.suites.suite import EvaluationSpec
from sembench.types import Batch


class Relevance(Protocol):
    """A relevance map of a network."""

    def __call__(self, backbone: Backbone, images: Tensor, *, bias: Bias) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, H, W)``."""


def explained_sample(test: Split, count: int, *, seed: int, name: str) -> Tensor:
    """The test images that are explained: class-balanced [ours], seeded, in data set order.

    Args:
        test: The test split.
        count: Images to draw; as many from each class as possible, at most the whole split.
        seed: Seed of the run.
        name: Name of the data set.

    Returns:
        Sorted data set indices ``(min(count, N),)``.
    """
    order = torch.randperm(len(test), generator=generator(seed, name, "explained images"))
    return test.in_turn(order, count)


class Reference:
    """Predictions and relevance maps of a black box on a data set, shared by every entry that is paired with it.

    Args:
        backbone: The black box.
        dataset: The data set.
        seed: Seed of the run.
        settings: How models are evaluated.
    """

    def __init__(self, backbone: Backbone, dataset: Dataset, seed: int, settings: EvaluationSpec) -> None:
        self.backbone = backbone
        self.dataset = dataset
        self.seed = seed
        self.settings = settings
        self._maps: dict[tuple[Relevance, Bias], Tensor] = {}

    @cached_property
    def predictions(self) -> Tensor:
        """The black box's classes of the test images ``(N,)``, int64. One pass over the test split."""
        device, test = self.backbone.device, self.dataset.test
        with torch.no_grad():
            found = [self.backbone(b.images.to(device)).argmax(1).cpu() for b in test.batches(self.settings.batch_size)]
        return torch.cat(found)

    @property
    def correct(self) -> Tensor:
        """1 where the black box is right on a test image, else 0: ``(N,)``, float64."""
        return (self.predictions == self.dataset.test.labels).double()

    @cached_property
    def sample(self) -> Batch:
        """The explained test images, on the CPU."""
        count = self.settings.explained_images
        indices = explained_sample(self.dataset.test, count, seed=self.seed, name=self.dataset.name)
        return self.dataset.test.batch(indices)

    def relevance(self, bias: Bias) -> Tensor:
        """The black box's relevance maps of the sample, ``(n, H, W)``, on the CPU. One attribution an image, once."""
        return self._kept(black_box_relevance, bias)

    def headless(self, bias: Bias) -> Tensor:
        """The network's relevance maps without its head, ``(n, H, W)``, on the CPU. One attribution an image, once."""
        return self._kept(headless_relevance, bias)

    def _kept(self, attribute: Relevance, bias: Bias) -> Tensor:
        if (attribute, bias) not in self._maps:
            chunks = self.sample.images.to(self.backbone.device).split(self.settings.batch_size)
            self._maps[attribute, bias] = torch.cat([attribute(self.backbone, x, bias=bias).cpu() for x in chunks])
        return self._maps[attribute, bias]

    @cached_property
    def noise(self) -> Tensor:
        """White noise per image: uniform in pixel space [ours], then normalised; ``(n, 3, H, W)``."""
        shape = self.sample.images.shape[1:]
        pixels = uniform_per_image(self.seed, self.dataset.name, "noise", indices=self.sample.indices, shape=shape)
        return self.dataset.test.normalisation(pixels)

    @cached_property
    def random_order(self) -> Tensor:
        """Random numbers per pixel that order the pixels of the random curve, ``(n, H, W)``."""
        shape = self.sample.images.shape[2:]
        return uniform_per_image(self.seed, self.dataset.name, "random order", indices=self.sample.indices, shape=shape)
