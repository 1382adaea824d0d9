"""Ghosting: the prototypes that no training point of their class activates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores, SplitName
from sembench.types import Batch, Capability, Explanation, as_points, of_class

if TYPE_CHECKING:
    from sembench.evaluation.evaluation import Evaluation

Scope = Literal["own", "all"]


def ghosting(similarities: Tensor, labels: Tensor, prototype_classes: Tensor, *, scope: Scope = "own") -> Tensor:
    """Whether each prototype is never the most similar one of any training point of its class.

        ghosted_j = 0 if j = argmax_k s_ik for some i with y_i = c_j, else 1

    Every row activates exactly one prototype, the first one on ties [ours]. A shared prototype (class -1) belongs to
    every class [ours]. The matrix never has to exist whole: the scores of chunks of rows combine by their elementwise
    minimum. Costs no forward pass beyond the shared one.

    Args:
        similarities: ``(M, P)``, larger is more alike; a row is an image, or a cell where cells vote [ours].
        labels: Class of each row ``(M,)``.
        prototype_classes: Class of each prototype ``(P,)``, -1 for one that is shared.
        scope: ``"own"`` (primary) [ours]: the maximum runs over the prototypes of the row's class and the shared
            ones. ``"all"``: over all prototypes, and only a row of the prototype's class counts.

    Returns:
        ``(P,)``, float64: 1 where ghosted (worst), 0 where used (best). Its mean is the share of ghosted
        prototypes. No chance level is known beforehand; see the control ``chance``.

    Raises:
        ValueError: If shapes do not fit, a similarity is NaN, or the scope is unknown.

    Note:
        [K] leaves open over which prototypes the maximum runs; ``"all"`` is kept as a variant.

    Examples:
        >>> similarities = torch.tensor([[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.0, 0.1, 0.2]])
        >>> ghosting(similarities, labels=torch.tensor([0, 0, 1]), prototype_classes=torch.tensor([0, 0, 1])).tolist()
        [0.0, 1.0, 0.0]

    References:
        [K] Eq. 1.
    """
    if scope not in ("own", "all"):
        raise ValueError(f"unknown scope {scope!r}; accepted are 'own' and 'all'.")
    if similarities.ndim != 2 or similarities.shape != (len(labels), len(prototype_classes)):
        raise ValueError(
            f"similarities {tuple(similarities.shape)} must be (M, P) = ({len(labels)}, {len(prototype_classes)}), "
            "one row per label and one column per prototype."
        )
    if bool(similarities.isnan().any()):
        raise ValueError("similarities hold NaN, so that a point has no most similar prototype; give numbers.")
    if similarities.numel() == 0:
        return torch.ones(len(prototype_classes), dtype=torch.float64)
    ghosted = torch.ones(len(prototype_classes), dtype=torch.float64, device=similarities.device)
    ghosted[activated(similarities, labels, prototype_classes, scope=scope)] = 0
    return ghosted


def activated(similarities: Tensor, labels: Tensor, prototype_classes: Tensor, *, scope: Scope = "own") -> Tensor:
    """The prototype that each row activates, without rows that count for none.

    Args:
        similarities: ``(M, P)``; this and all else as for `ghosting`, which checks it.
        labels: ``(M,)``.
        prototype_classes: ``(P,)``.
        scope: ``"own"`` or ``"all"``.

    Returns:
        Indices of prototypes ``(K,)``, int64, K at most M.

    Examples:
        >>> similarities = torch.tensor([[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.0, 0.1, 0.2]])
        >>> activated(similarities, torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1])).tolist()
        [0, 0, 2]
    """
    eligible = of_class(labels, prototype_classes)
    candidates = similarities.masked_fill(~eligible, -torch.inf) if scope == "own" else similarities
    winner = candidates.argmax(1)
    if scope == "own":  # where all that is eligible is infinitely far, the first of it is as near as any
        lost = eligible.any(1) & ~eligible.gather(1, winner[:, None]).squeeze(1)
        winner = torch.where(lost, eligible.int().argmax(1), winner)
    return winner[eligible.gather(1, winner[:, None]).squeeze(1)]


class _Ghosting(Meter):
    """Combines the batches of the training pass by their minimum."""

    observes = frozenset[SplitName]({"train"})

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation)
        self._classes = evaluation.model.prototypes.classes
        scopes: tuple[Scope, ...] = ("own", "all") if evaluation.variants else ("own",)
        self._scores = {scope: torch.ones(len(self._classes), dtype=torch.float64) for scope in scopes}

    def observe(self, split: SplitName, batch: Batch, explanation: Explanation) -> None:
        similarities, labels = explanation.similarities, batch.labels
        if self.evaluation.model.points == "cell":
            maps = self.evaluation.similarity_maps(explanation)
            similarities, labels = as_points(maps), labels.repeat_interleave(maps[0, 0].numel())
        for scope, scores in self._scores.items():
            seen = ghosting(similarities, labels, self._classes.to(labels.device), scope=scope)
            self._scores[scope] = torch.minimum(scores, seen.cpu())

    def scores(self) -> Scores:
        variants = {f"scope={scope}": values for scope, values in self._scores.items() if scope != "own"}
        return Scores(self._scores["own"], variants=variants)


GHOSTING = Metric(
    name="ghosting", title="Ghosting", direction="lower", lower=0, upper=1, per="prototype", meter=_Ghosting,
    requires=frozenset({Capability.SIMILARITIES}), version=1, reference="[K] Eq. 1",
    chance_is="none known beforehand; see the control `chance`", variants=("scope=all",),
    note="Share of prototypes that are never the most similar one of any training point of their class.",
)  # fmt: skip
