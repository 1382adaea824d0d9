"""Things that belong together; results in their order on every board and page."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from sembench.results.result import Result

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Runs = Sequence[Result]


def gathered(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by their key, keys and items in order of appearance."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def by_suite(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each suite in order, suites in alphabetical order."""
    return gathered(sorted(results, key=lambda r: (r.suite, r.dataset, r.explainer, r.seed)), lambda r: r.suite)


def by_dataset(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results on each data set of one suite in order, data sets in alphabetical order."""
    return gathered(sorted(results, key=lambda r: (r.dataset, r.explainer, r.seed)), lambda r: r.dataset)
