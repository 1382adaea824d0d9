"""Ranks of the explainers under one metric over data sets, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sembench.results.score import Measure
from sembench_leaderboard.entries.entry import Entry
from sembench_leaderboard.statistics.ranks import MIN_DATASETS, MIN_METHODS, Friedman, friedman


@dataclass(frozen=True)
class Ranking:
    """One metric over all data sets of a suite.

    Attributes:
        methods: Explainers that have the metric on all data sets, in the order of the board.
        left_out: Explainers that have it on some of them only.
        test: Friedman's test; ``None`` where it does not apply.
        reason: Why it does not apply, in words; empty where it does.
    """

    metric: str
    measure: Measure
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    left_out: tuple[str, ...]
    test: Friedman | None
    reason: str


def ranking(metric: str, entries: Sequence[Entry], datasets: Sequence[str]) -> Ranking:
    """The ranking of the explainers among the entries of one metric, by their means over seeds."""
    scores: dict[str, dict[str, float]] = {}
    for entry in entries:
        if entry.kind == "explainer" and entry.value is not None:
            scores.setdefault(entry.explainer, {})[entry.dataset] = entry.value
    whole = {name: own for name, own in scores.items() if len(own) == len(datasets)}
    partly, measure = tuple(name for name in scores if name not in whole), entries[0].measure
    reasons = [
        f"{len(have) or 'no'} {what}{'' if len(have) == 1 else 's'}, {least} are needed"
        for have, what, least in ((datasets, "data set", MIN_DATASETS), (whole, "explainer", MIN_METHODS))
        if len(have) < least
    ]
    test = None
    if not reasons:
        rows = [[own[dataset] for own in whole.values()] for dataset in datasets]
        test = friedman(rows, lower_is_better=measure.direction == "lower")
    return Ranking(metric, measure, tuple(datasets), tuple(whole), partly, test, "; ".join(reasons))
