"""Which metrics apply to a method on a data set, and what do they say? Decided by sets first, then one pass a split."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sembench.errors import ContractBroken
from sembench.evaluation.evaluation import Evaluation
from sembench.metrics.applicability import Offer
from sembench.metrics.metric import Metric, Scores
from sembench.results.result import Measure, NotApplicable, Score, Scored
from sembench.types import check_finite


def score(offered: Offer, metrics: Sequence[Metric], evaluation: Evaluation) -> dict[str, Score]:
    """Applicability is decided first, by set comparison; then one pass a split; then the scores."""
    inapplicable: dict[str, Score] = {}
    meters = {}
    for metric in metrics:
        reason = offered.reason_against(metric, evaluation.name, evaluation.dataset.name)
        if reason is not None:
            inapplicable[metric.name] = NotApplicable(measure=measure_of(metric), reason=reason)
        else:
            meters[metric.name] = metric.meter(evaluation)
    evaluation.run_passes(meters.values())
    return {
        metric.name: inapplicable[metric.name]
        if metric.name in inapplicable
        else scored(metric, meters[metric.name].scores(), evaluation.name)
        for metric in metrics
    }


def measure_of(metric: Metric) -> Measure:
    """What a metric's numbers mean, as results state it."""
    return Measure(
        title=metric.title,
        direction=metric.direction,
        lower=metric.lower,
        upper=metric.upper,
        unit=metric.unit,
        per=metric.per,
        version=metric.version,
        reference=metric.reference,
        chance_is=metric.chance_is,
        note=metric.note,
    )


def scored(metric: Metric, scores: Scores, who: str) -> Scored:
    """A metric's scores as results state them.

    Raises:
        ContractBroken: If a score is not finite, lies outside the declared range, or is not one per unit.
    """

    def series(name: str, values: Tensor) -> tuple[float, ...]:
        if values.ndim != 1 or len(values) == 0:
            raise ContractBroken(f"{who}: {metric.name}: {name} has shape {tuple(values.shape)}, expected (n,), n > 0.")
        check_finite(f"{metric.name}: {name}", values, who)
        return tuple(values.double().cpu().tolist())

    chance = series("chance", scores.chance) if isinstance(scores.chance, Tensor) else scores.chance
    try:
        return Scored(
            measure=measure_of(metric),
            values=series("values", scores.values),
            chance=chance,
            variants={name: series(name, values) for name, values in scores.variants.items()},
            details={name: series(name, values) for name, values in scores.details.items()},
        )
    except ValueError as error:
        raise ContractBroken(f"{who}: {metric.name}: {error}") from error
