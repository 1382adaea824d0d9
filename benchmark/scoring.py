"""Which metrics apply to a method on a data set, and what do they say? Decided by sets first, then one pass a split."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.applicability import Offer
from benchmark.evaluation import Evaluation
from benchmark.metric import Metric
from benchmark.provenance import measure_of, scored
from benchmark.results import NotApplicable, Score


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
