"""Class-wise k-means: the prototypes of a class are the centroids of its points."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from sklearn.cluster import BisectingKMeans, KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from sembench.errors import FitImpossible
from sembench.types import Prototypes
from sembench_baselines.settings import class_of_each

Flavour = Literal["kmeans", "bisecting"]


def classwise_kmeans(
    points: Sequence[Tensor], counts: Sequence[int], *, flavour: Flavour, n_init: int, generator: torch.Generator
) -> Prototypes:
    """Centroids of each class's points, in class order, on the CPU, float32.

    scikit-learn's k-means++ on one thread: with more, its sums depend on which thread finishes first.

    Args:
        points: Per class, its points ``(N_k, D)``.
        counts: Per class, its number of prototypes.
        flavour: ``"kmeans"``, or ``"bisecting"``, the ablation of [K] Table 13.
        n_init: Restarts; the best of them counts.
        generator: Source of the seeds.

    Raises:
        FitImpossible: If a class has fewer distinct points than prototypes.
    """
    flavours = {"kmeans": KMeans, "bisecting": BisectingKMeans}
    seeds = torch.randint(2**31 - 1, (len(points),), generator=generator).tolist()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        centres = [
            _centroids(flavours[flavour](count, init="k-means++", n_init=n_init, random_state=seed), rows, label)
            for label, (rows, count, seed) in enumerate(zip(points, counts, seeds, strict=True))
        ]
    return Prototypes(torch.cat(centres), class_of_each(counts))


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
