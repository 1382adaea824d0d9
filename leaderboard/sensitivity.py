"""How much do a measure, and the order of methods under it, depend on how it is defined?

Two things are varied: the definition of a metric (its variants in the results), and one hyper-parameter of a method
(entries that differ from the plain entry of their explainer in that hyper-parameter alone).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from benchmark.results import Measure, Result
from leaderboard.aggregate import aggregate
from leaderboard.entry import Entry, column
from leaderboard.method import Method, find, name_of
from leaderboard.rank_correlation import kendall_tau_b, rounded, spearman


@dataclass(frozen=True)
class Shift:
    """A metric of several methods under the primary and under another definition, on one data set.

    Attributes:
        variant: What differs: a variant of the metric, or ``hyper-parameter = value``.
        dataset: Name of the data set.
        metric: Key of the metric.
        measure: What the metric means.
        methods: The methods, labels of the plain entries.
        primary: Means over seeds, one per method.
        other: The same under the other definition.
        changed: The methods whose number is another one; all of them where a metric varies.
    """

    variant: str
    dataset: str
    metric: str
    measure: Measure
    methods: tuple[str, ...]
    primary: tuple[float, ...]
    other: tuple[float, ...]
    changed: tuple[str, ...]

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
    def tau(self) -> float | None:
        """Kendall's tau-b between the two orders of methods; ``None`` where one has no order."""
        return kendall_tau_b(self.primary, self.other)

    @property
    def rho(self) -> float | None:
        """Spearman's rank correlation; ``None`` where one has no order."""
        return spearman(self.primary, self.other)

    @property
    def swaps(self) -> tuple[tuple[str, str], ...]:
        """Pairs of methods in reversed order; a pair that either definition ties has not swapped."""
        rows = list(zip(self.methods, rounded(self.primary), rounded(self.other), strict=True))
        return tuple((a[0], b[0]) for a, b in combinations(rows, 2) if (a[1] - b[1]) * (a[2] - b[2]) < 0)

    @property
    def pairs(self) -> int:
        """Pairs of methods that the primary definition tells apart."""
        return sum(a != b for a, b in combinations(rounded(self.primary), 2))

    @property
    def firsts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The best methods under either definition; several where they tie."""
        best = max if self.measure.direction == "higher" else min
        both = (rounded(self.primary), rounded(self.other))
        places = [[m for m, value in zip(self.methods, own, strict=True) if value == best(own)] for own in both]
        return tuple(places[0]), tuple(places[1])


def metric_shifts(results: Sequence[Result]) -> list[Shift]:
    """Every variant of every metric on every data set of one suite; explainers only, no controls and no black box.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `leaderboard.aggregate.aggregate`.
    """
    shifts = []
    for metric, dataset, entries in _groups(aggregate(results)):
        for variant in sorted({name for entry in entries for name in entry.variants}):
            have = [(e.explainer, e.value, e.variants[variant]) for e in entries if variant in e.variants]
            known = [(name, value, other) for name, value, other in have if value is not None]
            names, primary, other = (tuple(column) for column in zip(*known, strict=True))
            shifts.append(Shift(variant, dataset, metric, entries[0].measure, names, primary, other, names))
    return shifts


def entry_shifts(results: Sequence[Result]) -> list[Shift]:
    """Every value of a hyper-parameter in which entries differ from the plain ones, under every metric.

    Methods are the plain entries. Those that have an entry with the other value are replaced by it, the others stay.

    Raises:
        ResultsMixed: If the seeds of an entry do not belong together, see `leaderboard.aggregate.aggregate`.
    """
    shifts = []
    replaced = {dataset: _replacements(cells) for dataset, cells in _by_dataset(results).items()}
    for metric, dataset, entries in _groups(aggregate(results)):
        values = {entry.explainer: entry.value for entry in entries if entry.value is not None}
        plain, variants = replaced[dataset]
        methods = tuple(label for label in values if label in plain)
        for variant, instead in sorted(variants.items()):
            changed = tuple(label for label in methods if instead.get(label) in values)
            if changed:
                primary = tuple(values[label] for label in methods)
                other = tuple(values[instead[label] if label in changed else label] for label in methods)
                measure = entries[0].measure
                shifts.append(Shift(variant, dataset, metric, measure, methods, primary, other, changed))
    return shifts


def _groups(entries: Iterable[Entry]) -> list[tuple[str, str, list[Entry]]]:
    """Scored explainers by metric and data set, in the order of the board's columns."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.kind == "explainer" and entry.value is not None:
            groups.setdefault((entry.metric, entry.dataset), []).append(entry)
    ordered = sorted(groups.items(), key=lambda item: (column(item[0][0]), item[0][1]))
    return [(metric, dataset, own) for (metric, dataset), own in ordered]


def _by_dataset(results: Iterable[Result]) -> dict[str, list[Result]]:
    cells: dict[str, list[Result]] = {}
    for result in results:
        if result.kind == "explainer":
            cells.setdefault(result.dataset, []).append(result)
    return cells


def _replacements(cells: Sequence[Result]) -> tuple[set[str], dict[str, dict[str, str]]]:
    """Labels of plain entries; and by ``hyper-parameter = value``, which label stands instead of which plain one."""
    plain_labels: set[str] = set()
    instead: dict[str, dict[str, str]] = {}
    for name in {name_of(cell) for cell in cells}:
        plain = find(Method((name,)), cells)
        if isinstance(plain, str):
            continue  # several entries and none of them plain: nothing to compare with
        plain_labels.add(plain[0].explainer)
        for other in {c.explainer: c for c in cells if name_of(c) == name}.values():
            differing = _difference(plain[0], other)
            if len(differing) == 1:
                instead.setdefault(differing[0], {})[plain[0].explainer] = other.explainer
    return plain_labels, instead


def _difference(plain: Result, other: Result) -> list[str]:
    """Hyper-parameters in which an entry differs from the plain one, as ``name = value``."""
    before, after = plain.hyperparameters, other.hyperparameters
    return [
        f"{key} = {value if isinstance(value := after.get(key), str) else json.dumps(value)}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
