"""The simplicity of relevance maps, by three measures of the extra ``quantus``.

They look at the map alone, so they do not say whether it is right: an arbitrary map that is concentrated scores well.
The other measures of Quantus are left out because they draw from NumPy's global stream, need a model in its own
interface, or fail on images of three channels. Each costs one attribution per explained image; its chance level is
that of a map of white noise [ours]. A map without any relevance counts as an even one [ours].

References:
    [Quantus].
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores
from sembench.seeding import isolated
from sembench.types import Capability


def sparseness(relevance: Tensor) -> Tensor:
    """Gini index of each relevance map: how unevenly relevance is spread over pixels.

        sparseness = sum_k (2 k - n - 1) v_k / (n sum_k v_k)

    ``v_k`` are the n values ``|r| / max |r| + 1e-7`` in ascending order.

    Args:
        relevance: ``(N, H, W)``, any sign.

    Returns:
        ``(N,)``, float64, in [0, 1): 0 (worst) for an even map, near 1 (best) for a single pixel.

    Raises:
        ValueError: If relevance is not ``(N, H, W)`` or not finite.

    Examples:
        >>> sparseness(torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])).round(decimals=3).tolist()
        [0.75, 0.5]

    References:
        [Gini], in [Quantus].
    """
    return _measured("Sparseness", relevance)


def complexity(relevance: Tensor) -> Tensor:
    """Entropy of each relevance map: the logarithm of how many pixels it needs.

        complexity = -sum_x q(x) log q(x),  q(x) = |r(x)| / sum_y |r(y)|

    Args:
        relevance: ``(N, H, W)``, any sign.

    Returns:
        ``(N,)``, float64, nats, in [0, log(H W)]: 0 (best) for a single pixel, ``log(H W)`` (worst) for an even map.

    Raises:
        ValueError: If relevance is not ``(N, H, W)`` or not finite.

    Examples:
        >>> complexity(torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])).round(decimals=3).tolist()
        [0.693]

    References:
        [Complexity], in [Quantus].
    """
    return _measured("Complexity", relevance).clamp(min=0)  # rounding


def effective_complexity(relevance: Tensor) -> Tensor:
    """Share of pixels that matter in each map: those with more than a hundredth of the largest relevance.

        effective complexity = |{x : |r(x)| > 0.01 max_y |r(y)|}| / (H W)

    Args:
        relevance: ``(N, H, W)``, any sign.

    Returns:
        ``(N,)``, float64, in [0, 1]: near 0 (best) for a single pixel, 1 (worst) where all matter.

    Raises:
        ValueError: If relevance is not ``(N, H, W)`` or not finite.

    Note:
        Quantus counts the pixels beyond 1e-5 of the largest. A share can be compared between image sizes, and at 1e-5
        every pixel would count [ours].

    Examples:
        >>> effective_complexity(torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])).tolist()
        [0.5]

    References:
        [Effective complexity], in [Quantus].
    """
    return _measured("EffectiveComplexity", relevance, eps=0.01) / relevance[0].numel()


@lru_cache(maxsize=1)
def _library() -> Any:
    """Quantus, imported without the warnings and random draws of its import."""
    with isolated(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("quantus")


def _measured(name: str, relevance: Tensor, **options: Any) -> Tensor:
    if relevance.ndim != 3 or not bool(torch.isfinite(relevance).all()):
        raise ValueError(f"relevance {tuple(relevance.shape)} must be (N, H, W), and every value finite.")
    maps = relevance.detach().cpu().double().abs().flatten(1)
    largest = maps.amax(1, keepdim=True)
    maps = torch.where(largest == 0, 1.0, maps / largest)  # no relevance anywhere is as even as the same everywhere
    values = maps.view(len(maps), 1, *relevance.shape[1:]).numpy()
    with isolated(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measure = getattr(_library(), name)(normalise=False, disable_warnings=True, **options)
        scores = measure.evaluate_batch(x_batch=values, a_batch=values.copy())  # it writes into the maps
    return torch.tensor(np.asarray(scores, dtype=np.float64))


def _absent() -> str | None:
    if importlib.util.find_spec("quantus") is None:
        return "the extra is not installed: pip install 'sembench[quantus]'"
    return None


def _meter(measure: Callable[[Tensor], Tensor]) -> type[Meter]:
    class MapMeter(Meter):
        """Measures the maps of the explained images, and maps of noise as the level of chance."""

        def scores(self) -> Scores:
            maps = self.evaluation.class_maps
            return Scores(measure(maps.relevance), measure(self._random_maps()), note=maps.note)

    return MapMeter


def _declared(name: str, title: str, measure: Callable[[Tensor], Tensor], **facts: Any) -> Metric:
    return Metric(
        name=name, title=title, lower=0, per="explained image", meter=_meter(measure), version=1,
        requires=frozenset({Capability.ATTRIBUTION}), chance_is="a map of white noise", absent=_absent,
        cost="one attribution per explained image", **facts,
    )  # fmt: skip


SPARSENESS = _declared(
    "sparseness", "Sparseness", sparseness, direction="higher", upper=1, reference="Chalasani et al. 2020",
    note="Gini index of the relevance map (Quantus); says nothing of whether the map is right.",
)  # fmt: skip
COMPLEXITY = _declared(
    "complexity", "Complexity", complexity, direction="lower", upper=None, reference="Bhatt et al. 2020", unit="nats",
    note="Entropy of the relevance map (Quantus); depends on the image size.",
)  # fmt: skip
EFFECTIVE_COMPLEXITY = _declared(
    "effective_complexity", "Effective complexity", effective_complexity, direction="lower", upper=1,
    reference="Nguyen and Martinez 2020",
    note="Share of pixels with more than a hundredth of the largest relevance (Quantus).",
)  # fmt: skip
