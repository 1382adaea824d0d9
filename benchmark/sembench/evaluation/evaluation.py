"""Shared by the metrics of one run: explanations of a fitted model, its two maps, curves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from sembench.backbones.backbone import every_pass_made
from sembench.cost import PassCounter
from sembench.errors import ContractBroken, NotOffered
from sembench.evaluation.maps import Maps, class_maps, own_prototypes, prototype_maps, shows_class_maps
from sembench.evaluation.perturbation import mask, relevance_order_curve
from sembench.evaluation.reference import Reference
from sembench.evaluation.similarities import Similarities, noised_similarities
from sembench.explainers.explainer import SelfExplainableModel
from sembench.seeding import generator
from sembench.types import Batch, Explanation, check_explanation, check_finite, check_shape


class Evaluation:
    """One fitted model under measurement; everything that several metrics need is computed once.

    Args:
        model: The fitted model, in evaluation mode.
        reference: Its black box on the data set.
        name: Name of the entry, for messages.

    Attributes:
        counter: Counts the entry's forward passes while it is open; what the black box costs is not the entry's.
    """

    def __init__(self, model: SelfExplainableModel, reference: Reference, name: str) -> None:
        self.model = model
        self.reference = reference
        self.name = name
        self.counter = PassCounter(model)
        self.dataset = reference.dataset
        self.seed = reference.seed
        self.settings = reference.settings
        self.variants = reference.settings.variants

    @property
    def sample(self) -> Batch:
        """The explained test images, on the CPU."""
        return self.reference.sample

    @property
    def reference_relevance(self) -> Tensor:
        """The black box's relevance maps of the sample under the model's setting of biases, ``(n, H, W)``."""
        with self.counter.paused():
            return self.reference.relevance(self.model.bias)

    @property
    def reference_correct(self) -> Tensor:
        """1 where the black box is right on a test image, ``(N,)``."""
        with self.counter.paused():
            return self.reference.correct

    @cached_property
    def other_images(self) -> Tensor:
        """For each image of the sample the position of another one ``(n,)``: a seeded cyclic order of the sample."""
        order = torch.randperm(len(self.sample), generator=generator(self.seed, self.dataset.name, "other images"))
        other = torch.empty_like(order)
        other[order] = order.roll(1)
        return other

    def explain(self, batch: Batch) -> Explanation:
        """The model's checked explanation of a batch. One forward pass."""
        with torch.no_grad():
            explanation = self.model(batch.images.to(self.reference.backbone.device))
        check_explanation(explanation, len(batch), self.dataset.n_classes, self.model.prototypes, self.name)
        return explanation  # type: ignore[no-any-return]

    def similarity_maps(self, explanation: Explanation) -> Tensor:
        """The similarity maps of a model that compares cells. Raises `ContractBroken` if it gave none."""
        if explanation.similarity_maps is None:
            raise ContractBroken(f"{self.name} compares cells (points = 'cell') but gives no similarity_maps.")
        return explanation.similarity_maps

    def embeddings(self, explanation: Explanation) -> Tensor:
        """The embeddings of an explanation. Raises `ContractBroken` if it has none."""
        embeddings = explanation.embeddings
        if embeddings is None:
            raise ContractBroken(f"{self.name} declares embeddings but its explanations hold none.")
        size, dimension = len(explanation.class_scores), self.model.prototypes.vectors.shape[1]
        check_shape("embeddings", embeddings, (size, dimension, *embeddings.shape[2:]), self.name)
        check_finite("embeddings", embeddings, self.name)
        return embeddings

    def prototype_similarities(self) -> Tensor:
        """The model's checked similarities between prototypes ``(P, P)``, on the CPU. Raises `ContractBroken`."""
        similarities, count = self.model.prototype_similarities().cpu(), len(self.model.prototypes)
        check_shape("prototype_similarities", similarities, (count, count), self.name)
        check_finite("prototype_similarities", similarities, self.name)
        return similarities

    def predict(self, images: Tensor) -> Tensor:
        """Class probabilities of any number of images, in batches, on the model's device.

        Raises:
            ContractBroken: If they have a wrong shape or are not finite.
        """
        with torch.no_grad():
            chunks = [self.model.probabilities(chunk) for chunk in images.split(self.settings.batch_size)]
        probabilities = torch.cat(chunks)
        check_shape("probabilities", probabilities, (len(images), self.dataset.n_classes), self.name)
        check_finite("probabilities", probabilities, self.name)
        return probabilities

    @cached_property
    def class_maps(self) -> Maps:
        """The model's class maps of the sample, ``(n, H, W)``, on the CPU. One attribution an image.

        Raises:
            ContractBroken: If they have a wrong shape or are not finite.
        """
        return self._maps(lambda images: class_maps(self.model, images))

    @cached_property
    def prototype_maps(self) -> Maps:
        """The maps by which the model shows its decisions, ``(n, H, W)``, on the CPU.

        One forward pass and one attribution an image, beyond the pass of `decisions`; nothing where these are the class
        maps.

        Raises:
            ContractBroken: If they, or the explanations that they are chosen by, have a wrong shape or are not finite.
        """
        if shows_class_maps(self.model):
            return self.class_maps
        _ = self.decisions  # checks the explanations
        return self._maps(lambda images: prototype_maps(self.model, images))

    def maps_by(self, rule: str) -> Tensor:
        """The model's class maps of the sample under one of its rules, ``(n, H, W)``, on the CPU."""
        return self._maps(lambda images: Maps(self.model.attribute_by(rule, images), "")).relevance

    def _maps(self, attribute: Callable[[Tensor], Maps]) -> Maps:
        device = self.reference.backbone.device
        found = [attribute(chunk.to(device)) for chunk in self.sample.images.split(self.settings.batch_size)]
        maps = torch.cat([part.relevance.detach().cpu() for part in found])
        self._check_maps(maps, len(self.sample))
        return found[0]._replace(relevance=maps)

    def _check_maps(self, maps: Tensor, count: int) -> None:
        check_shape("relevance", maps, (count, *self.sample.images.shape[2:]), self.name)
        check_finite("relevance", maps, self.name)

    @property
    def headless_maps(self) -> Tensor:
        """The network's maps without any head under the model's setting of biases, ``(n, H, W)``."""
        with self.counter.paused():
            return self.reference.headless(self.model.bias)

    @cached_property
    def relevance_order_curves(self) -> tuple[Tensor, Tensor]:
        """Curves of the decided class in the order of the prototype maps and in random order, under the same noise.

        Each ``(n, steps + 1)``. Images in random order are the same for every entry, and their feature maps are cached;
        those in an entry's own order never come back, and are not.
        """
        everyone, maps = torch.arange(len(self.sample)), self.prototype_maps.relevance
        with every_pass_made(self.reference.backbone):
            ordered = self._curve(maps, everyone)
        return ordered, self._curve(self.reference.random_order, everyone)

    @cached_property
    def most_probable_curves(self) -> tuple[Tensor, Tensor]:
        """The same curves, but of the most probable class where the model does not decide for that.

        ``steps + 1`` forward passes of these images, often none, for each order.
        """
        targets, probabilities = self.decisions
        most_probable = probabilities.argmax(1)
        chosen = (targets != most_probable).nonzero()[:, 0]
        ordered, random = (curve.clone() for curve in self.relevance_order_curves)
        if len(chosen):
            with every_pass_made(self.reference.backbone):
                ordered[chosen] = self._curve(self.prototype_maps.relevance, chosen, most_probable)
                random[chosen] = self._curve(self.reference.random_order, chosen, most_probable)
        return ordered, random

    @cached_property
    def class_map_curve(self) -> Tensor:
        """Curves of the decided class in the order of the class maps, ``(n, steps + 1)``.

        Costs one curve; nothing for a model that has one map for both purposes.
        """
        maps = self.class_maps.relevance
        if shows_class_maps(self.model) or self.class_maps.stand_in or self.prototype_maps.stand_in:
            return self.relevance_order_curves[0]
        with every_pass_made(self.reference.backbone):
            return self._curve(maps, torch.arange(len(self.sample)))

    @cached_property
    def all_prototypes_curve(self) -> Tensor:
        """Mean over the decided class's prototypes of the curves in the order of their maps, ``(n, steps + 1)``.

        A model that shows class maps has one curve. A class without prototypes takes all of them, as `most_similar`
        does. Costs as many attributions and curves as a class has prototypes, one batch in memory at a time.
        """
        if self.prototype_maps.stand_in or shows_class_maps(self.model):
            return self.relevance_order_curves[0]
        classes = self.model.prototypes.classes.cpu()
        rows, prototypes = own_prototypes(self.decisions[0], classes).nonzero(as_tuple=True)
        total = torch.zeros_like(self.relevance_order_curves[0])
        for row, prototype in zip(*(x.split(self.settings.batch_size) for x in (rows, prototypes)), strict=True):
            with every_pass_made(self.reference.backbone):
                total.index_add_(0, row, self._curve(self._prototype_map(row, prototype), row, by_row=True))
        return total / torch.bincount(rows)[:, None]

    def _prototype_map(self, rows: Tensor, prototypes: Tensor) -> Tensor:
        """Maps of some images of the sample, by position, for a prototype each."""
        device = self.reference.backbone.device
        maps = self.model.attribute_prototypes(self.sample.images[rows].to(device), prototypes.to(device))
        self._check_maps(maps, len(rows))
        return maps.detach().cpu()

    @cached_property
    def decisions(self) -> tuple[Tensor, Tensor]:
        """Decided classes of the sample and its class probabilities, ``(n,)`` and ``(n, C)``, on the CPU. One pass."""
        found = [
            self.explain(self.dataset.test.batch(part)) for part in self.sample.indices.split(self.settings.batch_size)
        ]
        probabilities = torch.cat([self.model.class_probabilities(explanation).cpu() for explanation in found])
        check_shape("probabilities", probabilities, (len(self.sample), self.dataset.n_classes), self.name)
        check_finite("probabilities", probabilities, self.name)
        return torch.cat([explanation.predictions.cpu() for explanation in found]), probabilities

    @cached_property
    def masked_probabilities(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Probability of the decided class on the sample as it is, masked by its maps, and by those of other images.

        Each ``(n,)``; a single image has no other. Two forward passes of the sample beyond that of `decisions`.
        """
        targets, probabilities = self.decisions
        images, maps = self.sample.images, self.class_maps.relevance
        black = self.dataset.test.normalisation(torch.zeros(1, 3, 1, 1))

        def decided(of_classes: Tensor) -> Tensor:
            return of_classes.gather(1, targets[:, None])[:, 0]

        def masked(relevance: Tensor) -> Tensor:
            return decided(self.predict(mask(images, relevance, black).to(self.reference.backbone.device)).cpu())

        with every_pass_made(self.reference.backbone):
            own, other = masked(maps), masked(maps[self.other_images]) if len(images) > 1 else None
        return decided(probabilities), own, other

    @cached_property
    def noised_similarities(self) -> Similarities | None:
        """Similarities to the true classes' prototypes before and after noise; ``None`` without prototype maps.

        For their cost see `sembench.evaluation.similarities.noised_similarities`.
        """
        if len(self.model.prototypes) == 0:
            return None
        images, noise = self.sample.images.to(self.reference.backbone.device), self.reference.noise
        size = self.settings.batch_size
        try:
            with every_pass_made(self.reference.backbone):
                return noised_similarities(
                    self.model, images, self.sample.labels, noise, batch_size=size, name=self.name
                )
        except NotOffered:
            return None

    def _curve(self, order: Tensor, chosen: Tensor, targets: Tensor | None = None, *, by_row: bool = False) -> Tensor:
        """The curves of some images of the sample, by position, on the CPU, of their decided or other classes.

        ``order`` and ``targets`` hold one row per image of the sample; ``order`` one per chosen one if ``by_row``.
        """
        device = self.reference.backbone.device
        orders = order if by_row else order[chosen]
        followed = (self.decisions[0] if targets is None else targets)[chosen]
        parts = (part.to(device) for part in (self.sample.images[chosen], orders, self.reference.noise[chosen]))
        return relevance_order_curve(self.predict, *parts, steps=self.settings.steps, targets=followed.to(device)).cpu()
