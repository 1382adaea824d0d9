"""Class-wise k-means: the prototypes of a class are the centroids of its points."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from sembench.errors import FitImpossible
from sembench.types import Prototypes

Flavour = Literal["kmeans", "bisecting"]
PerClass = int | Sequence[int]

PAPER: Mapping[str, Mapping[str, Any]] = {
    "*": {"prototypes_per_class": 5},
    "cub": {"prototypes_per_class": 10},
    "celeba": {"prototypes_per_class": 20},
}
"""Prototypes per class by data set, as in both papers."""


def prototypes_of_class(per_class: PerClass, n_classes: int) -> list[int]:
    """Numbers of prototypes of all classes. Raises `FitImpossible` unless there is one positive number a class."""
    counts = [per_class] * n_classes if isinstance(per_class, int) else list(per_class)
    if len(counts) != n_classes or min(counts) < 1:
        raise FitImpossible(
            f"prototypes_per_class is {per_class}; give one positive number, or {n_classes} of them, one per class."
        )
    return counts


def check_class_sizes(labels: Tensor, counts: Sequence[int]) -> None:
    """Raises `FitImpossible` if a class has no training image, or fewer than it shall have prototypes."""
    sizes = torch.bincount(labels.cpu(), minlength=len(counts)).tolist()
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


def check_starts(n_init: int) -> None:
    """Raises `FitImpossible` unless k-means is started at least once."""
    if n_init < 1:
        raise FitImpossible(f"n_init is {n_init}; k-means needs at least 1 start.")


def classwise_kmeans(
    points: Sequence[Tensor], counts: Sequence[int], *, flavour: Flavour, n_init: int, generator: torch.Generator
) -> Prototypes:
    """Centroids of each class's points.

    scikit-learn's k-means++ on one thread: with more, its sums depend on which thread finishes first.

    Args:
        points: Per class, its points ``(N_k, D)``.
        counts: Per class, its number of prototypes.
        flavour: ``"kmeans"``, or ``"bisecting"``, the ablation of [K] Table 13.
        n_init: Restarts; the best of them counts.
        generator: Source of the seeds.

    Returns:
        Prototypes in class order, on the CPU, float32.

    Raises:
        FitImpossible: If a class has fewer distinct points than prototypes, or the flavour is unknown.
    """
    flavours = {"kmeans": KMeans, "bisecting": BisectingKMeans}
    if flavour not in flavours:
        raise FitImpossible(f"unknown k-means flavour {flavour!r}; accepted are {', '.join(flavours)}.")
    seeds = torch.randint(2**31 - 1, (len(points),), generator=generator).tolist()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        centres = [
            _centroids(flavours[flavour](count, init="k-means++", n_init=n_init, random_state=seed), rows, label)
            for label, (rows, count, seed) in enumerate(zip(points, counts, seeds, strict=True))
        ]
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return Prototypes(torch.cat(centres), classes)


def _centroids(model: KMeans | BisectingKMeans, rows: Tensor, label: int) -> Tensor:
    """Centroids of one class, ``(L, D)``. Raises `FitImpossible` if there are too few distinct points."""
    try:
        model.fit(rows.cpu().numpy())
    except ConvergenceWarning as warning:
        raise FitImpossible(
            f"class {label} has too few distinct points for {model.n_clusters} prototypes ({warning}). Ask for fewer."
        ) from warning
    centres = np.asarray(model.cluster_centers_, dtype=np.float32)
    if len(np.unique(centres, axis=0)) < model.n_clusters:  # bisecting k-means does not warn
        raise FitImpossible(
            f"class {label} has too few distinct points for {model.n_clusters} prototypes. Ask for fewer."
        )
    return torch.from_numpy(centres)
