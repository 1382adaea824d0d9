"""Class-wise k-means: the prototypes of a class are the centroids of its points, or of a sample of its cells."""

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
from sembench.types import Prototypes, as_points
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


class RowSample:
    """Cells of the training images, a bounded random sample per class, drawn before they are computed.

    If there are more than ``max_rows``, k-means sees a sample [ours], so that memory does not grow with the number of
    images. [C] section 6 reports that "performance remains stable on subsets of the training data".

    Args:
        labels: Labels of all training images ``(N,)``.
        counts: Prototypes of each class ``(C,)``; a class needs at least as many rows.
        max_rows: Rows to keep at most, all classes together.
        generator: Source of randomness.
    """

    def __init__(self, labels: Tensor, counts: Sequence[int], max_rows: int, generator: torch.Generator) -> None:
        self._labels = labels.numpy()
        self._counts = counts
        self._max_rows = max_rows
        self._random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        self._chosen: np.ndarray | None = None
        self._kept: list[Tensor] = []
        self._kept_labels: list[np.ndarray] = []

    def _choose(self, cells: int) -> np.ndarray:
        """Sorted numbers ``image * cells + cell`` of the rows to keep."""
        by_class = [np.flatnonzero(self._labels == label) for label in range(len(self._counts))]
        quota = largest_quota([len(images) * cells for images in by_class], self._max_rows)
        if quota < max(self._counts):
            raise FitImpossible(
                f"max_rows is {self._max_rows}, which leaves {quota} cells for a class of {max(self._counts)} "
                "prototypes. Raise max_rows, or ask for fewer prototypes."
            )
        parts = []
        for images in by_class:
            total = len(images) * cells
            if total <= quota:
                picks = np.arange(total)
            else:
                picks = self._random.choice(total, quota, replace=False, shuffle=False)
            parts.append(images[picks // cells] * cells + picks % cells)
        return np.sort(np.concatenate(parts))

    def add(self, composite: Tensor, indices: Tensor) -> None:
        """Keeps the chosen cells of one batch of consecutive images."""
        rows, cells = as_points(composite), composite[0, 0].numel()
        if self._chosen is None:
            self._chosen = self._choose(cells)
        start = int(indices[0]) * cells
        low, high = np.searchsorted(self._chosen, [start, start + len(rows)])
        picks = self._chosen[low:high]
        self._kept.append(rows[torch.from_numpy(picks - start)])
        self._kept_labels.append(self._labels[picks // cells])

    def per_class(self) -> list[Tensor]:
        """The kept rows of each class, ``(R_k, D)``."""
        rows, labels = torch.cat(self._kept), torch.from_numpy(np.concatenate(self._kept_labels))
        return [rows[labels == label] for label in range(len(self._counts))]


def largest_quota(sizes: Sequence[int], budget: int) -> int:
    """The largest bound on every class's size that keeps the sum within the budget."""
    left, classes = budget, len(sizes)
    for size in sorted(sizes):
        if size * classes > left:
            return left // classes
        left, classes = left - size, classes - 1
    return max(sizes)
