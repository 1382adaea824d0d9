"""Average drop and average increase, the measures of earlier work on saliency maps.

Both see an image that is dimmed wherever its map is weak. Such an image is unlike any that the model was trained on,
and a map that is large everywhere hides nothing and loses nothing: read both beside their chance level, the same image
dimmed by the model's map of another image.

References:
    [Grad-CAM++] section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sembench.metrics.metric import Meter, Metric, Scores
from sembench.types import Capability


def average_drop(clean: Tensor, masked: Tensor) -> Tensor:
    """Share of the class's probability that is lost on the masked image.

        drop_i = max(0, y_i - o_i) / y_i

    Costs, together with `average_increase`, one attribution and three forward passes per explained image.

    Args:
        clean: Probability ``y`` of the decided class on the image ``(N,)``.
        masked: Probability ``o`` of the same class on the masked image ``(N,)``.

    Returns:
        ``(N,)``, float64, in [0, 1]: 0 (best) where nothing is lost, or where there was nothing to lose [ours], 1
        (worst) where all is.

    Raises:
        ValueError: If shapes differ or a value is no probability.

    Examples:
        >>> average_drop(torch.tensor([0.5, 0.5]), torch.tensor([0.125, 0.75])).tolist()
        [0.75, 0.0]

    References:
        [Grad-CAM++] section 4.1.
    """
    y, o = _checked(clean, masked)
    return torch.where(y > 0, (y - o).clamp(min=0) / y, 0.0)


def average_increase(clean: Tensor, masked: Tensor) -> Tensor:
    """Whether the class is more probable on the masked image than on the whole one.

        increase_i = 1 if o_i > y_i, else 0

    Costs nothing beyond `average_drop`.

    Args:
        clean: Probability ``y`` of the decided class on the image ``(N,)``.
        masked: Probability ``o`` of the same class on the masked image ``(N,)``.

    Returns:
        ``(N,)``, float64: 1 (best) where it is more probable, else 0 (worst).

    Raises:
        ValueError: If shapes differ or a value is no probability.

    Examples:
        >>> average_increase(torch.tensor([0.5, 0.5]), torch.tensor([0.125, 0.75])).tolist()
        [0.0, 1.0]

    References:
        [Grad-CAM++] section 4.1.
    """
    y, o = _checked(clean, masked)
    return (o > y).double()


def _checked(clean: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
    if clean.ndim != 1 or clean.shape != masked.shape:
        raise ValueError(f"clean {tuple(clean.shape)} and masked {tuple(masked.shape)} must both be (N,).")
    y, o = clean.double(), masked.double()
    if not bool(((y >= 0) & (y <= 1 + 1e-6) & (o >= 0) & (o <= 1 + 1e-6)).all()):  # a sum of a softmax may pass 1
        raise ValueError("clean and masked hold values outside of [0, 1] or NaN; give probabilities.")
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
