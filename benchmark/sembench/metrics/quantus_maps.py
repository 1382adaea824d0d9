"""How simple is a relevance map? Three measures of Quantus, for those who have it: ``pip install 'sembench[quantus]'``.

They look at the map alone, so they say nothing of whether it is right: an arbitrary map that is concentrated scores
well. What else Quantus offers is left out because it draws from NumPy's global stream, needs a model in its own
interface, or fails on images of three channels.

References:
    A. Hedstroem et al.: Quantus, JMLR 2023.
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
from sembench.seeding import isolated, uniform_per_image
from sembench.types import Capability


def sparseness(relevance: Tensor) -> Tensor:
    """How unevenly is relevance spread over pixels? The Gini index of ``|r| + 1e-7``, ``|r|`` at most 1.

    Args:
        relevance: ``(N, H, W)``, any sign.

    Returns:
        ``(N,)``, float64, in [0, 1): 0 for an even map, near 1 for a single pixel.

    References:
        P. Chalasani et al., ICML 2020.
    """
    return _measured("Sparseness", relevance)


def complexity(relevance: Tensor) -> Tensor:
    """How many pixels does a map need? The entropy of ``|r| / sum |r|``.

    Args:
        relevance: ``(N, H, W)``, any sign.

    Returns:
        ``(N,)``, float64, nats, in [0, log(H W)]: 0 for a single pixel.

    References:
        U. Bhatt et al., IJCAI 2020.
    """
    return _measured("Complexity", relevance).clamp(min=0)  # rounding


def effective_complexity(relevance: Tensor) -> Tensor:
    """How many pixels matter? Those with more than a hundredth of the largest ``|r|``, as a share of all.

    Args:
        relevance: ``(N, H, W)``, any sign.

    Returns:
        ``(N,)``, float64, in [0, 1].

    Note:
        Quantus counts pixels, beyond 1e-5 of the largest; the share compares between image sizes, and at 1e-5 every
        pixel counts [both ours].

    References:
        A. Nguyen, M. Martinez, 2020.
    """
    return _measured("EffectiveComplexity", relevance, eps=0.01) / relevance[0].numel()


@lru_cache(maxsize=1)
def _library() -> Any:
    """Quantus; its import warns of what it uses, and may draw random numbers."""
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
            maps, evaluation = self.evaluation.relevance, self.evaluation
            noise = uniform_per_image(
                evaluation.seed, evaluation.dataset.name, "random map",
                indices=evaluation.sample.indices, shape=maps.shape[1:],
            )  # fmt: skip
            return Scores(measure(maps), measure(noise))

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
