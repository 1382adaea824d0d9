"""Which metrics apply to a method on a data set, and what do they say? Decided by sets first, then one pass a split."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.evaluation import Evaluation
from benchmark.explainer import Explainer
from benchmark.metric import Metric
from benchmark.provenance import measure_of, scored
from benchmark.results import NotApplicable, Score
from benchmark.types import OF_DATA


def score(recipe: Explainer, metrics: Sequence[Metric], evaluation: Evaluation) -> dict[str, Score]:
    """Applicability is decided first, by set comparison; then one pass a split; then the scores."""
    offered = (recipe.supports - OF_DATA) | evaluation.dataset.supports  # a method may claim all capabilities there are
    inapplicable: dict[str, Score] = {}
    meters = {}
    for metric in metrics:
        missing = metric.missing(offered)
        if missing:
            first = min(missing)
            who = evaluation.dataset.name if first in OF_DATA else evaluation.name
            reason = recipe.lacks.get(first, f"{who} does not offer {first.value}")
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
