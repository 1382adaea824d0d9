"""Changes of the numbers of several methods, and of their order, under another definition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

from sembench.results.result import Result
from sembench.results.score import Measure, Scored
from sembench_leaderboard.comparison.difference import difference
from sembench_leaderboard.entries.entry import Entry, aggregate, column
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.entries.selection import Method, Selected, find, in_words, name_of, one_choice
from sembench_leaderboard.statistics.bootstrap import Estimate
from sembench_leaderboard.statistics.digits import comparable
from sembench_leaderboard.statistics.ranks import kendall_tau_b, spearman

MIN_METHODS = 3
HEAD_RULE = "rule="
"""Beginning of the variants that send relevance through a model's head by another rule; see `rules` of a model."""


@dataclass(frozen=True)
class DefinitionChange:
    """A metric of several methods under the primary and under another definition, on one data set.

    Attributes:
        variant: What differs: a variant of the metric, or ``hyper-parameter = value``.
        methods: Labels of the plain entries.
        primary: Means over seeds, one per method.
        other: The same under the other definition.
        changed: The methods that have the other definition; the others keep their primary number.
        clear: Pairs of methods that are in reversed order beyond doubt: under either definition the 95 % interval of
            their paired difference excludes 0.
    """

    variant: str
    dataset: str
    metric: str
    measure: Measure
    methods: tuple[str, ...]
    primary: tuple[float, ...]
    other: tuple[float, ...]
    changed: tuple[str, ...]
    clear: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> tuple[float, ...]:
        """Other minus primary, of the methods that changed."""
        rows = zip(self.methods, self.primary, self.other, strict=True)
        return tuple(after - before for method, before, after in rows if method in self.changed)

    @property
    def mean_change(self) -> float:
        """Mean of the changes."""
        return fmean(self.changes)

    @property
    def largest_change(self) -> float:
        """The change of largest size, with its sign."""
        return max(self.changes, key=abs)

    @property
    def has_order(self) -> bool:
        """Whether there are enough methods for a correlation to say anything: two agree or disagree, no more."""
        return len(self.methods) >= MIN_METHODS

    @property
    def tau(self) -> float | None:
        """Kendall's tau-b between the two orders of methods; ``None`` where one has no order, or methods are few."""
        return kendall_tau_b(self.primary, self.other) if self.has_order else None

    @property
    def rho(self) -> float | None:
        """Spearman's rank correlation; ``None`` where one has no order, or methods are few."""
        return spearman(self.primary, self.other) if self.has_order else None

    @property
    def swaps(self) -> tuple[tuple[str, str], ...]:
        """Pairs of methods in reversed order; a pair that either definition ties has not swapped."""
        rows = list(zip(self.methods, comparable(self.primary), comparable(self.other), strict=True))
        return tuple((a[0], b[0]) for a, b in combinations(rows, 2) if (a[1] - b[1]) * (a[2] - b[2]) < 0)

    @property
    def pairs(self) -> int:
        """Pairs of methods that the primary definition tells apart."""
        return sum(a != b for a, b in combinations(comparable(self.primary), 2))

    @property
    def firsts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The best methods under either definition; several where they tie."""
        best = max if self.measure.direction == "higher" else min
        both = (comparable(self.primary), comparable(self.other))
        places = [[m for m, value in zip(self.methods, own, strict=True) if value == best(own)] for own in both]
        return tuple(places[0]), tuple(places[1])


Runs = dict[str, list[Result]]


def metric_changes(results: Sequence[Result]) -> list[DefinitionChange]:
    """Every variant of every metric on every data set of one suite; explainers only, no controls and no black box.

    A rule of the head exists for the methods whose head has it; the others have one way only, and keep their primary
    number. Where another variant is undefined for a method, the method has no place in the order.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `aggregate`.
    """
    changes, runs = [], _cells(results)
    for entries in _groups(aggregate(results)):
        for variant in sorted({name for entry in entries for name in entry.variants}):
            changed = [entry.explainer for entry in entries if variant in entry.variants]
            rows = [
                (entry.explainer, entry.value, entry.variants.get(variant, entry.value))
                for entry in entries
                if entry.value is not None and (entry.explainer in changed or variant.startswith(HEAD_RULE))
            ]
            change = _change(variant, entries[0], rows, changed)
            changes.append(_with_clear(change, runs[change.dataset], {}, variant))
    return changes


def entry_changes(results: Sequence[Result]) -> list[DefinitionChange]:
    """Every value of a hyper-parameter in which entries differ from the plain ones, under every metric.

    Methods are the plain entries. Those that have an entry with the other value are replaced by it, the others stay.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `aggregate`.
    """
    changes, runs = [], _cells(results)
    replaced = {dataset: _replacements(own) for dataset, own in runs.items()}
    for entries in _groups(aggregate(results)):
        values = {entry.explainer: entry.value for entry in entries if entry.value is not None}
        plain, variants = replaced[entries[0].dataset]
        methods = [label for label in values if label in plain]
        for variant, instead in sorted(variants.items()):
            stand_in = {label: instead[label] for label in methods if instead.get(label) in values}
            if stand_in:
                rows = [(label, values[label], values[stand_in.get(label, label)]) for label in methods]
                change = _change(variant, entries[0], rows, stand_in)
                changes.append(_with_clear(change, runs[change.dataset], stand_in, ""))
    return changes


def _change(
    variant: str, like: Entry, rows: Iterable[tuple[str, float, float]], changed: Iterable[str]
) -> DefinitionChange:
    """The change of one metric on one data set, from methods with their primary and their other number."""
    methods, primary, other = zip(*rows, strict=True)
    return DefinitionChange(variant, like.dataset, like.metric, like.measure, methods, primary, other, tuple(changed))


def _groups(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Scored explainers by metric and data set, in the order of the board's columns."""
    scored = (entry for entry in entries if entry.kind == "explainer" and entry.value is not None)
    groups = gathered(scored, lambda entry: (entry.metric, entry.dataset))
    return [groups[place] for place in sorted(groups, key=lambda place: (column(place[0]), place[1]))]


