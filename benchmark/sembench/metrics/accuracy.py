"""Accuracy, and its gap to the accuracy of the black box."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores, SplitName
from sembench.types import Batch, Explanation

if TYPE_CHECKING:
    from sembench.evaluation.evaluation import Evaluation


def accuracy(predictions: Tensor, labels: Tensor) -> Tensor:
    """Correctness of each prediction.

        a_i = 1 if prediction_i = label_i, else 0

    Plain accuracy: no matching of labels, no averaging. Costs no forward pass beyond the shared one.

    Args:
        predictions: Predicted classes ``(N,)``, integers.
        labels: True classes ``(N,)``, integers.

    Returns:
        ``(N,)``, float64: 1 where right (best), 0 where wrong (worst); chance is ``1/C`` on balanced classes.

    Raises:
        ValueError: If the shapes differ, or the inputs are not vectors of integers.

    Examples:
        >>> accuracy(torch.tensor([0, 2, 1]), torch.tensor([0, 1, 1])).tolist()
        [1.0, 0.0, 1.0]

    References:
        [K] Table 3; of training images [C], second table.
    """
    if predictions.ndim != 1 or predictions.shape != labels.shape:
        raise ValueError(
            f"predictions {tuple(predictions.shape)} and labels {tuple(labels.shape)} must both be (N,). "
            "Of class scores, give the argmax."
        )
    if predictions.is_floating_point() or labels.is_floating_point():
        raise ValueError(f"classes are {predictions.dtype} and {labels.dtype}; give both as integers.")
    return (predictions == labels).double()


class _Accuracy(Meter):
    """Accuracy on the split that it observes."""

    observes = frozenset[SplitName]({"test"})

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(evaluation)
        self._parts: list[Tensor] = []

    def observe(self, split: SplitName, batch: Batch, explanation: Explanation) -> None:
        self._parts.append(accuracy(explanation.predictions, batch.labels).cpu())

    def scores(self) -> Scores:
        return Scores(torch.cat(self._parts), chance=1 / self.evaluation.dataset.n_classes)


class _TrainAccuracy(_Accuracy):
    observes = frozenset[SplitName]({"train"})


class _Gap(_Accuracy):
    """Accuracy minus that of the paired black box, image by image, in points."""

    def scores(self) -> Scores:
        paired = self.evaluation.reference_correct
        chance = 100 * (1 / self.evaluation.dataset.n_classes - paired)
        return Scores(100 * (torch.cat(self._parts) - paired), chance=chance)


ACCURACY = Metric(
    name="accuracy", title="Accuracy", direction="higher", lower=0, upper=1, per="test image", meter=_Accuracy,
    requires=frozenset(), version=1, reference="[K] Table 3", chance_is="1/C: guessing one of C classes",
)  # fmt: skip

ACCURACY_TRAIN = Metric(
    name="accuracy_train", title="Training accuracy", direction="higher", lower=0, upper=1, per="training image",
    meter=_TrainAccuracy, requires=frozenset(), version=1, reference="[C], second table",
    chance_is="1/C: guessing one of C classes",
)  # fmt: skip

ACCURACY_GAP = Metric(
    name="accuracy_gap", title="Accuracy gap", direction="higher", lower=-100, upper=100, per="test image",
    meter=_Gap, requires=frozenset(), version=1, reference="[K] section 4.3.4 and Fig. 4",
    unit="points", chance_is="guessing one of C classes", cost="none; the black box's predictions are computed once",
    note="Accuracy minus that of the paired black box on the same image: 0 is equal, above 0 is better than it.",
)  # fmt: skip
