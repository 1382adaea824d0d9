"""Average drop and average increase, the measures of earlier work on saliency maps.

Both see an image that is dimmed wherever its map is weak. Such an image is unlike any that the model was trained on,
and a map that is large everywhere hides nothing and loses nothing: read both beside their chance level, the same image
dimmed by the model's map of another image.

The variant ``similarity, half noise`` is that of the public code of [K], which names the measures as earlier work in
section 4: not the probability of the decided class is compared, but the similarity to each prototype of the true
class, with half of the pixels replaced by noise in the order of that prototype's map. An image's score is the mean over
these prototypes. It needs prototype maps.

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


def similarity_drop(clean: Tensor, noised: Tensor) -> Tensor:
    """Share of a similarity that is lost on the image with noise, whatever the sign of similarities.

        drop_i = min(1, max(0, s_i - o_i) / max(|s_i|, |o_i|))

    Of similarities that are not negative it is the relative drop, ``(s - o) / s``. Of minus a distance, ``s = -d``, for
    which a share of ``s`` has no meaning, it is ``1 - d / d'``: 0 where the distance stays, 1/2 where it doubles. One
    that changes its sign has lost all. Costs nothing beyond the similarities.

    Args:
        clean: Similarity ``s`` of the image ``(K,)``.
        noised: Similarity ``o`` of the image with noise ``(K,)``.

    Returns:
        ``(K,)``, float64, in [0, 1]: 0 (best) where nothing is lost, 1 (worst) where all is.

    Raises:
        ValueError: If shapes differ or a value is not finite.

    Note:
        What a relative drop of negative similarities is, is [ours].

    Examples:
        >>> similarity_drop(torch.tensor([4.0, -2.0, 1.0]), torch.tensor([1.0, -4.0, -1.0])).tolist()
        [0.75, 0.5, 1.0]
    """
    if clean.ndim != 1 or clean.shape != noised.shape:
        raise ValueError(f"clean {tuple(clean.shape)} and noised {tuple(noised.shape)} must both be (K,).")
    s, o = clean.double(), noised.double()
    if not bool((torch.isfinite(s) & torch.isfinite(o)).all()):
        raise ValueError("similarities hold NaN or infinite values; give finite ones.")
    largest = torch.maximum(s.abs(), o.abs())
    return torch.where(largest > 0, (s - o).clamp(min=0) / largest, 0.0).clamp(max=1)


def similarity_increase(clean: Tensor, noised: Tensor) -> Tensor:
    """Whether an image with noise is more similar to the prototype than the whole one: ``(K,)``, float64, 1 or 0.

    Examples:
        >>> similarity_increase(torch.tensor([4.0, -2.0]), torch.tensor([5.0, -4.0])).tolist()
        [1.0, 0.0]
    """
    return (noised.double() > clean.double()).double()


def _checked(clean: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
    if clean.ndim != 1 or clean.shape != masked.shape:
        raise ValueError(f"clean {tuple(clean.shape)} and masked {tuple(masked.shape)} must both be (N,).")
    y, o = clean.double(), masked.double()
    if not bool(((y >= 0) & (y <= 1 + 1e-6) & (o >= 0) & (o <= 1 + 1e-6)).all()):  # a sum of a softmax may pass 1
        raise ValueError("clean and masked hold values outside of [0, 1] or NaN; give probabilities.")
    return y, o


_Measure = Callable[[Tensor, Tensor], Tensor]
_SIMILARITY = "similarity, half noise"


def _meter(measure: _Measure, of_similarity: _Measure) -> type[Meter]:
    class MaskMeter(Meter):
        """Measures the explained images masked by their maps, and by maps of other images as the level of chance."""

        def scores(self) -> Scores:
            clean, masked, other = self.evaluation.masked_probabilities
            variants = {}
            if self.evaluation.variants and (found := self.evaluation.noised_similarities) is not None:
                variants = {_SIMILARITY: _mean_of_image(of_similarity(found.clean, found.noised), found.rows)}
            chance = None if other is None else measure(clean, other)
            return Scores(measure(clean, masked), chance, variants=variants, note=self.evaluation.class_maps.note)

    return MaskMeter


def _mean_of_image(values: Tensor, rows: Tensor) -> Tensor:
    """Mean value of each image ``(N,)`` over its pairs with prototypes, of values and positions of images ``(K,)``."""
    counts = torch.bincount(rows)
    return torch.zeros(len(counts), dtype=values.dtype).index_add_(0, rows, values) / counts


_NEEDS = frozenset({Capability.ATTRIBUTION, Capability.PROBABILITIES})
_CHANCE = "the same image masked by the model's map of another image"

AVERAGE_DROP = Metric(
    name="average_drop", title="Average drop", direction="lower", lower=0, upper=1, per="explained image",
    meter=_meter(average_drop, similarity_drop), requires=_NEEDS, version=1,
    reference="Chattopadhay et al. 2018, section 4.1", chance_is=_CHANCE, variants=(_SIMILARITY,),
    cost="one attribution and three forward passes per explained image; the variant one attribution and one forward "
    "pass more for each prototype of the true class, and one for the image",
    note="Share of the decided class's probability that is lost where the image is dimmed by its relevance map.",
)  # fmt: skip

AVERAGE_INCREASE = Metric(
    name="average_increase", title="Average increase", direction="higher", lower=0, upper=1, per="explained image",
    meter=_meter(average_increase, similarity_increase), requires=_NEEDS, version=1,
    reference="Chattopadhay et al. 2018, section 4.1", chance_is=_CHANCE, variants=(_SIMILARITY,),
    cost="none beyond average drop",
    note="Share of images whose decided class is more probable where they are dimmed by their relevance map.",
)  # fmt: skip
