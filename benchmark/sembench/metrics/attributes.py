"""Attributes of the data that the prototypes show, and the correlations among them.

A prototype shows the attributes of its nearest training image: the one that is most similar to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sembench.errors import ContractBroken
from sembench.metrics.metric import Meter, Metric, Scores, SplitName
from sembench.seeding import generator
from sembench.types import Batch, Capability, Explanation, of_class

if TYPE_CHECKING:
    from sembench.evaluation.evaluation import Evaluation

_DRAWS = 20  # random sets of images that the chance level of the correlation error is the mean of

Scope = Literal["all", "own"]


def captured(shown: Tensor) -> Tensor:
    """Whether each attribute is shown by at least one prototype.

        captured_a = max_j shown_ja

    Costs no forward pass beyond the shared one.

    Args:
        shown: Attributes of the prototypes' nearest training images ``(P, A)``, bool.

    Returns:
        ``(A,)``, float64: 1 where captured (best), 0 where not (worst). Its sum is the number of attributes
        captured; chance is `captured_by_chance`.

    Examples:
        >>> captured(torch.tensor([[True, False, False], [True, True, False]])).tolist()
        [1.0, 1.0, 0.0]

    References:
        [K] Fig. 5b.
    """
    return shown.bool().any(0).double()


def captured_by_chance(attributes: Tensor, count: int) -> Tensor:
    """Probability that at least one of ``count`` different random images has an attribute.

        chance_a = 1 - C(N - n_a, count) / C(N, count)

    ``n_a`` of the N images have the attribute; ``C`` is the binomial coefficient. This level is [ours].

    Args:
        attributes: Attributes of all images ``(N, A)``, bool.
        count: Images drawn, at most N.

    Returns:
        ``(A,)``, float64, in [0, 1].

    Examples:
        >>> attributes = torch.tensor([[True, False], [True, False], [False, False], [False, True]])
        >>> captured_by_chance(attributes, 1).tolist()
        [0.5, 0.25]
    """
    total, without = len(attributes), (~attributes.bool()).sum(0).double()
    steps = torch.arange(min(count, total), dtype=torch.float64)
    factors = (without[:, None] - steps).clamp(min=0) / (total - steps)
    return 1 - torch.prod(factors, 1)


def correlation(attributes: Tensor) -> Tensor:
    """Pearson's correlation between each two attributes.

        r_ab = cov(a, b) / (std(a) std(b))

    Args:
        attributes: ``(N, A)``, bool.

    Returns:
        ``(A, A)``, float64, in [-1, 1]; 0 in the row and column of an attribute that all or none of the images
        have, itself included [ours].

    Examples:
        >>> correlation(torch.tensor([[True, False], [False, True]])).round(decimals=3).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    centred = attributes.double() - attributes.double().mean(0)
    varies = attributes.bool().any(0) & ~attributes.bool().all(0)
    scaled = centred / centred.norm(dim=0).clamp(min=1e-300) * varies
    products: Tensor = scaled.T @ scaled
    return products.clamp(-1, 1)


def correlation_error(shown: Tensor, attributes: Tensor) -> Tensor:
    """Distance of the correlations among the prototypes' attributes from those in the training set.

        error_a = mean over b of |r_ab(shown) - r_ab(attributes)|

    Costs no forward pass beyond the shared one.

    Args:
        shown: Attributes of the prototypes' nearest training images ``(P, A)``, bool.
        attributes: Attributes of all training images ``(N, A)``, bool.

    Returns:
        ``(A,)``, float64, in [0, 2]: mean absolute difference of a row of the two `correlation` matrices, 0 best, 2
        worst. Its mean is the mean absolute error between the matrices. Chance is the error of random training
        images in place of the prototypes.

    Examples:
        >>> together, apart = torch.tensor([[True, True], [False, False]]), torch.tensor([[True, False], [False, True]])
        >>> correlation_error(together, apart).round(decimals=3).tolist()
        [1.0, 1.0]

    References:
        [K] Fig. 5c.
    """
    return (correlation(shown) - correlation(attributes)).abs().mean(1)


class _Nearest(Meter):
    """Finds each prototype's nearest training image in the training pass."""

    observes = frozenset[SplitName]({"train"})

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation)
        attributes = evaluation.dataset.train.attributes
        if attributes is None:
            raise ContractBroken(f"{evaluation.dataset.name} offers attributes but its training split holds none.")
        self.attributes = attributes
        self._classes = evaluation.model.prototypes.classes.cpu()
        scopes: tuple[Scope, ...] = ("all", "own") if evaluation.variants else ("all",)
        count = len(self._classes)
        self._best = {scope: torch.full((count,), -torch.inf, dtype=torch.float64) for scope in scopes}
        self._nearest = {scope: torch.zeros(count, dtype=torch.int64) for scope in scopes}

    def observe(self, split: SplitName, batch: Batch, explanation: Explanation) -> None:
        for scope, best in self._best.items():
            similarities = explanation.similarities.double().cpu()
            if scope == "own":
                similarities = similarities.masked_fill(~of_class(batch.labels.cpu(), self._classes), -torch.inf)
            values, rows = similarities.max(0)
            nearer = values > best  # the first image wins a tie
            best[nearer] = values[nearer]
            self._nearest[scope][nearer] = batch.indices.cpu()[rows[nearer]]

    def shown(self, scope: Scope) -> Tensor:
        """Attributes of the prototypes' nearest training images ``(P, A)``; none where no image qualifies."""
        return self.attributes[self._nearest[scope]] & self._best[scope].isfinite()[:, None]

    def _measured(self, measure: Callable[[Tensor], Tensor], chance: Tensor) -> Scores:
        variants = {f"scope={scope}": measure(self.shown(scope)) for scope in self._best if scope != "all"}
        return Scores(measure(self.shown("all")), chance, variants=variants)


class _Captured(_Nearest):
    def scores(self) -> Scores:
        return self._measured(captured, captured_by_chance(self.attributes, len(self._classes)))


class _CorrelationError(_Nearest):
    def scores(self) -> Scores:
        def error(shown: Tensor) -> Tensor:
            return correlation_error(shown, self.attributes)

        source = generator(self.evaluation.seed, self.evaluation.dataset.name, "attributes by chance")
        total, count = len(self.attributes), len(self._classes)
        drawn = [error(self.attributes[torch.randperm(total, generator=source)[:count]]) for _ in range(_DRAWS)]
        return self._measured(error, torch.stack(drawn).mean(0))


ATTRIBUTES_CAPTURED = Metric(
    name="attributes_captured", title="Attributes captured", direction="higher", lower=0, upper=1, per="attribute",
    meter=_Captured, requires=frozenset({Capability.SIMILARITIES, Capability.ATTRIBUTES}), version=1,
    reference="[K] Fig. 5b", chance_is="as many different random training images in place of the prototypes",
    variants=("scope=own",),
    note="Share of the attributes that the nearest training image of at least one prototype has.",
)  # fmt: skip

ATTRIBUTE_CORRELATION = Metric(
    name="attribute_correlation", title="Attribute correlation error", direction="lower", lower=0, upper=2,
    per="attribute", meter=_CorrelationError,
    requires=frozenset({Capability.SIMILARITIES, Capability.ATTRIBUTES}), version=1, reference="[K] Fig. 5c",
    chance_is=f"as many random training images in place of the prototypes, mean of {_DRAWS} draws",
    variants=("scope=own",),
    note="Mean absolute difference between the correlations of attributes in the training set and among the nearest "
    "training images of the prototypes.",
)  # fmt: skip
