"""The case that explainers are checked on: a few real digits, and a compact network trained on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone, built, freeze
from sembench.backbones.resnet import resnet10_narrow
from sembench.data.dataset import Dataset, Split
from sembench.data.sets.digits import digits
from sembench.errors import ContractBroken, NotOffered
from sembench.evaluation.maps import most_similar
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.seeding import isolated
from sembench.training.classifier import Training, train_backbone
from sembench.training.stages import Session
from sembench.types import Batch, Capability, Explanation

T = TypeVar("T")
TOLERANCE = 1e-3
"""Largest difference, relative to the largest value, that counts as rounding in another batch. [ours]"""
CLASS_MAP, PROTOTYPE_MAP = "class map", "prototype map"


@dataclass(frozen=True)
class Case:
    """A small real problem to check an explainer on.

    Attributes:
        backbone: A frozen black box, trained for a few epochs.
        dataset: A data set of a few hundred images.
        batch: Some of its test images.
        seconds: How long a fit and the explanation of that batch may take, s.
    """

    backbone: Backbone
    dataset: Dataset
    batch: Batch
    seconds: float = 300.0


@lru_cache(maxsize=1)
def digits_case() -> Case:
    """300 training and 60 test digits of 40 pixels, and a compact ResNet that was trained on them for four epochs."""
    return make_case(training=300, test=60, images=12, image_size=40)


def make_case(*, training: int, test: int, images: int, image_size: int) -> Case:
    """A case of ``training``, ``test`` and explained ``images`` digits of ``image_size`` pixels a side."""
    whole = digits(image_size=image_size)
    dataset = dataclasses.replace(whole, train=_head(whole.train, training), test=_head(whole.test, test))
    with isolated(0):
        backbone = built(partial(resnet10_narrow, dataset.n_classes))
    recipe = Training(epochs=4, learning_rate=0.05, momentum=0.9, weight_decay=5e-4, batch_size=32)
    train_backbone(backbone, dataset.train, recipe, Session(0))
    return Case(freeze(backbone), dataset, dataset.test.batch(torch.arange(images)))


def _head(split: Split, count: int) -> Split:
    return dataclasses.replace(split, pixels=split.pixels[:count], labels=split.labels[:count])


def fit(explainer: Explainer, case: Case, seed: int = 0) -> SelfExplainableModel:
    """A model in evaluation mode, fitted on the case's training split."""
    source = torch.Generator().manual_seed(seed)
    return explainer.fit(case.backbone, case.dataset.train, generator=source).eval()


def explain(model: SelfExplainableModel, images: Tensor) -> Explanation:
    """The explanation of a copy of some images, of shape (N, 3, H, W)."""
    with torch.no_grad():
        return model(images.clone())  # type: ignore[no-any-return]


def offered(explainer: Explainer, capability: Capability, ask: Callable[[], T]) -> T | None:
    """The answer of a declared capability; ``None`` where it is undeclared, or not implemented (a check of its own)."""
    if capability not in explainer.supports:
        return None
    try:
        return ask()
    except NotImplementedError:
        return None


def map_questions(model: SelfExplainableModel, images: Tensor) -> dict[str, Callable[[], Tensor]]:
    """How a model is asked for each of its two maps of these very images, by the map's name.

    The prototype map is that of the decided class's most similar prototype; a model without prototypes has none.
    """
    asked: dict[str, Callable[[], Tensor]] = {CLASS_MAP: lambda: model.attribute(images)}
    if len(model.prototypes):
        found = explain(model, images)
        shown = most_similar(found.similarities, model.prototypes, found.predictions)
        asked[PROTOTYPE_MAP] = lambda: model.attribute_prototypes(images, shown)
    return asked


def maps(explainer: Explainer, model: SelfExplainableModel, images: Tensor) -> dict[str, Tensor]:
    """The maps, (N, H, W), that a model offers of a copy of some images, by name; none without the capability."""
    found = {}
    for name, ask in map_questions(model, images.clone()).items():
        with suppress(NotOffered):
            answer = offered(explainer, Capability.ATTRIBUTION, ask)
            if answer is not None:
                found[name] = answer.detach()
    return found


def use(explainer: Explainer, model: SelfExplainableModel, case: Case) -> None:
    """Explains the case's batch, with the relevance maps that are offered."""
    explain(model, case.batch.images)
    maps(explainer, model, case.batch.images)


def require(kept: bool, explainer: Explainer, promise: str, seen: str) -> None:
    """Raises `ContractBroken`, with explainer, promise and observation, unless the promise is kept."""
    if not kept:
        raise ContractBroken(f"{type(explainer).__name__}: {promise}, but {seen}.")


def close(a: Tensor, b: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Whether two tensors are the same up to rounding; NaN equals NaN, and an infinity itself."""
    finite = a[torch.isfinite(a)]
    scale = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True))


def identical(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the same to the last bit, NaN included."""
    return a.shape == b.shape and bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))


def gap(a: Tensor, b: Tensor) -> str:
    """Largest difference of two tensors, in words."""
    if a.shape != b.shape:
        return f"shapes {tuple(a.shape)} and {tuple(b.shape)}"
    if not a.numel():
        return "both are empty"
    return f"differences up to {float(torch.nan_to_num(a - b).abs().max()):.3g}"
