"""Hyper-parameters that several methods share, and their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from sembench.data.dataset import Split
from sembench.errors import FitImpossible
from sembench.explainers.explainer import Explainer

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
_Prototypes = Annotated[int, Field(ge=1, le=100_000)]
PerClass = _Prototypes | Annotated[Sequence[_Prototypes], Field(min_length=1)]
Presets = Mapping[str, Mapping[str, Mapping[str, Any]]]

PAPER: Mapping[str, Mapping[str, Any]] = {
    "*": {"prototypes_per_class": 5},
    "cub": {"prototypes_per_class": 10},
    "celeba": {"prototypes_per_class": 20},
}
"""Prototypes per class by data set, as in both papers."""


def prototypes_of_class(per_class: PerClass, n_classes: int) -> list[int]:
    """Numbers of prototypes of all classes. Raises `FitImpossible` unless each class has a positive number."""
    counts = [per_class] * n_classes if isinstance(per_class, int) else list(per_class)
    if len(counts) != n_classes or min(counts) < 1:
        raise FitImpossible(
            f"prototypes_per_class is {per_class}; give one positive number, or {n_classes} of them, one per class."
        )
    return counts


def prototypes_within(per_class: PerClass, train: Split) -> list[int]:
    """`prototypes_of_class`; raises `FitImpossible`, too, if a class has fewer training images than prototypes."""
    counts = prototypes_of_class(per_class, train.n_classes)
    sizes = torch.bincount(train.labels.cpu(), minlength=len(counts)).tolist()
    for label, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        if size == 0:
            raise FitImpossible(
                f"class {label} has no training image, so it can have no prototype. Leave the class out of the data "
                "set, or add images of it."
            )
        if size < count:
            raise FitImpossible(
                f"class {label} has {size} training images, fewer than the {count} prototypes asked for. Ask for at "
                f"most {size} (prototypes_per_class may be one number per class)."
            )
    return counts


def class_of_each(counts: Sequence[int]) -> Tensor:
    """Class of each prototype ``(P,)``, in class order, from the numbers of prototypes of all classes."""
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def require_at_least(recipe: Explainer, **least: int) -> None:
    """Raises `FitImpossible` if one of these hyper-parameters is less than its least value."""
    for name, value in least.items():
        if getattr(recipe, name) < value:
            raise FitImpossible(f"{name} is {getattr(recipe, name)}; at least {value} is needed.")
