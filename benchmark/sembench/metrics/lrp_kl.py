"""LRP-KL: the divergence of a model's relevance maps from those of the black box.

Version 2 compares class maps whose relevance leaves a head of nearest prototypes by the rule ``neon``; version 1 used
the prototype rule ``prp`` there.

Variants: ``reverse``, ``positive`` and ``softmax`` as in `relevance_kl`; ``rule=...`` compares class maps under one of
the rules of the model's head, where it has that rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from sembench.evaluation.maps import Maps
from sembench.metrics.metric import Meter, Metric, Scores
from sembench.types import Capability, Trait

Normalisation = Literal["abs", "positive", "softmax"]

_EPSILON = 1e-12


def _log_abs(relevance: Tensor) -> Tensor:
    mass = relevance.abs() + _EPSILON
    return mass.log() - mass.sum(1, keepdim=True).log()


_NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": _log_abs,
    "positive": lambda relevance: _log_abs(relevance.clamp(min=0)),
    "softmax": lambda relevance: relevance.log_softmax(1),
}


def relevance_kl(
    relevance: Tensor, reference: Tensor, *, normalise: Normalisation = "abs", reverse: bool = False
) -> Tensor:
    """Kullback-Leibler divergence of each relevance map from that of the black box.

        D_KL(r || r_BB) = sum_x r(x) log(r(x) / r_BB(x))

    The sum runs over pixels; both maps are made distributions first. Costs one attribution per explained image; the
    black box's maps are computed once.

    Args:
        relevance: Maps of the model ``(N, H, W)``, any sign.
        reference: Maps of the black box ``(N, H, W)``.
        normalise: How a map is made a distribution [ours]. ``"abs"`` (primary): ``(|r| + 1e-12) / sum``;
            ``"positive"``: the same, where negative relevance counts as none; ``"softmax"``: over pixels.
        reverse: Compute ``D_KL(r_BB || r)`` instead.

    Returns:
        ``(N,)``, float64, nats, in [0, inf): 0 is best, and there is no worst. It means something only beside its
        chance level, the model's map of another image against the black box's map of this one.

    Raises:
        ValueError: If shapes differ, a value is not finite, or the normalisation is unknown.

    Examples:
        >>> uneven, even = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, 2.0]]])
        >>> relevance_kl(uneven, even).round(decimals=3).tolist()
        [0.131]
        >>> relevance_kl(even, even).tolist()
        [0.0]

    References:
        [K] Eqs. 2-3.
    """
    if normalise not in _NORMALISATIONS:
        raise ValueError(f"unknown normalisation {normalise!r}; accepted are {', '.join(_NORMALISATIONS)}.")
    if relevance.ndim != 3 or relevance.shape != reference.shape:
        raise ValueError(
            f"relevance {tuple(relevance.shape)} and reference {tuple(reference.shape)} must both be (N, H, W). "
            "Sum over colour channels first."
        )
    if not bool(torch.isfinite(relevance).all() and torch.isfinite(reference).all()):
        raise ValueError("relevance maps hold NaN or infinite values; every pixel must be finite.")
    log_p, log_q = (_NORMALISATIONS[normalise](r.flatten(1).double()) for r in (relevance, reference))
    if reverse:
        log_p, log_q = log_q, log_p
    return (log_p.exp() * (log_p - log_q)).sum(1).clamp(min=0)


_FAINT = 1e3 * _EPSILON


def _note(maps: Maps) -> str:
    """The maps' own note, and how many are so faint that what is added to every pixel evens them out."""
    means = maps.relevance.double().abs().mean((1, 2))
    faint = int(((means > 0) & (means < _FAINT)).sum())
    said = f"{faint} of {len(means)} maps are below {_FAINT:g} on average, nearly even beside the {_EPSILON:g} added"
    return "; ".join(filter(None, [maps.note, f"{said} to every pixel" if faint else ""]))


_RULES = ("neon", "contrast", "gxi", "prp")


class _Divergence(Meter):
    def scores(self) -> Scores:
        evaluation = self.evaluation
        relevance, reference = evaluation.class_maps.relevance, evaluation.reference_relevance
        others = relevance[evaluation.other_images]
        chance = relevance_kl(others, reference) if len(others) > 1 else None  # a single image has no other
        levels = {"headless": relevance_kl(evaluation.headless_maps, reference)}
        variants, details = {}, {}
        if evaluation.variants:
            variants = {
                "reverse": relevance_kl(relevance, reference, reverse=True),
                "positive": relevance_kl(relevance, reference, normalise="positive"),
                "softmax": relevance_kl(relevance, reference, normalise="softmax"),
            }
            for rule in (rule for rule in _RULES if rule in evaluation.model.rules):
                variants[f"rule={rule}"] = relevance_kl(evaluation.maps_by(rule), reference)
            details = {"random map": relevance_kl(self._random_maps(), reference)}
        return Scores(
            relevance_kl(relevance, reference), chance, levels, variants, details, _note(evaluation.class_maps)
        )


LRP_KL = Metric(
    name="lrp_kl", title="LRP-KL", direction="lower", lower=0, upper=None, per="explained image",
    meter=_Divergence, requires=frozenset({Capability.ATTRIBUTION, Trait.RELEVANCE}), version=2,
    reference="[K] section 4.3.2, Eqs. 2-3", unit="nats",
    chance_is="the model's map of another image against the black box's map of this one",
    variants=("reverse", "positive", "softmax", "rule=neon", "rule=contrast", "rule=gxi", "rule=prp"),
    cost="one attribution per explained image, and another for each variant of the rule; the black box's maps and the "
    "headless ones are computed once",
    note="Kullback-Leibler divergence of the model's class map from the black box's LRP map. Headless is that of the "
    "encoder's map, relevance on the embedding as it is: a score no smaller says that the encoder is shared, not that "
    "the prototypes explain.",
)  # fmt: skip
