"""Relevance laid over a pale image: orange for, blue against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FOR, _AGAINST = np.array([0xC4, 0x4E, 0x00]) / 255, np.array([0x00, 0x5A, 0x9E]) / 255
_OPAQUE = 0.9  # the image stays visible below
_ROUNDING = 1e-5  # of the largest value: in float32 an interpolated constant varies by that
_QUANTILE = 0.995  # one outlying pixel must not darken all others


def overlay(image: NDArray[np.float32], relevance: NDArray[np.float64]) -> NDArray[np.float32]:
    """An image ``(H, W, 3)`` in [0, 1] under its signed relevance map ``(H, W)``.

    Pale grey where nothing is relevant, orange where relevance is positive, blue where it is negative; the map is
    divided by its own largest magnitude (the 99.5 % quantile).
    """
    pale = 0.62 + 0.38 * image.mean(2, keepdims=True)
    scale = np.quantile(np.abs(relevance), _QUANTILE) or np.abs(relevance).max()
    strength = np.abs(relevance) / scale if scale > 0 else np.zeros_like(relevance)
    opacity = np.clip(strength, 0, _OPAQUE)[..., None]
    colour = np.where(relevance[..., None] >= 0, _FOR, _AGAINST)
    return np.asarray((1 - opacity) * pale + opacity * colour, dtype=np.float32)


def stretched(relevance: NDArray[np.float64]) -> NDArray[np.float64]:
    """A map from its smallest value, 0, to its largest, 1; all 0.5 where it is the same everywhere but for rounding."""
    low, high = relevance.min(), relevance.max()
    if high - low <= _ROUNDING * max(abs(low), abs(high)):
        return np.full_like(relevance, 0.5)
    return np.asarray((relevance - low) / (high - low), dtype=np.float64)


def difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Half the l1 distance of two maps ``|r| / sum |r|``: 0 where they are the same, 1 where they are disjoint.

    A map without any relevance is the same as another such map, and disjoint from all others.
    """
    first, second = (np.abs(r) / total if (total := np.abs(r).sum()) > 0 else np.zeros_like(r) for r in (a, b))
    if not first.any() or not second.any():
        return float(first.any() != second.any())
    return float(0.5 * np.abs(first - second).sum())
