"""Statistical summary of a suite: differences, probabilities of being best, dominance, ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from sembench.results.result import Result
from sembench.results.score import Measure
from sembench_leaderboard.comparison.difference import Paired, paired
from sembench_leaderboard.comparison.pareto import Pareto, pareto
from sembench_leaderboard.comparison.ranking import Ranking, ranking
from sembench_leaderboard.comparison.significance import holm, p_value, probability_of_best
from sembench_leaderboard.entries.entry import Entry, aggregate, column
from sembench_leaderboard.entries.grouping import by_dataset, by_suite
from sembench_leaderboard.entries.selection import Missing, find, method
from sembench_leaderboard.statistics.bootstrap import MIN_SEEDS, Interval

AGAINST = ("blackbox", "kmex")
DRAWS = 3999  # the smallest p-value is 2 / 4000


@dataclass(frozen=True)
class Difference:
    """An explainer minus a method that it is compared with.

    Attributes:
        seeds: The seeds that both have.
        interval: The difference in the unit of the metric; ``None`` where there is no common seed.
        p: P-value; ``None`` with one seed, which speaks of one trained model.
        corrected: The same, corrected by Holm for all p-values of this data set and metric.
    """

    explainer: str
    against: str
    seeds: tuple[int, ...] = ()
    interval: Interval | None = None
    p: float | None = None
    corrected: float | None = None


@dataclass(frozen=True)
class MetricComparison:
    """One metric on one data set.

    Attributes:
        explainers: Those that have it, in the order of the board.
        against: Labels of what they are compared with, by the names in `AGAINST`.
        missing: For every other name in `AGAINST`, why there is nothing to compare with, in words.
        differences: One per explainer and method that has the metric.
        best: Probability of being best by explainer; nothing where there are not two with a common seed.
    """

    dataset: str
    metric: str
    measure: Measure
    explainers: tuple[str, ...]
    against: dict[str, str]
    missing: dict[str, str]
    differences: tuple[Difference, ...]
    best: dict[str, float]


@dataclass(frozen=True)
class SuiteComparison:
    """All of one suite: comparisons, the Pareto set by data set and over all of them, a ranking for each metric."""

    suite: str
    compared: tuple[MetricComparison, ...]
    pareto: dict[str, Pareto]
    overall: Pareto
    rankings: tuple[Ranking, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets, sorted."""
        return tuple(self.pareto)


def suite_comparisons(results: Iterable[Result]) -> list[SuiteComparison]:
    """The statistics of every suite among the results, ordered by suite.

    Raises:
        ResultsMixed: If results of one entry do not belong together, or entries differ in their images.
    """
    with threadpool_limits(1, user_api="blas"):
        return [_suite_comparison(suite, own) for suite, own in by_suite(results).items()]


def _suite_comparison(suite: str, results: Sequence[Result]) -> SuiteComparison:
    entries, datasets = aggregate(results), by_dataset(results)
    metrics = sorted({entry.metric for entry in entries}, key=column)
    compared = []
    for dataset, runs in datasets.items():
        for metric in metrics:
            scored = [e for e in entries if (e.dataset, e.metric) == (dataset, metric) and e.value is not None]
            if any(entry.kind == "explainer" for entry in scored):
                compared.append(_compared(runs, scored))
    sets = {name: pareto([entry for entry in entries if entry.dataset == name]) for name in datasets}
    rankings = tuple(ranking(metric, [e for e in entries if e.metric == metric], tuple(datasets)) for metric in metrics)
    return SuiteComparison(suite, tuple(compared), sets, pareto(entries), rankings)


def _compared(runs: Sequence[Result], scored: Sequence[Entry]) -> MetricComparison:
    """One metric on one data set, from the entries that have it."""
    metric, names = scored[0].metric, {entry.explainer for entry in scored}
    explainers = tuple(entry.explainer for entry in scored if entry.kind == "explainer")
    own = {name: [run for run in runs if run.explainer == name] for name in names}
    against: dict[str, str] = {}
    missing: dict[str, str] = {}
    for title in AGAINST:
        found = find(method(title), runs)
        if isinstance(found, Missing):
            missing[title] = found.why
        elif found.label not in names:
            missing[title] = "it has no score here"
        else:
            against[title] = found.label
    pairs = [(name, label) for label in against.values() for name in explainers if name != label]
    raw_differences = paired(metric, [(own[name], own[label]) for name, label in pairs], DRAWS)
    differences = [_difference(*pair, raw) for pair, raw in zip(pairs, raw_differences, strict=True)]
    corrected = iter(holm([own.p for own in differences if own.p is not None]))
    differences = [own if own.p is None else replace(own, corrected=next(corrected)) for own in differences]
    best = probability_of_best(metric, {name: own[name] for name in explainers}) if len(explainers) > 1 else {}
    return MetricComparison(
        runs[0].dataset, metric, scored[0].measure, explainers, against, missing, tuple(differences), best
    )


def _difference(explainer: str, against: str, own: Paired | None) -> Difference:
    if own is None:
        return Difference(explainer, against)
    p = p_value(own) if len(own.seeds) >= MIN_SEEDS else None
    return Difference(explainer, against, own.seeds, own.widened.interval(), p)
