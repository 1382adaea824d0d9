"""Alignment: the cosines between prototypes and the embeddings of their own and of other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores, SplitName
from sembench.types import SHARED, Batch, Capability, Explanation, as_points

if TYPE_CHECKING:
    from sembench.evaluation.evaluation import Evaluation


def alignment(
    prototypes: Tensor, prototype_classes: Tensor, embeddings: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean cosine of each prototype with the embeddings of its class, and with all others.

        class_j = mean over i with y_i = c_j of <z_i, p_j> / (|z_i| |p_j|)
        out_j   = the same mean over i with y_i != c_j

    Costs no forward pass beyond the shared one.

    Args:
        prototypes: ``(P, D)``.
        prototype_classes: ``(P,)``, each of them a class, none -1.
        embeddings: Training embeddings ``(N, D)``: the points that the model compares with its prototypes.
        labels: ``(N,)``.

    Returns:
        ``(class (P,), out (P,))``, float64 cosines in [-1, 1]. For the class 1 is best and -1 worst, for the others
        the reverse; a prototype that knows nothing of classes has equal values. A zero vector has cosine 0 with
        everything [ours].

    Raises:
        ValueError: If shapes do not fit, a prototype has no class, or there is no embedding of a prototype's class
            or of any other.

    Examples:
        >>> prototypes, embeddings = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
        >>> own, out = alignment(prototypes, torch.tensor([0, 1]), embeddings, torch.tensor([0, 1]))
        >>> own.tolist(), out.tolist()
        ([1.0, 1.0], [0.0, 0.0])

    References:
        [C], first table.
    """
    if prototypes.ndim != 2 or embeddings.ndim != 2 or prototypes.shape[1] != embeddings.shape[1]:
        raise ValueError(
            f"prototypes {tuple(prototypes.shape)} and embeddings {tuple(embeddings.shape)} must be (P, D) and (N, D)."
        )
    if len(prototypes) != len(prototype_classes) or len(embeddings) != len(labels):
        raise ValueError(
            f"{len(prototypes)} prototypes have {len(prototype_classes)} classes, {len(embeddings)} embeddings "
            f"{len(labels)} labels; give one class per prototype and one label per embedding."
        )
    if len(labels) == 0:
        raise ValueError("there are no embeddings to align with; give at least one of each of two classes.")
    n_classes = int(max(prototype_classes.max(), labels.max())) + 1
    return _cosines(prototypes, prototype_classes, *_directions(embeddings, labels, n_classes))


def _directions(embeddings: Tensor, labels: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Sums of unit embeddings per class ``(C, D)``, and counts ``(C,)``: all that a mean cosine needs."""
    unit = F.normalize(embeddings.double(), dim=1, eps=1e-300)
    sums = torch.zeros(n_classes, unit.shape[1], dtype=torch.float64, device=unit.device)
    membership = F.one_hot(labels.long(), n_classes).double()
    return sums.addmm(membership.T, unit), membership.sum(0)


def _cosines(prototypes: Tensor, classes: Tensor, sums: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosines from the sums of `_directions`."""
    if bool((classes == SHARED).any()):
        raise ValueError("a prototype without a class (-1) has no class to align with; leave it out.")
    own, others = counts[classes], counts.sum() - counts[classes]
    if bool((own == 0).any()):
        missing = sorted(set(classes[own == 0].tolist()))
        raise ValueError(f"there are prototypes of class {missing}, but no embeddings of it to align with.")
    if bool((others == 0).any()):
        raise ValueError("all embeddings are of one class; give embeddings of at least two classes.")
    dots = F.normalize(prototypes.double(), dim=1, eps=1e-300) @ sums.T
    inside = dots.gather(1, classes[:, None]).squeeze(1)
    return (inside / own).clamp(-1, 1), ((dots.sum(1) - inside) / others).clamp(-1, 1)


class _Alignment(Meter):
    """Adds up the unit embeddings of the training pass; where cells are compared, every cell is one [ours].

    So it is with part-level ProtoPNet, of whose alignment [C] does not say what the embeddings are.
    """

    observes = frozenset[SplitName]({"train"})

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation)
        self._sums = self._counts = torch.zeros((), dtype=torch.float64)

    def observe(self, split: SplitName, batch: Batch, explanation: Explanation) -> None:
        embeddings, labels = self.evaluation.embeddings(explanation), batch.labels
        if embeddings.ndim == 4:
            labels = labels.repeat_interleave(embeddings[0, 0].numel())
        sums, counts = _directions(as_points(embeddings), labels, self.evaluation.dataset.n_classes)
        self._sums, self._counts = self._sums + sums.cpu(), self._counts + counts.cpu()

    def _both(self) -> tuple[Tensor, Tensor]:
        prototypes = self.evaluation.model.prototypes
        if self._sums.ndim == 0:
            raise ValueError("no training batch was observed; run the pass over the training split first.")
        return _cosines(prototypes.vectors.cpu(), prototypes.classes.cpu(), self._sums, self._counts)


class _Class(_Alignment):
    def scores(self) -> Scores:
        inside, outside = self._both()
        return Scores(inside, chance=outside)


class _Out(_Alignment):
    def scores(self) -> Scores:
        return Scores(self._both()[1])


_NEEDS = frozenset({Capability.SIMILARITIES, Capability.EMBEDDINGS})

ALIGNMENT_CLASS = Metric(
    name="alignment_class", title="Class cosine", direction="higher", lower=-1, upper=1, per="prototype",
    meter=_Class, requires=_NEEDS, version=1, reference="[C], first table",
    chance_is="the same prototype's mean cosine with the other classes",
    note="Mean cosine of a prototype with the training embeddings of its class.",
)  # fmt: skip

ALIGNMENT_OUT = Metric(
    name="alignment_out", title="Out-of-class cosine", direction="lower", lower=-1, upper=1, per="prototype",
    meter=_Out, requires=_NEEDS, version=1, reference="[C], first table", chance_is="none",
    note="Mean cosine of a prototype with the training embeddings of all other classes.",
)  # fmt: skip
