"""Statistics for other programs: one row per number as CSV.

==================== ======================================== ===========================================
part                 value                                    against
==================== ======================================== ===========================================
difference           explainer minus ``against``              the black box or KMEx
best                 probability of being best
dominated            1; one row for each method that does it  the method that dominates
undominated          1: in the Pareto set
rank                 mean rank over data sets
friedman             chi-square, with its p-value
critical difference  Nemenyi's, at 5 %
==================== ======================================== ===========================================

What goes over all data sets has an empty data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sembench_leaderboard.comparison.pareto import Pareto
from sembench_leaderboard.comparison.suite import Difference, SuiteComparison
from sembench_leaderboard.tables import csv

FIELDS = (
    "suite", "part", "dataset", "metric", "explainer", "against", "value", "low", "high", "p", "p_holm", "seeds",
    "reason",
)  # fmt: skip


def to_csv(suite: SuiteComparison) -> str:
    """Every number with the columns ``FIELDS``, to 9 digits; what does not exist is an empty field."""
    return csv.text(FIELDS, ({"suite": suite.suite} | row for row in _rows(suite)))


def _rows(suite: SuiteComparison) -> Iterator[dict[str, Any]]:
    for compared in suite.compared:
        about = {"dataset": compared.dataset, "metric": compared.metric}
        for difference in compared.differences:
            yield about | _difference(difference)
        for name, probability in compared.best.items():
            yield about | {"part": "best", "explainer": name, "value": probability}
    for dataset, found in suite.pareto.items():
        yield from _pareto(dataset, found)
    if len(suite.datasets) > 1:
        yield from _pareto("", suite.overall)
    for ranking in suite.rankings:
        about = {"metric": ranking.metric, "reason": ranking.reason}
        if ranking.test is None:
            yield about | {"part": "friedman"}
            continue
        for name, rank in zip(ranking.methods, ranking.test.mean_ranks, strict=True):
            yield about | {"part": "rank", "explainer": name, "value": rank}
        yield about | {"part": "friedman", "value": ranking.test.statistic, "p": ranking.test.p}
        yield about | {"part": "critical difference", "value": ranking.test.difference}


def _difference(own: Difference) -> dict[str, Any]:
    common = {"part": "difference", "explainer": own.explainer, "against": own.against}
    if own.interval is None:
        return common | {"reason": "no seed in common"}
    reason = "one seed speaks of one trained model" if own.p is None else ""
    return common | vars(own.interval) | {
        "p": own.p, "p_holm": own.corrected, "seeds": " ".join(map(str, own.seeds)), "reason": reason,
    }  # fmt: skip


def _pareto(dataset: str, found: Pareto) -> Iterator[dict[str, Any]]:
    for name, above in found.dominated_by.items():
        about = {"dataset": dataset, "explainer": name, "value": 1}
        if not above:
            yield about | {"part": "undominated"}
        for other in above:
            yield about | {"part": "dominated", "against": other}