def _cells(results: Iterable[Result]) -> dict[str, Runs]:
    """The runs of all explainers, by data set, then label."""
    explainers = gathered((run for run in results if run.kind == "explainer"), lambda run: run.dataset)
    return {dataset: gathered(own, lambda run: run.explainer) for dataset, own in explainers.items()}


def _with_clear(change: DefinitionChange, runs: Runs, instead: Mapping[str, str], variant: str) -> DefinitionChange:
    """The change with those of its swaps that the intervals of the paired differences leave no doubt about."""
    having = {label: _having(change.metric, variant, own) for label, own in runs.items()} if variant else runs

    def clear(pair: tuple[str, str]) -> bool:
        first, second = (instead.get(label, label) for label in pair)
        before = difference(change.metric, runs[pair[0]], runs[pair[1]])
        after = difference(change.metric, having[first], having[second], variant)
        return _excludes_zero(before) and _excludes_zero(after)

    return replace(change, clear=tuple(pair for pair in change.swaps if clear(pair)))


def _having(metric: str, variant: str, runs: Sequence[Result]) -> list[Result]:
    """The runs, with the primary scores of the metric in place of a variant that they lack."""
    found = []
    for run in runs:
        score = run.scores.get(metric)
        if isinstance(score, Scored) and variant not in score.variants:
            score = score.model_copy(update={"variants": {variant: score.values}})
            run = run.model_copy(update={"scores": {metric: score}})
        found.append(run)
    return found


def _excludes_zero(estimate: Estimate | None) -> bool:
    return estimate is not None and ((interval := estimate.interval()).low > 0 or interval.high < 0)


def _replacements(runs: Runs) -> tuple[set[str], dict[str, dict[str, str]]]:
    """Labels of plain entries; and by ``hyper-parameter = value``, which label stands instead of which plain one."""
    instead: dict[str, dict[str, str]] = {}
    every = [run for own in runs.values() for run in own]
    plain = [find(Method((name,)), every) for name in {name_of(run) for run in every}]
    for entry, key, other in one_choice(every):
        changed = f"{key} = {in_words(other.hyperparameters.get(key))}"
        instead.setdefault(changed, {})[entry.label] = other.explainer
    return {entry.label for entry in plain if isinstance(entry, Selected)}, instead
