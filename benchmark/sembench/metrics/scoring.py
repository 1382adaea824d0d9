"""Scores of a fitted model by the metrics that apply to it: applicability first, then one pass a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from sembench.data.dataset import Split
from sembench.errors import ContractBroken, RelevanceUndefined
from sembench.evaluation.evaluation import Evaluation
from sembench.metrics.applicability import Offer
from sembench.metrics.metric import Meter, Metric, Scores, SplitName
from sembench.relevance.conservation import not_defined
from sembench.results.score import Measure, NotApplicable, Score, Scored
from sembench.types import check_finite


def score(offered: Offer, metrics: Sequence[Metric], evaluation: Evaluation) -> dict[str, Score]:
    """Scores by metric, in the order of the metrics.

    Applicability is decided before any pass is made, but for a step of the model's own that has no rule of relevance.
    """
    reasons = {m.name: offered.reason_against(m, evaluation.name, evaluation.dataset.name) for m in metrics}
    meters = {m.name: m.meter(evaluation) for m in metrics if reasons[m.name] is None}
    run_passes(evaluation, meters.values())
    return {
        metric.name: not_applicable(metric, reason)
        if (reason := reasons[metric.name]) is not None
        else _measured(metric, meters[metric.name], evaluation.name)
        for metric in metrics
    }


def _measured(metric: Metric, meter: Meter, who: str) -> Score:
    try:
        return scored(metric, meter.scores(), who)
    except RelevanceUndefined as error:
        return not_applicable(metric, not_defined(error))


def not_applicable(metric: Metric, reason: str) -> NotApplicable:
    """A metric's entry in a result where it does not apply."""
    return NotApplicable(measure=measure_of(metric), reason=reason)


def run_passes(evaluation: Evaluation, meters: Iterable[Meter]) -> None:
    """Shows every batch of a split to the meters that ask for it: one forward pass a split, or none.

    Raises:
        ContractBroken: If an explanation has a wrong shape or is not finite.
    """
    meters = list(meters)
    splits: dict[SplitName, Split] = {"train": evaluation.dataset.train, "test": evaluation.dataset.test}
    for name, split in splits.items():
        watching = [meter for meter in meters if name in meter.observes]
        for batch in split.batches(evaluation.settings.batch_size) if watching else ():
            explanation = evaluation.explain(batch)
            for meter in watching:
                meter.observe(name, batch.to(explanation.class_scores.device), explanation)


def measure_of(metric: Metric) -> Measure:
    """The meaning of a metric's numbers, as results state it: every field of `Measure` is one of `Metric`."""
    return Measure(**{field: getattr(metric, field) for field in Measure.model_fields})


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
            levels={name: series(name, values) for name, values in scores.levels.items()},
            variants={name: series(name, values) for name, values in scores.variants.items()},
            details={name: series(name, values) for name, values in scores.details.items()},
            note=scores.note,
        )
    except ValueError as error:
        raise ContractBroken(f"{who}: {metric.name}: {error}") from error
