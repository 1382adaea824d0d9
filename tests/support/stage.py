"""What is measured on: the bundled digits, a few hundred of them, and a compact network that nobody trained."""

from __future__ import annotations

import dataclasses
from functools import cached_property, partial

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone, built, freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.data.dataset import Dataset, Split
from sembench.data.sets.digits import digits
from sembench.evaluation.evaluation import Evaluation
from sembench.evaluation.reference import Reference
from sembench.explainers.configuration import recipe
from sembench.explainers.explainer import SelfExplainableModel, TrainedExplainer
from sembench.metrics.metric import Metric
from sembench.metrics.scoring import run_passes
from sembench.seeding import isolated
from sembench.suites.suite import EvaluationSpec
from sembench.types import Capability
from units import golden

TRAINING, TEST, EXPLAINED, STEPS, BATCH = 200, 100, 20, 8, 50
"""Images of the two splits, explained images, points of the curve beyond the first, images a forward pass."""

FITS = {name: facts.get("hyperparameters", {}) for name, facts in golden("explainers").items() if "fit" in facts}
"""Explainers whose fit is measured, with hyper-parameters that make it short."""


class Stage:
    """Everything that workloads need, each made once, when it is first asked for.

    Args:
        training: Training images.
        explained: Test images that are explained.
        batch: Images a forward pass.
    """

    def __init__(self, training: int = TRAINING, explained: int = EXPLAINED, batch: int = BATCH) -> None:
        self.training = training
        self._models: dict[str, SelfExplainableModel] = {}
        self.settings = EvaluationSpec(explained_images=explained, steps=STEPS, batch_size=batch)

    @cached_property
    def dataset(self) -> Dataset:
        """The first digits of both splits at 33 pixels, with five attributes read off label and pixels."""
        whole = digits(image_size=33)
        train, test = _head(whole.train, self.training), _head(whole.test, TEST)
        return dataclasses.replace(
            whole,
            train=train,
            test=test,
            attribute_names=("odd", "high", "round", "bright", "top"),
            supports=whole.supports | {Capability.ATTRIBUTES},
        )

    @cached_property
    def backbone(self) -> Backbone:
        """A frozen network with initial weights, whose batch norms have seen sixty training images."""
        with isolated(0):
            network = built(partial(resnet10_narrow, self.dataset.n_classes))
        with torch.no_grad():
            network.train()(self.dataset.train.batch(torch.arange(60)).images)
        return freeze(network)

    def prepare(self) -> None:
        """Computes now what would otherwise be computed in the first run of a metric, and be taken for its cost."""
        self.reference.relevance(self.model("kmex").bias)
        self.reference.headless(self.model("kmex").bias)
        torch.stack([self.reference.correct.sum(), self.reference.noise.sum(), self.reference.random_order.sum()])

    @cached_property
    def images(self) -> Tensor:
        """The explained images, normalised."""
        return self.reference.sample.images

    @cached_property
    def reference(self) -> Reference:
        """The black box as it is compared with."""
        return Reference(self.backbone, self.dataset, 0, self.settings)

    def fit(self, name: str) -> SelfExplainableModel:
        """An explainer of `FITS`, fitted now."""
        made = recipe(name, FITS[name], "digits")
        if isinstance(made, TrainedExplainer):  # one step an epoch, whatever the size
            made = recipe(name, {**FITS[name], "batch_size": self.training}, "digits")
        source = torch.Generator().manual_seed(0)
        return made.fit(self.backbone, self.dataset.train, generator=source).eval()

    def model(self, name: str) -> SelfExplainableModel:
        """An explainer of `FITS`, fitted once."""
        if name not in self._models:
            self._models[name] = self.fit(name)
        return self._models[name]

    def read(self, metric: Metric) -> Tensor:
        """Scores of one metric on KMEx that shares nothing with others: its passes, attributions, arithmetic."""
        evaluation = Evaluation(self.model("kmex"), self.reference, "measured")
        meter = metric.meter(evaluation)
        run_passes(evaluation, [meter])
        return meter.scores().values


def _head(split: Split, count: int) -> Split:
    pixels, labels = split.pixels[:count], split.labels[:count]
    bright = pixels.float().mean((1, 2, 3)) if isinstance(pixels, Tensor) else torch.zeros(count)
    top = pixels[:, :, :4].float().mean((1, 2, 3)) if isinstance(pixels, Tensor) else bright
    attributes = [labels % 2 == 1, labels > 4, (labels == 0) | (labels == 8), bright > bright.mean(), top > bright]
    return dataclasses.replace(split, pixels=pixels, labels=labels, attributes=torch.stack(attributes, 1))
