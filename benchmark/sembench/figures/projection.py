"""Projection of vectors to two dimensions, by UMAP where it is installed, else by principal components."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sembench.seeding import derive

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Projected:
    """Points in two dimensions: ``(N, 2)`` that the projection was fitted to, ``(K, 2)`` others; method: in words."""

    points: Array
    others: Array
    method: str


def project(points: Array, others: Array, *, method: str | None = None, seed: int = 0) -> Projected:
    """Fits a projection to ``points (N, D)`` and applies it to them and to ``others (K, D)``.

    By ``"umap"`` or ``"pca"``; by default by UMAP where the package ``umap-learn`` is installed. The seed is UMAP's:
    principal components have nothing random.

    Raises:
        ValueError: If the method is unknown, or UMAP is asked for and not installed.
    """
    installed = importlib.util.find_spec("umap") is not None
    method = method or ("umap" if installed else "pca")
    if method == "pca":
        return principal_components(points, others)
    if method != "umap":
        raise ValueError(f"projection {method!r} is not known; accepted are 'umap' and 'pca'.")
    if not installed:
        raise ValueError("UMAP is not installed; `pip install sembench[umap]` brings it, or take 'pca'.")
    import umap

    found = umap.UMAP(random_state=derive(seed, "umap") % 2**31, n_jobs=1).fit(points)
    return Projected(np.asarray(found.embedding_, float), np.asarray(found.transform(others), float), "UMAP")


def principal_components(points: Array, others: Array) -> Projected:
    """The two directions of largest variance; the largest loading of each is positive, so that signs are fixed."""
    centre = points.mean(0)
    _, sizes, directions = np.linalg.svd(points - centre, full_matrices=False)
    axes = np.zeros((2, points.shape[1]))
    axes[: len(directions[:2])] = directions[:2]
    largest = axes[np.arange(2), np.abs(axes).argmax(1)]
    axes *= np.where(largest < 0, -1, 1)[:, None]
    total = float((sizes**2).sum())
    share = float((sizes[:2] ** 2).sum()) / total if total > 0 else 0.0
    return Projected((points - centre) @ axes.T, (others - centre) @ axes.T, f"PCA, {share:.0%} of the variance")
