"""Do the pixels that an explanation calls relevant carry the decision alone? Average drop and average increase.

The measures of earlier work on saliency maps. Both see an image that is dimmed wherever its map is weak; such an image
is unlike any that the model was trained on, and a map that is large everywhere hides nothing and loses nothing. Read
them beside their chance level.

References:
    A. Chattopadhay, A. Sarkar, P. Howlader, V. Balasubramanian: Grad-CAM++, WACV 2018, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores
from sembench.types import Capability


def average_drop(clean: Tensor, masked: Tensor) -> Tensor:
    """Which share of the class's probability is lost on the masked image? ``max(0, y - o) / y``.

    Args:
        clean: Probability ``y`` of the decided class on the image ``(N,)``.
        masked: Probability ``o`` of the same class on the masked image ``(N,)``.

    Returns:
        ``(N,)``, float64, in [0, 1]: 0 where nothing is lost, or where there was nothing to lose.

    Raises:
        ValueError: If shapes differ or a value is no probability.
    """
    y, o = _checked(clean, masked)
    return torch.where(y > 0, (y - o).clamp(min=0) / y, 0.0)


def average_increase(clean: Tensor, masked: Tensor) -> Tensor:
    """Is the class more probable on the masked image than on the whole one? 1 where it is, else 0: ``(N,)``, float64.

    Args:
        clean: Probability of the decided class on the image ``(N,)``.
        masked: Probability of the same class on the masked image ``(N,)``.

    Raises:
        ValueError: If shapes differ or a value is no probability.
    """
    y, o = _checked(clean, masked)
    return (o > y).double()


def _checked(clean: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
    if clean.ndim != 1 or clean.shape != masked.shape:
        raise ValueError(f"clean {tuple(clean.shape)} and masked {tuple(masked.shape)} must both be (N,).")
    y, o = clean.double(), masked.double()
    if not bool(((y >= 0) & (y <= 1 + 1e-6) & (o >= 0) & (o <= 1 + 1e-6)).all()):  # a sum of a softmax may pass 1
        raise ValueError("clean and masked must be probabilities, from 0 to 1.")
    return y, o


def _meter(measure: Callable[[Tensor, Tensor], Tensor]) -> type[Meter]:
    class MaskMeter(Meter):
        """Measures the explained images masked by their maps, and by maps of other images as the level of chance."""

        def scores(self) -> Scores:
            clean, masked, other = self.evaluation.masked_probabilities
            return Scores(measure(clean, masked), None if other is None else measure(clean, other))

    return MaskMeter


_NEEDS = frozenset({Capability.ATTRIBUTION, Capability.PROBABILITIES})
_CHANCE = "the same image masked by the model's map of another image"

AVERAGE_DROP = Metric(
    name="average_drop", title="Average drop", direction="lower", lower=0, upper=1, per="explained image",
    meter=_meter(average_drop), requires=_NEEDS, version=1, reference="Chattopadhay et al. 2018, section 4.1",
    chance_is=_CHANCE, cost="one attribution and three forward passes per explained image",
    note="Share of the decided class's probability that is lost where the image is dimmed by its relevance map.",
)  # fmt: skip

AVERAGE_INCREASE = Metric(
    name="average_increase", title="Average increase", direction="higher", lower=0, upper=1, per="explained image",
    meter=_meter(average_increase), requires=_NEEDS, version=1, reference="Chattopadhay et al. 2018, section 4.1",
    chance_is=_CHANCE, cost="none beyond average drop",
    note="Share of images whose decided class is more probable where they are dimmed by their relevance map.",
)  # fmt: skip
