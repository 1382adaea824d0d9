"""Diversity: how much the prototypes of a model differ from each other."""

from __future__ import annotations

import torch
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores
from sembench.types import Capability


def diversity(prototype_similarities: Tensor, *, prototype_classes: Tensor | None = None) -> Tensor:
    """Normalised entropy of each prototype's similarities to all prototypes.

        q_ij        = exp s(p_i, p_j) / sum_k exp s(p_i, p_k)
        diversity_i = -sum_j q_ij log q_ij / log P

    All sums run over all P prototypes, ``p_i`` included. With classes given, they run over the prototypes of the
    same class, and the entropy is divided by ``log L``. Costs no forward pass.

    Args:
        prototype_similarities: The model's own similarities ``(P, P)``. Compute distances exactly, in float64:
            a matrix-product shortcut gives non-zero self-distances.
        prototype_classes: ``(P,)`` for the variant per class.

    Returns:
        ``(P,)``, float64, in [0, 1]: 0 (best) for a prototype that resembles only itself, 1 (worst) where all are
        alike. No chance level is known beforehand.

    Raises:
        ValueError: If the matrix is not square or not finite, or where the score is undefined: a single prototype,
            or with classes a class of one.

    Note:
        Computed from log-probabilities, so that a probability that underflows contributes 0 and not NaN.

        The formula of Eq. 4 is lost in the text at hand. It speaks of the "normalized entropy of the similarities";
        that a softmax makes similarities a distribution is the authors' code.

        [K] A.6.2 calls diversity "undefined" for one number of prototypes per class, which is lost; it can only
        be L = 1. This fits the variant within classes. The authors' code, like the primary here, takes the softmax
        over all P prototypes, which is defined for L = 1, too.

    Examples:
        >>> alike, distinct = torch.zeros(3, 3), -10 * (1 - torch.eye(3))
        >>> [diversity(similarities).round(decimals=3).tolist() for similarities in (alike, distinct)]
        [[1.0, 1.0, 1.0], [0.001, 0.001, 0.001]]

    References:
        [K] Eq. 4.
    """
    similarities = prototype_similarities.double()
    if similarities.ndim != 2 or similarities.shape[0] != similarities.shape[1]:
        raise ValueError(f"prototype_similarities {tuple(similarities.shape)} must be square, (P, P).")
    if not bool(torch.isfinite(similarities).all()):
        raise ValueError("prototype_similarities hold NaN or infinite values; every entry must be finite.")
    if prototype_classes is None:
        sizes = torch.full((len(similarities),), float(len(similarities)), dtype=torch.float64)
    else:
        if prototype_classes.shape != (len(similarities),):
            raise ValueError(f"prototype_classes {tuple(prototype_classes.shape)} must be ({len(similarities)},).")
        same = prototype_classes[:, None] == prototype_classes[None]
        similarities = similarities.masked_fill(~same, -torch.inf)
        sizes = same.sum(1).double()
    if bool((sizes < 2).any()):
        raise ValueError("diversity is undefined for a single prototype (log 1 = 0); give at least two to compare.")
    logs = similarities.log_softmax(1)
    entropy = -(logs.exp() * logs.clamp(min=-1e9)).sum(1)
    return (entropy / sizes.to(entropy.device).log()).clamp(0, 1)


class _Diversity(Meter):
    def scores(self) -> Scores:
        similarities = self.evaluation.prototype_similarities()
        classes = self.evaluation.model.prototypes.classes.cpu()
        variants = {}
        if self.evaluation.variants and bool((classes[:, None] == classes[None]).sum(1).gt(1).all()):
            variants["within class"] = diversity(similarities, prototype_classes=classes)
        return Scores(diversity(similarities), variants=variants)


DIVERSITY = Metric(
    name="diversity", title="Diversity", direction="lower", lower=0, upper=1, per="prototype", meter=_Diversity,
    requires=frozenset({Capability.PROTOTYPE_SIMILARITIES}), version=1, reference="[K] Eq. 4",
    chance_is="none; 1 where all prototypes are alike", variants=("within class",), cost="none",
    note="Normalised entropy of a prototype's similarities to all prototypes under the model's own similarity; "
    "its scale depends on that similarity.",
)  # fmt: skip
