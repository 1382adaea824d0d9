"""What does another definition do to the numbers of several methods, and to their order?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from benchmark.results import Measure
from leaderboard.rank_correlation import comparable, kendall_tau_b, spearman

MIN_METHODS = 3


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
